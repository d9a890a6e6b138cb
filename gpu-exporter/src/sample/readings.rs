//! The values of one device: absent ones are absent, never 0.

use std::time::{Duration, Instant};

use super::catalogue::{Cadence, Reading};

const COUNT: usize = Reading::ALL.len();

/// Values by [`Reading`], with the time at which each cadence was last read.
#[derive(Debug, Clone)]
pub struct Readings {
    values: [f64; COUNT],
    present: [bool; COUNT],
    taken: [Option<Instant>; Cadence::ALL.len()],
}

impl Default for Readings {
    fn default() -> Self {
        Self { values: [0.0; COUNT], present: [false; COUNT], taken: [None; Cadence::ALL.len()] }
    }
}

impl Readings {
    /// Sets or removes a value, in the unit that the reading names.
    pub fn set(&mut self, reading: Reading, value: Option<f64>) {
        self.present[reading as usize] = value.is_some();
        self.values[reading as usize] = value.unwrap_or_default();
    }

    /// The value as it was last read, however old.
    pub fn last(&self, reading: Reading) -> Option<f64> {
        self.present[reading as usize].then(|| self.values[reading as usize])
    }

    /// Notes that everything of a cadence has been read.
    pub fn taken(&mut self, cadence: Cadence, at: Instant) {
        self.taken[cadence as usize] = Some(at);
    }

    /// When a cadence was last read.
    pub fn taken_at(&self, cadence: Cadence) -> Option<Instant> {
        self.taken[cadence as usize]
    }

    /// Removes what is too old to be shown.
    #[must_use]
    pub fn without_stale(mut self, now: Instant, sampling: Duration) -> Self {
        for cadence in Cadence::ALL {
            let is_fresh = self.taken[cadence as usize]
                .is_some_and(|at| now.saturating_duration_since(at) <= cadence.max_age(sampling));
            if !is_fresh {
                for reading in Reading::ALL.iter().filter(|reading| reading.cadence() == cadence) {
                    self.present[*reading as usize] = false;
                }
            }
        }
        self
    }

    /// Removes everything: the device does not answer.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_too_old_is_absent() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut readings = Readings::default();
        readings.set(Reading::Power, Some(300.0));
        readings.set(Reading::ClockMaxSm, Some(1.98e9));
        readings.taken(Cadence::Fast, start);
        readings.taken(Cadence::Slow, start);
        let shown = readings.clone().without_stale(start + Duration::from_secs(10), second);
        assert_eq!(shown.last(Reading::Power), Some(300.0));
        let shown = readings.without_stale(start + Duration::from_secs(11), second);
        assert_eq!(shown.last(Reading::Power), None);
        assert_eq!(shown.last(Reading::ClockMaxSm), Some(1.98e9));
    }

    #[test]
    fn absent_is_not_zero() {
        let mut readings = Readings::default();
        assert_eq!(readings.last(Reading::Energy), None);
        readings.set(Reading::Energy, Some(0.0));
        assert_eq!(readings.last(Reading::Energy), Some(0.0));
        readings.set(Reading::Energy, None);
        assert_eq!(readings.last(Reading::Energy), None);
    }
}
