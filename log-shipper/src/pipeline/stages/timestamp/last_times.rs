//! The last known time of each stream, for lines whose own time cannot be read.
//!
//! Remembers at least the [`GENERATION`] streams used last and at most twice as many: 16 bytes each,
//! together under 1 MiB. A full generation becomes the old one; the one before it is forgotten.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Promtail remembers as many label sets.
const GENERATION: usize = 10_000;

/// Nanoseconds since 1970 by the key of a stream.
#[derive(Debug, Default)]
pub(crate) struct LastTimes {
    young: HashMap<u64, i64, RandomState>,
    old: HashMap<u64, i64, RandomState>,
}

impl LastTimes {
    /// Remembers the time of a stream's line.
    pub(crate) fn remember(&mut self, stream: u64, time_ns: i64) {
        if let Some(known) = self.young.get_mut(&stream) {
            *known = time_ns;
            return;
        }
        if self.young.len() == GENERATION {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(stream, time_ns);
    }

    /// The time for a line without one: a nanosecond after the last line, so that the order stays.
    pub(crate) fn next(&mut self, stream: u64) -> Option<i64> {
        let last = self.young.get(&stream).or_else(|| self.old.get(&stream))?;
        let time_ns = last.saturating_add(1);
        self.remember(stream, time_ns);
        Some(time_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_without_a_time_is_a_nanosecond_later() {
        let mut times = LastTimes::default();
        assert_eq!(times.next(1), None);
        times.remember(1, 100);
        times.remember(2, 900);
        assert_eq!((times.next(1), times.next(1)), (Some(101), Some(102)));
        times.remember(1, 50);
        assert_eq!(times.next(1), Some(51));
    }

    #[test]
    fn the_streams_used_last_are_remembered_and_memory_is_bounded() {
        let mut times = LastTimes::default();
        times.remember(u64::MAX, 7);
        for stream in 0..5 * GENERATION as u64 {
            times.remember(stream, 0);
            if stream % (GENERATION as u64 / 2) == 0 {
                assert!(times.next(u64::MAX).is_some(), "used again and again, so not forgotten");
            }
            assert!(times.young.len() + times.old.len() <= 2 * GENERATION);
        }
        assert_eq!(times.next(0), None);
        let recent = 4 * GENERATION as u64 + 10..5 * GENERATION as u64;
        assert!(recent.into_iter().all(|stream| times.next(stream) == Some(1)));
    }
}
