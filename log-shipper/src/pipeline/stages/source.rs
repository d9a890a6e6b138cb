//! What a parsing stage reads: the line, or with `source` an extracted value.
//!
//! A value is copied before it is parsed, because the results go into the map that holds it. The
//! copy's memory is reused and as large as the longest value so far.

use std::sync::Arc;

use super::error::StageError;
use crate::pipeline::extracted::{Extracted, ValueRef};

/// The line, or a value and a reused copy of it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    name: Option<Arc<str>>,
    copy: Vec<u8>,
}

impl Source {
    /// The option `source` of a stage.
    ///
    /// # Errors
    ///
    /// An empty name.
    pub(super) fn new(stage: &'static str, name: Option<String>) -> Result<Self, StageError> {
        if name.as_deref() == Some("") {
            return Err(StageError::new(stage, "empty source")
                .key("source")
                .accepted("the name of an extracted value; without the key, the line is parsed"));
        }
        Ok(Self { name: name.map(Arc::from), copy: Vec::new() })
    }

    /// The name; none for the line.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// The text to parse; `None` where the value is absent or null.
    pub(super) fn text<'a>(
        &'a mut self,
        line: &'a [u8],
        extracted: &Extracted,
    ) -> Option<&'a [u8]> {
        let Some(name) = &self.name else { return Some(line) };
        let value = extracted.get(name).and_then(ValueRef::to_bytes)?;
        self.copy.clear();
        self.copy.extend_from_slice(&value);
        Some(&self.copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::extracted::Value;
    use crate::pipeline::stages::testing::{entry, extract, text};

    #[test]
    fn the_line_is_read_unless_a_value_is_named() {
        let mut entry = entry(&[("job", "j")], "the line");
        extract(&mut entry, "t", text("a value"));
        extract(&mut entry, "n", Value::Number(7.0));
        extract(&mut entry, "null", Value::Null);
        let read = |name: Option<&str>| {
            let mut source = Source::new("json", name.map(str::to_owned)).unwrap();
            source.text(&entry.line, &entry.extracted).map(<[u8]>::to_vec)
        };

        assert_eq!(read(None).as_deref(), Some(&b"the line"[..]));
        assert_eq!(read(Some("t")).as_deref(), Some(&b"a value"[..]));
        assert_eq!(read(Some("n")).as_deref(), Some(&b"7"[..]));
        assert_eq!(read(Some("job")).as_deref(), Some(&b"j"[..]));
        assert_eq!(read(Some("null")), None);
        assert_eq!(read(Some("absent")), None);
    }

    #[test]
    fn an_empty_name_is_refused() {
        let error = Source::new("regex", Some(String::new())).unwrap_err().to_string();
        assert!(error.starts_with("regex stage: source: empty source; accepted: "), "{error}");
    }
}
