//! Where an entry stands among all entries, and that place as text.
//!
//! The text is systemd's own cursor, so `journalctl --after-cursor` and Promtail understand what is
//! saved. Two entries of one sequence are told apart by their number; a clock that was set back
//! does not move them.

use std::cmp::Ordering;
use std::fmt;

/// What names one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryKey {
    /// The sequence that the number belongs to; files of one machine mostly share it.
    pub sequence: u128,
    /// Number in the sequence, from 1.
    pub number: u64,
    /// The start of the machine.
    pub boot: u128,
    /// Microseconds since that start.
    pub monotonic_us: u64,
    /// Microseconds since 1970, UTC.
    pub realtime_us: u64,
    /// A digest of the fields.
    pub digest: u64,
}

impl EntryKey {
    /// The order in which entries are passed on.
    pub fn order(&self, other: &Self) -> Ordering {
        if self.sequence == other.sequence {
            return self.number.cmp(&other.number);
        }
        let rest = |key: &Self| (key.realtime_us, key.digest, key.sequence);
        rest(self).cmp(&rest(other))
    }

    /// Reads systemd's text; keys that it does not know are skipped. `None` without a sequence, a
    /// number and a time.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut sequence, mut number, mut realtime_us) = (None, None, None);
        let (mut boot, mut monotonic_us, mut digest) = (0, 0, 0);
        for part in text.trim().split(';') {
            let (key, value) = part.split_once('=')?;
            let short = || u64::from_str_radix(value, 16).ok();
            let long = || u128::from_str_radix(&value.replace('-', ""), 16).ok();
            match key {
                "s" => sequence = Some(long()?),
                "i" => number = Some(short()?),
                "t" => realtime_us = Some(short()?),
                "b" => boot = long()?,
                "m" => monotonic_us = short()?,
                "x" => digest = short()?,
                _ => {}
            }
        }
        let (sequence, number, realtime_us) = (sequence?, number?, realtime_us?);
        Some(Self { sequence, number, boot, monotonic_us, realtime_us, digest })
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, number, boot, monotonic_us, realtime_us, digest } = self;
        write!(
            f,
            "s={sequence:032x};i={number:x};b={boot:032x};m={monotonic_us:x};t={realtime_us:x};x={digest:x}"
        )
    }
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Behind this entry.
    After(EntryKey),
    /// With the first entry of this time, in microseconds since 1970, or of a later one.
    At(u64),
}

impl Start {
    /// `saved`, unless that entry is older than `max_age_us`.
    pub fn new(saved: Option<EntryKey>, now_us: u64, max_age_us: u64) -> Self {
        let oldest = now_us.saturating_sub(max_age_us);
        saved.filter(|key| key.realtime_us >= oldest).map_or(Self::At(oldest), Self::After)
    }

    /// Whether an entry is to be read.
    pub fn includes(&self, key: &EntryKey) -> bool {
        match self {
            Self::After(last) => key.order(last) == Ordering::Greater,
            Self::At(oldest) => key.realtime_us >= *oldest,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_that_of_journalctl() {
        let text = "s=934f43229f2d487db37cea8b2fa96d68;i=1;b=0123456789abcdef0123456789abcdef;\
                    m=4c4b40;t=60a24181e4000;x=7bb508c2a57f8a65";
        let key = EntryKey::parse(text).unwrap();
        assert_eq!(key.number, 1);
        assert_eq!(key.realtime_us, 1_700_000_000_000_000);
        assert_eq!(key.to_string(), text);
    }

    #[test]
    fn a_text_without_a_place_is_none() {
        for text in ["", "s=1", "s=1;i=2", "s=x;i=1;t=1", "s=1;i=1;t=1;", "1234"] {
            assert_eq!(EntryKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_old_place_gives_way_to_the_age() {
        let key = EntryKey::parse("s=1;i=5;t=64").unwrap();
        assert_eq!(Start::new(Some(key), 150, 50), Start::After(key));
        assert_eq!(Start::new(Some(key), 151, 50), Start::At(101));
        assert_eq!(Start::new(None, 10, 50), Start::At(0));
    }

    #[test]
    fn in_one_sequence_the_number_decides_and_not_the_clock() {
        let key = |text| EntryKey::parse(text).unwrap();
        let start = Start::After(key("s=1;i=5;t=64"));
        assert!(start.includes(&key("s=1;i=6;t=10")));
        assert!(!start.includes(&key("s=1;i=5;t=64")));
        assert!(!start.includes(&key("s=2;i=6;t=10")));
        assert!(start.includes(&key("s=2;i=1;t=65")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            sequence: u128, number: u64, boot: u128, monotonic_us: u64, realtime_us: u64, digest: u64
        ) {
            let key = EntryKey { sequence, number, boot, monotonic_us, realtime_us, digest };
            prop_assert_eq!(EntryKey::parse(&key.to_string()), Some(key));
        }

        #[test]
        fn no_text_panics(text in "[sibmtx=;0-9a-f-]{0,40}") {
            let _ = EntryKey::parse(&text);
        }
    }
}
