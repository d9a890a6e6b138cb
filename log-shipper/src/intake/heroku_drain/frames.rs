//! The messages in a body of Heroku's drains: octet-counted syslog without structured data,
//! `89 <45>1 2026-01-01T00:00:00+00:00 host app web.1 - text`.

use jiff::Timestamp;

/// Digits of a frame's length; no body is that long.
const LENGTH_DIGITS: usize = 10;

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Whatever follows is lost with it: nobody knows where it begins.
    #[error("at byte {at}: a length and a space are wanted, and so many bytes after them")]
    Length {
        /// From the begin of the body.
        at: usize,
    },
    /// The next message can be read.
    #[error("at byte {at}: <priority>version time host app process id, and the text, are wanted")]
    Header {
        /// From the begin of the body.
        at: usize,
    },
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Nanoseconds since 1970; `None` for what is no time.
    pub timestamp_ns: Option<i64>,
    /// Host.
    pub host: &'a [u8],
    /// Application.
    pub app: &'a [u8],
    /// Process.
    pub process: &'a [u8],
    /// Identity of the message.
    pub id: &'a [u8],
    /// Without the newline at its end.
    pub line: &'a [u8],
}

/// Reads the messages of a body.
#[derive(Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// All messages, in order.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body, at: 0 }
    }

    fn cut(&mut self) -> Option<&'a [u8]> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = Some(digits).filter(|digits| (1..=LENGTH_DIGITS).contains(digits))?;
        let text = std::str::from_utf8(&self.rest[..length]).ok()?;
        let bytes = self.rest[length..].strip_prefix(b" ")?;
        let (frame, rest) = bytes.split_at_checked(text.parse().ok()?)?;
        self.at += self.rest.len() - rest.len();
        self.rest = rest;
        Some(frame)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.at;
        let Some(frame) = self.cut() else {
            self.rest = &[];
            return Some(Err(FrameError::Length { at }));
        };
        Some(parse(frame).ok_or(FrameError::Header { at }))
    }
}

fn parse(frame: &[u8]) -> Option<Frame<'_>> {
    let mut fields = frame.splitn(7, |byte| *byte == b' ');
    let priority = fields.next()?.strip_prefix(b"<")?;
    let end = priority.iter().position(|byte| *byte == b'>')?;
    if end == 0 || !priority[..end].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let time = std::str::from_utf8(fields.next()?).ok()?;
    let time = time.parse::<Timestamp>().ok();
    let timestamp_ns = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    let (host, app) = (fields.next()?, fields.next()?);
    let (process, id) = (fields.next()?, fields.next()?);
    let line = fields.next().unwrap_or_default();
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    Some(Frame { timestamp_ns, host, app, process, id, line })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(message: &str) -> String {
        format!("{} {message}", message.len())
    }

    #[test]
    fn messages_are_cut_by_their_length() {
        let body = counted("<40>1 2012-11-30T06:45:29+00:00 host app web.3 - two\nlines\n")
            + &counted("<40>1 2012-11-30T06:45:29.5+01:00 h a p id ");
        let frames: Vec<_> = Frames::new(body.as_bytes()).collect();
        let first = Frame {
            timestamp_ns: Some(1_354_257_929_000_000_000),
            host: b"host",
            app: b"app",
            process: b"web.3",
            id: b"-",
            line: b"two\nlines",
        };
        assert_eq!(frames[0], Ok(first));
        let second = frames[1].unwrap();
        assert_eq!((second.line, second.id), (&b""[..], &b"id"[..]));
        assert_eq!(second.timestamp_ns, Some(1_354_254_329_500_000_000));
        assert_eq!(frames.len(), 2);
    }

    #[test]
    fn a_bad_header_costs_one_message_and_a_bad_length_the_rest() {
        let good = counted("<1>1 - h a p - x");
        let body = format!("{}{good}99 <1>1 - h a p - y", counted("no syslog"));
        let frames: Vec<_> = Frames::new(body.as_bytes()).collect();
        assert_eq!(frames[0], Err(FrameError::Header { at: 0 }));
        assert_eq!(frames[1].unwrap().line, b"x");
        assert_eq!(frames[2], Err(FrameError::Length { at: 11 + good.len() }));
        assert_eq!(frames.len(), 3);
        for body in ["x", "5", "5x", " ", "-1 x", "99999999999999999999 x"] {
            let frames: Vec<_> = Frames::new(body.as_bytes()).collect();
            assert_eq!(frames, [Err(FrameError::Length { at: 0 })], "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_body_ends(body in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(Frames::new(&body).count() <= body.len());
        }
    }
}
