//! The words for severities and facilities.
//!
//! Relabelling rules match them: they are those of go-syslog, not those of `logger` or of RFC 5424.

const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "security", "console", "cron2", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// The number between `<` and `>`: 0 to 191.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority(u8);

impl Priority {
    /// Takes `<N>` off a message; `None` when it does not begin with one.
    pub fn take(message: &[u8]) -> Option<(Self, &[u8])> {
        let rest = message.strip_prefix(b"<")?;
        let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at(digits);
        let rest = rest.strip_prefix(b">")?;
        if digits.len() > 1 && digits[0] == b'0' {
            return None;
        }
        let number: u8 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (number < 192).then_some((Self(number), rest))
    }

    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// How bad it is.
    pub fn severity(self) -> &'static str {
        SEVERITIES[usize::from(self.0 % 8)]
    }

    /// What it is about.
    pub fn facility(self) -> &'static str {
        FACILITIES[usize::from(self.0 / 8)]
    }
}

/// The word for a severity; `None` beyond 7.
pub fn severity(level: i64) -> Option<&'static str> {
    SEVERITIES.get(usize::try_from(level).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_a_facility_and_a_severity() {
        let (priority, rest) = Priority::take(b"<165>1 x").unwrap();
        assert_eq!((priority.severity(), priority.facility()), ("notice", "local4"));
        assert_eq!(rest, b"1 x");
        let (priority, _) = Priority::take(b"<34>").unwrap();
        assert_eq!((priority.severity(), priority.facility()), ("critical", "auth"));
        assert_eq!(Priority::take(b"<191>").unwrap().0.facility(), "local7");
        assert_eq!(severity(7), Some("debug"));
        assert_eq!((severity(8), severity(-1)), (None, None));
    }

    #[test]
    fn what_is_no_priority_is_refused() {
        for message in [&b""[..], b"<>", b"<192>", b"<1", b"<034>", b"<1a>", b"34>", b"<999>"] {
            assert_eq!(Priority::take(message), None, "{message:?}");
        }
        assert_eq!(Priority::take(b"<0>").unwrap().0.number(), 0);
    }
}
