//! Xids of one GPU: errors of the board, the driver, or a program, told by number.
//!
//! Every event is counted, whatever their rate. Numbers come from the driver, so no more than 64
//! have a count of their own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use super::snapshot::Xid;
use super::window::WindowCount;

/// Numbers with a count of their own; NVIDIA lists some 170, a GPU shows a handful.
const MAX_NUMBERS: usize = 64;

/// Between two lines of the log about the same number.
const LOG_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Entry {
    count: u64,
    window: WindowCount,
    last: SystemTime,
    logged: Option<Instant>,
    suppressed: u64,
}

/// All of one GPU.
#[derive(Debug, Clone)]
pub struct Xids {
    window: Duration,
    by_number: BTreeMap<u32, Entry>,
    others: Option<Entry>,
    last: Option<u32>,
}

impl Xids {
    /// None yet; `window` is that of DCGM's counter.
    pub fn new(window: Duration) -> Self {
        Self { window, by_number: BTreeMap::new(), others: None, last: None }
    }

    /// Counts one. Returns how many of it were not logged, if this one is to be.
    pub fn record(&mut self, number: u32, now: Instant, wall: SystemTime) -> Option<u64> {
        self.last = Some(number);
        let fresh = || Entry {
            count: 0,
            window: WindowCount::new(self.window, now),
            last: wall,
            logged: None,
            suppressed: 0,
        };
        let has_room = self.by_number.len() < MAX_NUMBERS || self.by_number.contains_key(&number);
        let entry = if has_room {
            self.by_number.entry(number).or_insert_with(fresh)
        } else {
            self.others.get_or_insert_with(fresh)
        };
        entry.count += 1;
        entry.window.add(now);
        entry.last = wall;
        let is_due = entry.logged.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY);
        if is_due {
            entry.logged = Some(now);
            return Some(std::mem::take(&mut entry.suppressed));
        }
        entry.suppressed += 1;
        None
    }

    /// What a page shows, by number; those without a count of their own last.
    pub fn snapshot(&self, now: Instant) -> Vec<Xid> {
        let numbered = self.by_number.iter().map(|(number, entry)| (Some(*number), entry));
        let others = self.others.iter().map(|entry| (None, entry));
        numbered
            .chain(others)
            .map(|(number, entry)| Xid {
                number,
                count: entry.count,
                count_in_window: entry.window.count(now),
                last: entry.last,
            })
            .collect()
    }

    /// The last number.
    pub fn last(&self) -> Option<u32> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_a_storm_is_counted_and_one_a_second_logged() {
        let (start, wall) = (Instant::now(), SystemTime::UNIX_EPOCH);
        let mut xids = Xids::new(Duration::from_mins(5));
        let logged = (0..5_000)
            .filter_map(|index| xids.record(31, start + Duration::from_micros(index * 200), wall))
            .count();
        assert_eq!(logged, 1);
        let shown = xids.snapshot(start + Duration::from_secs(1));
        assert_eq!(shown.len(), 1);
        assert_eq!((shown[0].number, shown[0].count), (Some(31), 5_000));
        assert_eq!(shown[0].count_in_window, 5_000);
        assert_eq!(xids.record(31, start + Duration::from_secs(1), wall), Some(4_999));
        let later = xids.snapshot(start + Duration::from_mins(6));
        assert_eq!((later[0].count, later[0].count_in_window), (5_001, 0));
    }

    #[test]
    fn numbers_beyond_the_limit_share_a_count_and_the_known_ones_keep_theirs() {
        let (now, wall) = (Instant::now(), SystemTime::UNIX_EPOCH);
        let mut xids = Xids::new(Duration::from_mins(5));
        for number in (0..1_000).chain([5]) {
            xids.record(number, now, wall);
        }
        let shown = xids.snapshot(now);
        assert_eq!(shown.len(), MAX_NUMBERS + 1);
        assert_eq!((shown[5].number, shown[5].count), (Some(5), 2));
        assert_eq!((shown[64].number, shown[64].count), (None, 936));
        assert_eq!(xids.last(), Some(5));
    }
}
