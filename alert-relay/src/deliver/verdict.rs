//! What an answer means, and when to try again.

use std::time::Duration;

use crate::incident::{Answer, Receipt};
use crate::time::Moment;

/// A destination that does not work is tried again after this time: a rotated secret must heal
/// without a restart.
const BROKEN_PAUSE: Duration = Duration::from_mins(5);

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The longest that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// Characters of what a server said that are kept.
const MAX_SAID: usize = 300;

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Too many at once.
    Wait,
    /// May go better next time.
    Retry,
    /// Credential or channel.
    Broken,
    /// The form of the message.
    Format,
    /// The message that is to be edited is not there.
    Gone,
    /// Never.
    Refused,
    /// Nobody has said what it means.
    Unknown,
}

/// A call that came to nothing, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) class: Class,
    /// It may have been done all the same.
    pub(super) is_ambiguous: bool,
    /// As the server asked.
    pub(super) pause: Option<Duration>,
    /// What was said; no secret is in it.
    pub(super) problem: String,
}

impl Trouble {
    pub(super) fn new(class: Class, problem: impl Into<String>) -> Self {
        Self { class, is_ambiguous: false, pause: None, problem: problem.into() }
    }

    /// For the queue, after so many attempts before this one.
    pub(super) fn answer(self, attempts: u32) -> Answer {
        let now = Moment::now();
        let asked = self.pause.unwrap_or_default();
        let Self { class, is_ambiguous, problem, .. } = self;
        match class {
            Class::Wait | Class::Retry | Class::Gone | Class::Unknown => {
                let pause = backoff(attempts, fastrand::f64()).max(asked);
                Answer::Retry { not_before: now.after(pause), is_ambiguous, problem }
            }
            Class::Broken => Answer::Broken { not_before: now.after(BROKEN_PAUSE), problem },
            Class::Format | Class::Refused => Answer::Refused { problem },
        }
    }
}

/// 0.5 s that double with every attempt up to 30 s, and a quarter more or less: `random` is in
/// `[0, 1)`.
pub(super) fn backoff(attempts: u32, random: f64) -> Duration {
    let pause = Duration::from_millis(500).saturating_mul(1 << attempts.min(10)).min(MAX_PAUSE);
    pause.mul_f64(0.75 + random / 2.0)
}

/// `Retry-After`: seconds, or a date. Never longer than five minutes.
pub(super) fn retry_after(text: &str, now: Moment) -> Option<Duration> {
    let text = text.trim();
    let pause = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        Moment::from_millis(date.timestamp().as_millisecond()).since(now)
    };
    Some(pause.min(MAX_RETRY_AFTER))
}

/// What a server said, on one line and not too long.
pub(super) fn said(text: &str) -> String {
    crate::render::text::cut(&crate::render::text::line(text), MAX_SAID)
}

/// Accepted, with one message more.
pub(super) fn accepted(
    before: Option<&Receipt>,
    place: &str,
    stamp: &str,
    credential: &str,
) -> Answer {
    let receipt = Receipt {
        place: place.to_owned(),
        stamp: stamp.to_owned(),
        credential: credential.to_owned(),
        sequence: before.map_or(0, |before| before.sequence) + 1,
    };
    Answer::Accepted { receipt }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_thirty_seconds_with_a_quarter_either_way() {
        let millis = |attempts, random| backoff(attempts, random).as_millis();
        assert_eq!([millis(0, 0.5), millis(1, 0.5), millis(4, 0.5)], [500, 1_000, 8_000]);
        assert_eq!([millis(6, 0.5), millis(60, 0.5)], [30_000; 2]);
        assert_eq!([millis(0, 0.0), millis(0, 1.0)], [375, 625]);
    }

    #[test]
    fn a_server_may_ask_in_seconds_or_with_a_date() {
        let now = Moment::parse("2026-11-24T12:00:00Z").unwrap();
        for (text, seconds) in [
            ("3", Some(3)),
            (" 86400 ", Some(300)),
            ("Tue, 24 Nov 2026 12:00:20 GMT", Some(20)),
            ("Tue, 24 Nov 2026 11:00:00 GMT", Some(0)),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn each_class_has_its_answer() {
        let now = Moment::now();
        let of = |class| Trouble::new(class, "x").answer(0);
        assert!(matches!(of(Class::Refused), Answer::Refused { .. }));
        assert!(matches!(of(Class::Format), Answer::Refused { .. }));
        assert!(
            matches!(of(Class::Broken), Answer::Broken { not_before, .. } if not_before >= now.after(BROKEN_PAUSE))
        );
        let asked =
            Trouble { pause: Some(Duration::from_secs(20)), ..Trouble::new(Class::Wait, "x") };
        assert!(
            matches!(asked.answer(0), Answer::Retry { not_before, is_ambiguous: false, .. } if not_before >= now.after(Duration::from_secs(20)))
        );
    }
}
