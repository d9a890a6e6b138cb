//! How far a container's log has been read, exactly.
//!
//! Promtail's part is the whole second of the last line. Behind it stand, for each stream, the time
//! of its last line in nanoseconds and how many lines in a row have that time. Within a stream times
//! do not fall, as long as the clock is not set back; between the streams they do, a little, because
//! the engine reads both at once. So a log is asked for from a little earlier on, and what was read
//! is left out stream by stream.

use super::frames::StreamKind;

const NANOS: i64 = 1_000_000_000;

/// How much earlier, in seconds: more than the engine's readers of two streams come apart.
const EARLIER: i64 = 2;

/// The last line of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Last {
    /// Nanoseconds since 1970; 0 before the first line.
    time_ns: i64,
    /// Lines in a row with this time.
    lines: u64,
}

/// A place in a log; the beginning by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Seconds since 1970 of the last line.
    second: i64,
    streams: Option<[Last; 2]>,
}

impl Place {
    /// Reads a saved place, Promtail's or ours; `None` for what is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let second = words.next()?.parse().ok()?;
        let mut last = || {
            let (time_ns, lines) = words.next()?.split_once('+')?;
            Some(Last { time_ns: time_ns.parse().ok()?, lines: lines.parse().ok()? })
        };
        // What is not understood behind the second costs repeated lines only.
        let streams = last().zip(last()).map(|(stdout, stderr)| [stdout, stderr]);
        Some(Self { second, streams })
    }

    /// The text to save.
    pub(super) fn text(&self) -> String {
        let Some([stdout, stderr]) = self.streams else { return self.second.to_string() };
        format!(
            "{} {}+{} {}+{}",
            self.second, stdout.time_ns, stdout.lines, stderr.time_ns, stderr.lines
        )
    }

    /// From when on the log is to be asked for: seconds since 1970, and 0 for all of it.
    pub(super) fn since(&self) -> i64 {
        match self.streams {
            Some(_) => (self.second - EARLIER).max(0),
            None => self.second,
        }
    }

    /// A line has been read.
    pub(super) fn advance(&mut self, stream: StreamKind, time_ns: i64) {
        let last = &mut self.streams.get_or_insert_default()[stream.index()];
        if last.time_ns == time_ns {
            last.lines += 1;
        } else {
            *last = Last { time_ns, lines: 1 };
        }
        self.second = time_ns.div_euclid(NANOS);
    }
}

/// Leaves out what was read before the log was asked for again.
#[derive(Debug)]
pub(super) struct Resumption {
    streams: [Option<Last>; 2],
}

impl Resumption {
    /// Goes on at this place.
    pub(super) fn at(place: &Place) -> Self {
        let streams = place.streams.unwrap_or_default();
        Self { streams: streams.map(|last| (last.lines > 0).then_some(last)) }
    }

    /// Whether this line was read before. After the first that was not, all of the stream are new.
    pub(super) fn was_read(&mut self, stream: StreamKind, time_ns: i64) -> bool {
        let waits = &mut self.streams[stream.index()];
        let Some(last) = waits else { return false };
        if time_ns < last.time_ns {
            return true;
        }
        if time_ns == last.time_ns && last.lines > 0 {
            last.lines -= 1;
            return true;
        }
        *waits = None;
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn promtails_place_is_read_and_ours_begins_with_it() {
        let promtails = Place::parse("1700000000").unwrap();
        assert_eq!((promtails.since(), promtails.text().as_str()), (1_700_000_000, "1700000000"));
        let mut place = promtails;
        place.advance(StreamKind::Stderr, 1_700_000_005_000_000_007);
        place.advance(StreamKind::Stderr, 1_700_000_005_000_000_007);
        place.advance(StreamKind::Stdout, 1_700_000_004_999_999_999);
        let text = "1700000004 1700000004999999999+1 1700000005000000007+2";
        assert_eq!(place.text(), text);
        assert_eq!(Place::parse(text), Some(place));
        assert_eq!(place.since(), 1_700_000_002);
        assert_eq!(Place::parse("1700000000 odd").unwrap(), promtails);
        assert_eq!(Place::parse("s=1;i=2"), None);
        assert_eq!(Place::default().since(), 0);
    }

    #[test]
    fn after_the_clock_was_set_back_lines_come_twice_rather_than_never() {
        let mut place = Place::default();
        place.advance(StreamKind::Stdout, 100 * NANOS);
        place.advance(StreamKind::Stdout, 50 * NANOS);
        let mut resumption = Resumption::at(&place);
        let times = [100, 50, 51].map(|second| second * NANOS);
        assert_eq!(times.map(|time| resumption.was_read(StreamKind::Stdout, time)), [false; 3]);
    }

    proptest! {
        /// The model: a log of two streams, each in order, is read up to some line; the rest and
        /// nothing else is read after that, although lines of the two are not in order and many have
        /// the same time.
        #[test]
        fn every_line_is_read_once(
            steps in prop::collection::vec((any::<bool>(), 0_i64..3), 1..60),
            read in 0_usize..60,
        ) {
            let mut times = [1_700_000_000 * NANOS, 1_700_000_000 * NANOS + 5];
            let log: Vec<(StreamKind, i64)> = steps
                .iter()
                .map(|(is_stderr, step)| {
                    let stream = StreamKind::ALL[usize::from(*is_stderr)];
                    times[stream.index()] += step;
                    (stream, times[stream.index()])
                })
                .collect();
            let read = read.min(log.len());
            let mut place = Place::default();
            for (stream, time) in &log[..read] {
                place.advance(*stream, *time);
            }
            let place = Place::parse(&place.text()).unwrap();
            let mut resumption = Resumption::at(&place);
            let rest: Vec<_> = log
                .iter()
                .filter(|(_, time)| *time >= place.since() * NANOS)
                .filter(|(stream, time)| !resumption.was_read(*stream, *time))
                .copied()
                .collect();
            prop_assert_eq!(&rest[..], &log[read..]);
        }
    }
}
