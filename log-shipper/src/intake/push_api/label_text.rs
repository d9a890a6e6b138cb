//! The labels of a stream as text: `{job="app", level="info"}`.

use go_compat::strconv;
use prometheus_model::label_set::{LabelSet, is_valid_label_name};

/// Labels of a stream: sets of labels are made for few. Loki takes 15 unless it is told otherwise.
pub const MAX_LABELS: usize = 128;

/// Text that names no labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("labels of a stream, at character {at}: {wanted} is wanted, as in {{job=\"app\"}}")]
pub struct LabelTextError {
    /// From 1.
    at: usize,
    wanted: &'static str,
}

/// Reads labels. Values are Go strings in double quotes or backquotes; of a name that stands twice,
/// the last value is taken.
///
/// # Errors
/// Where the text has another form.
pub fn parse(text: &str) -> Result<LabelSet, LabelTextError> {
    let mut cursor = Cursor { text, rest: text.trim_start() };
    let mut labels = LabelSet::new();
    cursor.expect('{', "`{`")?;
    loop {
        if cursor.accept('}') {
            break;
        }
        if labels.len() == MAX_LABELS {
            return Err(cursor.error("`}` behind at most 128 labels"));
        }
        let name = cursor.name()?;
        cursor.expect('=', "`=`")?;
        let value = cursor.value()?;
        labels.set(name, &value);
        if !cursor.accept(',') {
            cursor.expect('}', "`,` or `}`")?;
            break;
        }
    }
    if cursor.rest.is_empty() { Ok(labels) } else { Err(cursor.error("nothing more")) }
}

struct Cursor<'a> {
    text: &'a str,
    /// Never begins with white space.
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn error(&self, wanted: &'static str) -> LabelTextError {
        let read = &self.text[..self.text.len() - self.rest.len()];
        LabelTextError { at: read.chars().count() + 1, wanted }
    }

    fn skip(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest.trim_start();
        taken
    }

    fn accept(&mut self, character: char) -> bool {
        let is_next = self.rest.starts_with(character);
        if is_next {
            self.skip(character.len_utf8());
        }
        is_next
    }

    fn expect(&mut self, character: char, wanted: &'static str) -> Result<(), LabelTextError> {
        if self.accept(character) { Ok(()) } else { Err(self.error(wanted)) }
    }

    fn name(&mut self) -> Result<&'a str, LabelTextError> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let length = self.rest.bytes().position(|byte| !is_part(byte)).unwrap_or(self.rest.len());
        if !is_valid_label_name(&self.rest[..length]) {
            return Err(self.error("the name of a label"));
        }
        Ok(self.skip(length))
    }

    fn value(&mut self) -> Result<String, LabelTextError> {
        let wanted = "a value in quotes";
        let bytes = self.rest.as_bytes();
        let quote = match bytes.first() {
            Some(quote @ (b'"' | b'`')) => *quote,
            _ => return Err(self.error(wanted)),
        };
        let mut end = 1;
        loop {
            match bytes.get(end) {
                None => return Err(self.error(wanted)),
                Some(byte) if *byte == quote => break,
                Some(b'\\') if quote == b'"' => end += 2,
                Some(_) => end += 1,
            }
        }
        let value = strconv::unquote(&self.rest[..=end]);
        let value = value.and_then(|value| String::from_utf8(value).ok());
        let value = value.ok_or_else(|| self.error(wanted))?;
        self.skip(end + 1);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let labels = parse(text).unwrap();
        labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn labels_are_read_with_any_spacing_and_gos_escapes() {
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("{}"), []);
        assert_eq!(pairs(r#"{a="b", c="d"}"#), [of("a", "b"), of("c", "d")]);
        assert_eq!(pairs(" { a = \"\\\"x\\\"\\n\\u00e4\" , } "), [of("a", "\"x\"\nä")]);
        assert_eq!(pairs("{a=`\\n`,a=\"}\"}"), [of("a", "}")]);
        assert_eq!(pairs("{a=`\\`}"), [of("a", "\\")]);
    }

    #[test]
    fn more_labels_than_a_stream_can_have_are_refused() {
        let of = |count: usize| {
            let labels: Vec<_> = (0..count).map(|number| format!("a{number}=\"\"")).collect();
            format!("{{{}}}", labels.join(","))
        };
        assert_eq!(parse(&of(MAX_LABELS)).unwrap().len(), MAX_LABELS);
        let error = parse(&of(MAX_LABELS + 1)).unwrap_err().to_string();
        assert!(error.contains("at most 128 labels"), "{error}");
    }

    #[test]
    fn other_text_is_refused_where_it_goes_wrong() {
        for (text, at) in [
            ("", 1),
            ("a", 1),
            ("{", 2),
            ("{1a=\"b\"}", 2),
            ("{a!=\"b\"}", 3),
            ("{a=b}", 4),
            ("{a=\"b}", 4),
            ("{a=\"b\\", 4),
            ("{a=\"\\q\"}", 4),
            ("{a=\"\\xff\"}", 4),
            ("{ä=\"b\"}", 2),
            ("{a=\"b\" c=\"d\"}", 8),
            ("{a=\"ä\"} x", 9),
        ] {
            assert_eq!(parse(text).unwrap_err().at, at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_as_loki_wants_it_is_read(value in "\\PC*") {
            let text = format!("{{a={}}}", strconv::quote(&value));
            prop_assert_eq!(pairs(&text), [("a".to_owned(), value)]);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[{}=,`\"\\\\ aä]{0,12}") {
            let _ = parse(&text);
        }
    }
}
