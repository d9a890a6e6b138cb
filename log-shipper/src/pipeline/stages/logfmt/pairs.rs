//! The pairs of logfmt text (`level=info msg="a b" flag`), by the rules of go-logfmt.
//!
//! Reading stops at the first error for good; pairs read before it count.

use std::borrow::Cow;

use crate::pipeline::stages::json::strings::unescape;

/// The text is not logfmt from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads pairs one after the other; white space, line ends included, separates them.
#[derive(Debug)]
pub(super) struct Pairs<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next key and where its value stands; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(&'a [u8], Raw<'a>)>, Malformed> {
        self.at += self.until(|byte| byte > b' ');
        if self.at == self.text.len() {
            return Ok(None);
        }
        let key = self.key()?;
        if self.peek() != Some(b'=') {
            return Ok(Some((key, Raw::Plain(b""))));
        }
        self.at += 1;
        let value = if self.peek() == Some(b'"') { self.quoted()? } else { self.plain()? };
        Ok(Some((key, value)))
    }

    fn key(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.until(|byte| matches!(byte, b'=' | b'"' | 0..=b' '));
        let key = &self.text[self.at..self.at + length];
        self.at += length;
        if key.is_empty() || self.peek() == Some(b'"') || !is_valid_key(key) {
            return Err(Malformed);
        }
        Ok(key)
    }

    fn plain(&mut self) -> Result<Raw<'a>, Malformed> {
        let length = self.until(|byte| matches!(byte, b'=' | b'"' | 0..=b' '));
        let value = &self.text[self.at..self.at + length];
        self.at += length;
        if matches!(self.peek(), Some(b'=' | b'"')) {
            return Err(Malformed);
        }
        Ok(Raw::Plain(value))
    }

    /// A value in quotes, which ends with the line at the latest.
    fn quoted(&mut self) -> Result<Raw<'a>, Malformed> {
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            let found = memchr::memchr3(b'"', b'\\', b'\n', &self.text[end..]).ok_or(Malformed)?;
            end += found;
            match self.text[end] {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    end += 2;
                    if end > self.text.len() {
                        return Err(Malformed);
                    }
                }
                _ => return Err(Malformed),
            }
        }
        self.at = end + 1;
        let value = &self.text[start..end];
        if !escaped {
            return Ok(Raw::Plain(value));
        }
        if has_valid_escapes(value) { Ok(Raw::Escaped(value)) } else { Err(Malformed) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn until(&self, ends: impl Fn(u8) -> bool) -> usize {
        let rest = &self.text[self.at..];
        rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len())
    }
}

/// A value as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    /// The value itself.
    Plain(&'a [u8]),
    /// With backslashes.
    Escaped(&'a [u8]),
}

impl Raw<'_> {
    /// The value. With escapes it is read like a JSON string, and what is not UTF-8 is replaced.
    pub(super) fn value(self) -> Vec<u8> {
        match self {
            Self::Plain(value) => value.to_vec(),
            Self::Escaped(value) => {
                let mut unescaped = Vec::with_capacity(value.len());
                unescape(value, &mut unescaped);
                match String::from_utf8_lossy(&unescaped) {
                    Cow::Borrowed(_) => unescaped,
                    Cow::Owned(replaced) => replaced.into_bytes(),
                }
            }
        }
    }
}

/// Keys are UTF-8, without the character that stands for what is not.
fn is_valid_key(key: &[u8]) -> bool {
    key.is_ascii() || std::str::from_utf8(key).is_ok_and(|key| !key.contains('\u{fffd}'))
}

fn has_valid_escapes(value: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        at += match (byte, value.get(at + 1)) {
            (b'\\', Some(b'"' | b'\\' | b'/' | b'\'' | b'b' | b'f' | b'n' | b'r' | b't')) => 2,
            (b'\\', Some(b'u')) => match value.get(at + 2..at + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => 6,
                _ => return false,
            },
            (0..0x20 | b'\\', _) => return false,
            _ => 1,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `a=1` for each pair, and whether the text ended with an error.
    fn pairs(text: &[u8]) -> (Vec<String>, bool) {
        let mut pairs = Pairs::new(text);
        let mut read = Vec::new();
        loop {
            match pairs.next() {
                Ok(Some((key, value))) => {
                    let [key, value] = [key.to_vec(), value.value()]
                        .map(|bytes| String::from_utf8(bytes).unwrap());
                    read.push(format!("{key}={value}"));
                }
                Ok(None) => return (read, false),
                Err(Malformed) => return (read, true),
            }
        }
    }

    #[test]
    fn pairs_are_read_by_go_logfmts_rules() {
        for (text, expected, malformed) in [
            (r#"a=1 b="x y \" z" c d="#, vec!["a=1", "b=x y \" z", "c=", "d="], false),
            (r#"junk a=2 ="x" b=3"#, vec!["junk=", "a=2"], true),
            (
                r#"level=warn msg="quote \" and \u00e4 and \n newline" dur=1s"#,
                vec!["level=warn", "msg=quote \" and ä and \n newline", "dur=1s"],
                false,
            ),
            ("level=error flag msg=unquoted=equals dur=", vec!["level=error", "flag="], true),
            ("level=\"\" msg=\"empty value\"", vec!["level=", "msg=empty value"], false),
            ("level=info msg=\"unterminated", vec!["level=info"], true),
            ("msg=tab\tlevel=info", vec!["msg=tab", "level=info"], false),
            ("a= b=1", vec!["a=", "b=1"], false),
            ("a=x\"y\"", vec![], true),
            ("a\"b", vec![], true),
            ("a='x y'", vec!["a='x", "y'="], false),
            ("a=\"x\"b=1", vec!["a=x", "b=1"], false),
            ("a=1\nb=2\r\nc=\"3\"", vec!["a=1", "b=2", "c=3"], false),
            ("a=\"1\n2\"", vec![], true),
            (r#"a="\x""#, vec![], true),
            (r#"a="\u12""#, vec![], true),
            (r#"a="\'\/""#, vec!["a='/"], false),
            ("a=\"\\n\u{1}\"", vec![], true),
            ("a=\"\u{1}\"", vec!["a=\u{1}"], false),
            ("grün=ja", vec!["grün=ja"], false),
            ("gr\u{fffd}n=ja", vec![], true),
            ("", vec![], false),
            ("  ", vec![], false),
            ("a=\"\\", vec![], true),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(pairs(text.as_bytes()), (expected, malformed), "{text}");
        }
        assert_eq!(pairs(b"k\xff=1"), (vec![], true));
    }

    proptest! {
        #[test]
        fn any_text_ends_after_at_most_as_many_pairs_as_it_has_bytes(text in any::<Vec<u8>>()) {
            let mut pairs = Pairs::new(&text);
            let mut count = 0;
            while let Ok(Some((_, value))) = pairs.next() {
                value.value();
                count += 1;
                prop_assert!(count <= text.len());
            }
        }

        #[test]
        fn quoted_values_read_back(values in proptest::collection::vec(any::<String>(), 0..4)) {
            let text: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(index, value)| format!("k{index}={}", serde_json::to_string(value).unwrap()))
                .collect();
            let expected: Vec<_> =
                values.iter().enumerate().map(|(index, value)| format!("k{index}={value}")).collect();
            // DEL and what stands for invalid bytes are kept, like every character but NUL to US.
            prop_assert_eq!(pairs(text.join(" ").as_bytes()), (expected, false));
        }
    }
}
