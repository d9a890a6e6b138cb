//! Messages of RFC 5424: read, and written again.
//!
//! Lengths of fields are not checked, a message is bounded as a whole. Ids and names of structured
//! data are: an id becomes part of the label of each of its parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::priority::Priority;
use super::timestamp::{self, Time};

/// Characters of an id or a name of structured data; RFC 5424 allows 32.
const MAX_NAME: usize = 64;

/// What does not follow RFC 5424: the part, in the order of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rfc5424Error {
    /// `<N>`
    #[error("no priority: `<0>` to `<191>` begin a message")]
    Priority,
    /// Its digits.
    #[error("no version of RFC 5424 follows the priority: is the sender's format rfc3164?")]
    Version,
    /// Its time.
    #[error("the timestamp is neither `-` nor one of RFC 3339")]
    Timestamp,
    /// A field between the timestamp and structured data.
    #[error("the {0} is missing or holds a byte that is no printable ASCII")]
    Field(&'static str),
    /// Structured data.
    #[error(
        "structured data are neither `-` nor of the form `[id name=\"value\"]`, with ids and names \
         of at most {MAX_NAME} characters"
    )]
    StructuredData,
    /// What follows structured data.
    #[error("no space between structured data and the text")]
    Text,
}

/// Parameters by name, by id.
pub type StructuredData = BTreeMap<String, BTreeMap<String, String>>;

/// One message; absent fields are written as `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// `<N>`
    pub priority: Priority,
    /// 1 to 999.
    pub version: u16,
    /// When it was made.
    pub time: Option<Time>,
    /// `HOSTNAME`
    pub host: Option<&'a str>,
    /// `APP-NAME`
    pub app: Option<&'a str>,
    /// `PROCID`
    pub process: Option<&'a str>,
    /// `MSGID`
    pub id: Option<&'a str>,
    /// Unescaped.
    pub data: StructuredData,
    /// Any bytes; empty when there is none.
    pub text: &'a [u8],
}

/// Reads a message.
///
/// # Errors
/// The first part that is malformed.
pub fn parse(message: &[u8]) -> Result<Message<'_>, Rfc5424Error> {
    let (priority, rest) = Priority::take(message).ok_or(Rfc5424Error::Priority)?;
    let (version, rest) = version(rest).ok_or(Rfc5424Error::Version)?;
    let (time, rest) = token(rest).ok_or(Rfc5424Error::Timestamp)?;
    let time = match time {
        b"-" => None,
        text => Some(timestamp::rfc3339(text).ok_or(Rfc5424Error::Timestamp)?),
    };
    let (host, rest) = field(rest, "hostname")?;
    let (app, rest) = field(rest, "app name")?;
    let (process, rest) = field(rest, "process id")?;
    let (id, rest) = field(rest, "message id")?;
    let (data, rest) = structured_data(rest).ok_or(Rfc5424Error::StructuredData)?;
    let text = match rest {
        [] => rest,
        [b' ', text @ ..] => text,
        _ => return Err(Rfc5424Error::Text),
    };
    Ok(Message { priority, version, time, host, app, process, id, data, text })
}

impl Message<'_> {
    /// The whole message: ids and names sorted, the fraction of the time without trailing zeros.
    pub fn write(&self) -> Vec<u8> {
        let field = |field: Option<&str>| field.unwrap_or("-").to_owned();
        let mut head = format!(
            "<{}>{} {} {} {} {} {} ",
            self.priority.number(),
            self.version,
            field(self.time.as_ref().map(|time| time.text.as_str())),
            field(self.host),
            field(self.app),
            field(self.process),
            field(self.id),
        );
        if self.data.is_empty() {
            head.push('-');
        }
        for (id, parameters) in &self.data {
            head.push('[');
            head.push_str(id);
            for (name, value) in parameters {
                head.push(' ');
                head.push_str(name);
                head.push_str("=\"");
                for character in value.chars() {
                    if matches!(character, '"' | '\\' | ']') {
                        head.push('\\');
                    }
                    head.push(character);
                }
                head.push('"');
            }
            head.push(']');
        }
        let mut line = head.into_bytes();
        if !self.text.is_empty() {
            line.push(b' ');
            line.extend_from_slice(self.text);
        }
        line
    }
}

/// One to three digits, no zero first, and a space.
fn version(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = token(text)?;
    let is_version = digits.len() <= 3
        && digits.iter().all(u8::is_ascii_digit)
        && digits.first().is_some_and(|digit| *digit != b'0');
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_version)?;
    Some((digits.parse().ok()?, rest))
}

/// Up to a space, which goes too.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', text)?;
    Some((&text[..end], &text[end + 1..]))
}

type Field<'a> = (Option<&'a str>, &'a [u8]);

fn field<'a>(text: &'a [u8], name: &'static str) -> Result<Field<'a>, Rfc5424Error> {
    let (field, rest) = token(text).ok_or(Rfc5424Error::Field(name))?;
    let printable = printable(field).ok_or(Rfc5424Error::Field(name))?;
    Ok(((printable != "-").then_some(printable), rest))
}

fn printable(text: &[u8]) -> Option<&str> {
    let is_printable = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(text).ok().filter(|_| is_printable)
}

