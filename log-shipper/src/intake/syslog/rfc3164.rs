//! Messages as BSD's syslog wrote them, and as RFC 3164 found them.
//!
//! Only the priority is required: RFC 3164 (4.3) takes what does not look like a header as text, so
//! nothing else is an error.

use jiff::Timestamp;

use super::priority::Priority;
use super::timestamp;

/// A longer word before a colon is text.
const MAX_TAG: usize = 48;

/// A message without `<N>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no priority: `<0>` to `<191>` begin a message")]
pub struct Rfc3164Error;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `<N>`
    pub priority: Priority,
    /// Nanoseconds since 1970, UTC.
    pub timestamp_ns: Option<i64>,
    /// Any host name or address.
    pub host: Option<&'a str>,
    /// The tag without the process.
    pub app: Option<&'a str>,
    /// What stands in brackets behind the tag.
    pub process: Option<&'a str>,
    /// Any bytes.
    pub text: &'a [u8],
}

/// Reads `<N>Mmm dd hh:mm:ss host tag[pid]: text`. Times of RFC 3339 are read too. Without a host, as
/// local senders write it, the tag is told by its colon.
///
/// # Errors
/// No priority.
pub fn parse(message: &[u8], now: Timestamp) -> Result<Message<'_>, Rfc3164Error> {
    let (priority, content) = Priority::take(message).ok_or(Rfc3164Error)?;
    let mut message = Message {
        priority,
        timestamp_ns: None,
        host: None,
        app: None,
        process: None,
        text: content,
    };
    let Some((ns, rest)) = timestamp::without_year(content, now).or_else(|| rfc3339(content))
    else {
        return Ok(message);
    };
    message.timestamp_ns = Some(ns);
    message.text = rest;
    if tag(rest).is_none()
        && let Some(end) = memchr::memchr(b' ', rest)
        && let Some(host) = printable(&rest[..end])
    {
        message.host = Some(host);
        message.text = &rest[end + 1..];
    }
    if let Some((app, process, text)) = tag(message.text) {
        message.app = Some(app);
        message.process = process;
        message.text = text;
    }
    Ok(message)
}

fn rfc3339(content: &[u8]) -> Option<(i64, &[u8])> {
    let end = memchr::memchr(b' ', content)?;
    Some((timestamp::rfc3339(&content[..end])?.ns, &content[end + 1..]))
}

/// `tag: `, `tag[process]: ` or `tag[process] `, and what follows.
fn tag(text: &[u8]) -> Option<(&str, Option<&str>, &[u8])> {
    let end = text.iter().take(MAX_TAG + 1).position(|byte| matches!(byte, b':' | b'[' | b' '))?;
    let app = printable(&text[..end])?;
    let (process, rest) = match &text[end..] {
        [b'[', rest @ ..] => {
            let end = rest.iter().take(MAX_TAG).position(|byte| *byte == b']')?;
            let process = std::str::from_utf8(&rest[..end]).ok()?;
            ((!process.is_empty()).then_some(process), &rest[end + 1..])
        }
        rest => (None, rest),
    };
    let rest = match rest {
        [b':', rest @ ..] => rest,
        // A process is enough of a tag.
        [b' ', ..] if process.is_some() => rest,
        _ => return None,
    };
    match rest {
        [] => Some((app, process, rest)),
        [b' ', text @ ..] => Some((app, process, text)),
        // `::1` is an address, `10:11` a time.
        _ if process.is_some() => Some((app, process, rest)),
        _ => None,
    }
}

fn printable(text: &[u8]) -> Option<&str> {
    let is_printable = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(text).ok().filter(|_| is_printable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Parts<'a> = (bool, Option<&'a str>, Option<&'a str>, Option<&'a str>, &'a str);

    fn parts(message: &str) -> Parts<'_> {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let read = parse(message.as_bytes(), now).unwrap();
        let text = std::str::from_utf8(read.text).unwrap();
        (read.timestamp_ns.is_some(), read.host, read.app, read.process, text)
    }

    #[test]
    fn headers_are_read_as_senders_write_them() {
        for (message, expected) in [
            (
                "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
                (true, Some("mymachine"), Some("su"), None, "'su root' failed"),
            ),
            (
                "<34>Oct  1 22:14:15 10.0.0.1 sshd[42]: hello: x",
                (true, Some("10.0.0.1"), Some("sshd"), Some("42"), "hello: x"),
            ),
            (
                "<34>Oct 11 22:14:15 sshd[42]: local",
                (true, None, Some("sshd"), Some("42"), "local"),
            ),
            ("<34>Oct 11 22:14:15 ::1 su: x", (true, Some("::1"), Some("su"), None, "x")),
            (
                "<34>2026-10-11T22:14:15Z host app[1] x",
                (true, Some("host"), Some("app"), Some("1"), "x"),
            ),
            (
                "<34>Oct 11 22:14:15 host no tag here",
                (true, Some("host"), None, None, "no tag here"),
            ),
            ("<34>Oct 11 22:14:15 host app:", (true, Some("host"), Some("app"), None, "")),
            ("<34>Use the BFG! host app: x", (false, None, None, None, "Use the BFG! host app: x")),
            ("<34>", (false, None, None, None, "")),
        ] {
            assert_eq!(parts(message), expected, "{message}");
        }
        assert_eq!(parse(b"Oct 11 22:14:15 h a: x", Timestamp::UNIX_EPOCH), Err(Rfc3164Error));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_parser(
            head in "(<[0-9]{1,3}>)?(Oct 11 22:14:15 )?([a-z]{0,3}[ :\\[\\]]){0,3}",
            tail in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = [head.as_bytes(), &tail].concat();
            let _ = parse(&bytes, Timestamp::UNIX_EPOCH);
        }
    }
}
