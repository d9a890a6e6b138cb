//! Trailing windows of fixed size in memory, whatever their length and the number of points.
//!
//! Reading changes nothing: two Prometheus servers that scrape the same exporter see the same
//! maximum. A window is made of 60 slices, so its beginning is right to a sixtieth of its length.

use std::time::{Duration, Instant};

const SLICES: u32 = 60;

/// Which slice a moment is in: counted from when the window was made.
#[derive(Debug, Clone)]
struct Slices {
    origin: Instant,
    length: Duration,
}

impl Slices {
    fn new(window: Duration, origin: Instant) -> Self {
        let length = (window / SLICES).max(Duration::from_millis(1));
        // so that what happened just before the start has a slice as well
        let origin = origin.checked_sub(window).unwrap_or(origin);
        Self { origin, length }
    }

    fn number(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(since / self.length.as_nanos()).unwrap_or(u64::MAX)
    }

    fn place(number: u64) -> usize {
        usize::try_from(number % u64::from(SLICES)).unwrap_or_default()
    }

    /// Whether a slice is inside the window that ends with slice `last`.
    fn is_inside(number: u64, last: u64) -> bool {
        number <= last && last - number < u64::from(SLICES)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    number: u64,
    weighted: f64,
    weight: f64,
    max: Option<f64>,
}

/// Average and maximum over the last so many seconds.
#[derive(Debug, Clone)]
pub struct TrailingWindow {
    slices: Slices,
    ring: [Slice; SLICES as usize],
}

impl TrailingWindow {
    /// An empty window.
    pub fn new(window: Duration, now: Instant) -> Self {
        Self { slices: Slices::new(window, now), ring: [Slice::default(); SLICES as usize] }
    }

    /// Adds a value that held for `seconds` until `at`.
    pub fn add(&mut self, at: Instant, value: f64, seconds: f64) {
        let number = self.slices.number(at);
        let slice = &mut self.ring[Slices::place(number)];
        if slice.number > number {
            // older than the window
            return;
        }
        if slice.number < number {
            *slice = Slice { number, ..Slice::default() };
        }
        slice.weighted += value * seconds;
        slice.weight += seconds;
        slice.max = Some(slice.max.map_or(value, |max| max.max(value)));
    }

    fn inside(&self, now: Instant) -> impl Iterator<Item = &Slice> {
        let last = self.slices.number(now);
        self.ring
            .iter()
            .filter(move |slice| slice.max.is_some() && Slices::is_inside(slice.number, last))
    }

    /// The highest value; `None` without any.
    pub fn max(&self, now: Instant) -> Option<f64> {
        self.inside(now).filter_map(|slice| slice.max).reduce(f64::max)
    }

    /// The average by time; `None` without any time.
    pub fn average(&self, now: Instant) -> Option<f64> {
        let (weighted, weight) = self
            .inside(now)
            .fold((0.0, 0.0), |(sum, weight), slice| (sum + slice.weighted, weight + slice.weight));
        (weight > 0.0).then(|| weighted / weight)
    }
}

/// How often something happened in the last so many seconds.
#[derive(Debug, Clone)]
pub struct WindowCount {
    slices: Slices,
    ring: [(u64, u32); SLICES as usize],
}

impl WindowCount {
    /// Nothing happened.
    pub fn new(window: Duration, now: Instant) -> Self {
        Self { slices: Slices::new(window, now), ring: [(0, 0); SLICES as usize] }
    }

    /// It happened.
    pub fn add(&mut self, at: Instant) {
        let number = self.slices.number(at);
        let (known, count) = &mut self.ring[Slices::place(number)];
        if *known > number {
            return;
        }
        if *known < number {
            (*known, *count) = (number, 0);
        }
        *count = count.saturating_add(1);
    }

    /// How often.
    pub fn count(&self, now: Instant) -> u64 {
        let last = self.slices.number(now);
        let inside = self.ring.iter().filter(|(number, _)| Slices::is_inside(*number, last));
        inside.map(|(_, count)| u64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    #[test]
    fn a_peak_is_seen_for_the_whole_window_however_often_it_is_read() {
        let start = Instant::now();
        let mut window = TrailingWindow::new(WINDOW, start);
        assert_eq!((window.max(start), window.average(start)), (None, None));
        window.add(start, 1.0, 0.2);
        for second in 1..=40 {
            let now = start + Duration::from_secs(second);
            window.add(now, 0.1, 1.0);
            let expected = if second < 30 { 1.0 } else { 0.1 };
            for _replica in 0..2 {
                assert_eq!(window.max(now), Some(expected), "after {second} s");
            }
        }
    }

    #[test]
    fn the_average_is_by_time_not_by_points() {
        let start = Instant::now();
        let mut window = TrailingWindow::new(WINDOW, start);
        window.add(start, 1.0, 1.0);
        window.add(start, 0.0, 3.0);
        assert_eq!(window.average(start), Some(0.25));
    }

    #[test]
    fn what_is_older_than_the_window_is_not_taken_for_new() {
        let start = Instant::now();
        let mut window = TrailingWindow::new(WINDOW, start);
        let now = start + Duration::from_secs(100);
        window.add(now, 0.2, 1.0);
        window.add(start + Duration::from_secs(10), 1.0, 1.0);
        assert_eq!(window.max(now), Some(0.2));
    }

    proptest! {
        /// The model keeps every event; the ring may be off by one slice at the beginning.
        #[test]
        fn counts_are_those_of_a_list(pauses in prop::collection::vec(0_u64..4_000, 1..200)) {
            let start = Instant::now();
            let mut count = WindowCount::new(WINDOW, start);
            let (mut now, mut events) = (start, Vec::new());
            let slice = WINDOW / SLICES;
            for pause in pauses {
                now += Duration::from_millis(pause);
                count.add(now);
                events.push(now);
                let within = |limit: Duration| {
                    events.iter().filter(|event| now - **event < limit).count() as u64
                };
                let counted = count.count(now);
                prop_assert!(counted >= within(slice * (SLICES - 1)));
                prop_assert!(counted <= within(slice * (SLICES + 1)));
            }
        }
    }
}