/// `-`, or elements without anything between them.
fn structured_data(text: &[u8]) -> Option<(StructuredData, &[u8])> {
    let mut data = StructuredData::new();
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some((data, rest));
    }
    let mut rest = text.strip_prefix(b"[")?;
    loop {
        let (id, after) = name(rest)?;
        let parameters = data.entry(id.to_owned()).or_default();
        rest = after;
        while let Some(after) = rest.strip_prefix(b" ") {
            let (name, after) = name(after)?;
            let (value, after) = value(after.strip_prefix(b"=\"")?)?;
            parameters.insert(name.to_owned(), value);
            rest = after;
        }
        rest = rest.strip_prefix(b"]")?;
        match rest.strip_prefix(b"[") {
            Some(next) => rest = next,
            None => return Some((data, rest)),
        }
    }
}

/// Printable ASCII up to one of those that cannot be in a name.
fn name(text: &[u8]) -> Option<(&str, &[u8])> {
    let is_end = |byte: &u8| matches!(byte, b'=' | b' ' | b']' | b'"');
    let end = text.iter().take(MAX_NAME + 1).position(is_end)?;
    Some((printable(&text[..end])?, &text[end..]))
}

/// Up to the quote that ends it. A backslash before anything else than `"`, `\` and `]` is one.
fn value(text: &[u8]) -> Option<(String, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match *text.get(at)? {
            b'"' => break,
            b']' => return None,
            b'\\' if matches!(text.get(at + 1), Some(b'"' | b'\\' | b']')) => {
                value.push(text[at + 1]);
                at += 2;
            }
            byte => {
                value.push(byte);
                at += 1;
            }
        }
    }
    let value = match String::from_utf8_lossy(&value) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    };
    Some((value, &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: &str = "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 12 ID47 \
                        [exampleSDID@32473 iut=\"3\" eventSource=\"Appli\\\"ca\\]tion\"][x] An \
                        application event";

    #[test]
    fn an_id_that_would_make_many_labels_long_is_refused() {
        let message = |length: usize| format!("<34>1 - - - - - [{} b=\"c\"] x", "a".repeat(length));
        assert!(parse(message(MAX_NAME).as_bytes()).is_ok());
        let refused = message(MAX_NAME + 1);
        assert_eq!(parse(refused.as_bytes()), Err(Rfc5424Error::StructuredData));
        let name = format!("<34>1 - - - - - [a {}=\"c\"] x", "b".repeat(MAX_NAME + 1));
        assert_eq!(parse(name.as_bytes()), Err(Rfc5424Error::StructuredData));
    }

    #[test]
    fn all_parts_are_read() {
        let message = parse(FULL.as_bytes()).unwrap();
        assert_eq!(message.priority.severity(), "notice");
        assert_eq!(message.host, Some("mymachine.example.com"));
        assert_eq!(message.app, Some("evntslog"));
        assert_eq!((message.process, message.id), (Some("12"), Some("ID47")));
        assert_eq!(message.time.unwrap().ns, 1_065_910_455_003_000_000);
        let parameters = &message.data["exampleSDID@32473"];
        assert_eq!(parameters["iut"], "3");
        assert_eq!(parameters["eventSource"], "Appli\"ca]tion");
        assert!(message.data["x"].is_empty());
        assert_eq!(message.text, b"An application event");
    }

    #[test]
    fn a_message_is_written_again_sorted() {
        let written = parse(FULL.as_bytes()).unwrap().write();
        let expected = FULL.replace(
            "iut=\"3\" eventSource=\"Appli\\\"ca\\]tion\"",
            "eventSource=\"Appli\\\"ca\\]tion\" iut=\"3\"",
        );
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        let bare = b"<0>12 - - - - - -";
        assert_eq!(parse(bare).unwrap().write(), bare);
        assert_eq!(parse(b"<0>1 - - - - - - \xff").unwrap().write(), b"<0>1 - - - - - - \xff");
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        for (message, error) in [
            ("", Rfc5424Error::Priority),
            ("<200>1 - - - - - - x", Rfc5424Error::Priority),
            ("<34>Oct 11 22:14:15 host su: x", Rfc5424Error::Version),
            ("<34>0 - - - - - - x", Rfc5424Error::Version),
            ("<34>1 yesterday - - - - - x", Rfc5424Error::Timestamp),
            ("<34>1 -", Rfc5424Error::Timestamp),
            ("<34>1 - -", Rfc5424Error::Field("hostname")),
            ("<34>1 - h\u{e4} - - - - x", Rfc5424Error::Field("hostname")),
            ("<34>1 - -  - - - x", Rfc5424Error::Field("app name")),
            ("<34>1 - - - - - x", Rfc5424Error::StructuredData),
            ("<34>1 - - - - - [a b=c]", Rfc5424Error::StructuredData),
            ("<34>1 - - - - - [a b=\"c\"", Rfc5424Error::StructuredData),
            ("<34>1 - - - - - [a b=\"c]\"]", Rfc5424Error::StructuredData),
            ("<34>1 - - - - - [a]x", Rfc5424Error::Text),
        ] {
            assert_eq!(parse(message.as_bytes()), Err(error), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_parser_and_what_is_read_is_written_the_same(
            head in "(<[0-9]{1,4}>)?([1-9] )?(- ){0,5}(\\[a( b=\"[a\\\\\\]\"]{0,3}\")?\\])?",
            tail in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = [head.as_bytes(), &tail].concat();
            if let Ok(message) = parse(&bytes) {
                let written = message.write();
                let again = parse(&written).unwrap();
                prop_assert_eq!(again.write(), written.clone());
                prop_assert_eq!(again, message);
            }
        }
    }
}
