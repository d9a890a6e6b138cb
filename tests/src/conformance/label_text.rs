//! Label text as it travels: `{a="b", c="d"}`, values quoted the way Go quotes strings.
//!
//! Bytes that are no UTF-8 become `\xNN` text instead of being lost, so that two different values
//! never compare as equal.

use std::collections::BTreeMap;

/// Label text that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of label text: {reason}")]
pub(super) struct LabelTextError {
    /// Where, from 0.
    pub(super) offset: usize,
    /// What is wrong there.
    pub(super) reason: &'static str,
}

/// Parses label text with its braces.
///
/// # Errors
///
/// [`LabelTextError`] with the offset; a name that occurs twice is an error too.
pub(super) fn parse(raw: &[u8]) -> Result<BTreeMap<String, String>, LabelTextError> {
    let fail = |offset, reason| LabelTextError { offset, reason };
    if raw.first() != Some(&b'{') || raw.last() != Some(&b'}') || raw.len() < 2 {
        return Err(fail(0, "no braces"));
    }
    let end = raw.len() - 1;
    let mut labels = BTreeMap::new();
    let mut at = 1;
    loop {
        while at < end && matches!(raw[at], b' ' | b',') {
            at += 1;
        }
        if at >= end {
            return Ok(labels);
        }
        let equals = raw[at..end].iter().position(|&byte| byte == b'=');
        let equals = at + equals.ok_or_else(|| fail(at, "no `=`"))?;
        let name = printable(raw[at..equals].trim_ascii());
        if raw.get(equals + 1) != Some(&b'"') {
            return Err(fail(equals + 1, "value without quotes"));
        }
        let mut value = Vec::new();
        at = equals + 2;
        loop {
            match raw.get(at) {
                None => return Err(fail(at, "value without end")),
                Some(b'"') => break,
                Some(b'\\') => {
                    at += unescape(&raw[at + 1..], &mut value)
                        .ok_or_else(|| fail(at, "unknown escape"))?
                        + 1;
                }
                Some(&byte) => {
                    value.push(byte);
                    at += 1;
                }
            }
        }
        at += 1;
        if labels.insert(name, printable(&value)).is_some() {
            return Err(fail(at, "a name that occurs twice"));
        }
    }
}

/// Decodes the escape that `rest` starts with (after the backslash); the number of bytes it took.
fn unescape(rest: &[u8], value: &mut Vec<u8>) -> Option<usize> {
    let number = |from: usize, length: usize, radix: u32| {
        let digits = std::str::from_utf8(rest.get(from..from + length)?).ok()?;
        u32::from_str_radix(digits, radix).ok()
    };
    let rune = |length: usize, value: &mut Vec<u8>| {
        let found = char::from_u32(number(1, length, 16)?)?;
        value.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
        Some(1 + length)
    };
    let plain = match *rest.first()? {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        quoted @ (b'\\' | b'"' | b'\'') => quoted,
        b'x' => {
            value.push(u8::try_from(number(1, 2, 16)?).ok()?);
            return Some(3);
        }
        b'u' => return rune(4, value),
        b'U' => return rune(8, value),
        b'0'..=b'7' => {
            value.push(u8::try_from(number(0, 3, 8)?).ok()?);
            return Some(3);
        }
        _ => return None,
    };
    value.push(plain);
    Some(1)
}

/// Text as it is, every byte outside UTF-8 as `\xNN`.
pub(super) fn printable(raw: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("writing to a string succeeds");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_found() {
        let labels = parse(br#"{a="b", c_1="d,=}"}"#).unwrap();
        assert_eq!(labels, BTreeMap::from([("a", "b"), ("c_1", "d,=}")].map(own)));
        assert_eq!(parse(b"{}").unwrap(), BTreeMap::new());
    }

    fn own((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn escapes_of_go_are_undone() {
        let labels = parse(br#"{a="\n\t\"\\\x01\u2028\U0001F600\101"}"#).unwrap();
        assert_eq!(labels["a"], "\n\t\"\\\u{1}\u{2028}\u{1f600}A");
    }

    #[test]
    fn broken_text_is_refused() {
        for raw in [r#"a="b""#, "{a=b}", r#"{a="b}"#, r#"{a="\q"}"#, r#"{a="1",a="2"}"#, "{a}", "{"]
        {
            assert!(parse(raw.as_bytes()).is_err(), "{raw}");
        }
    }

    #[test]
    fn bytes_outside_utf8_stay_distinguishable() {
        assert_eq!(printable(b"a\xff\xfeb"), r"a\xff\xfeb");
    }
}
