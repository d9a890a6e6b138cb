//! What a template reads: the extracted values as text, converted when they are asked for.

use go_compat::template::{Fields, Value};

use crate::pipeline::extracted::{Extracted, ValueRef};

/// The map that `.` stands for; what has no text is absent from it.
#[derive(Debug)]
pub(in crate::pipeline::stages) struct TemplateData<'a> {
    /// Everything extracted so far.
    pub(in crate::pipeline::stages) extracted: &'a Extracted,
    /// `.Value`; hides an extracted value of that name.
    pub(in crate::pipeline::stages) value: Option<&'a [u8]>,
    /// `.Entry`; hides an extracted value of that name.
    pub(in crate::pipeline::stages) line: Option<&'a [u8]>,
    /// What `now` gives, in nanoseconds since 1970.
    pub(in crate::pipeline::stages) now_ns: i64,
}

impl TemplateData<'_> {
    fn own(&self, name: &str) -> Option<&[u8]> {
        match name {
            "Value" => self.value,
            "Entry" => self.line,
            _ => None,
        }
    }
}

impl Fields for TemplateData<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        if let Some(text) = self.own(name) {
            return Some(Value::text(text));
        }
        let text = self.extracted.get(name).and_then(ValueRef::to_bytes)?;
        Some(Value::Text(text.into_owned()))
    }

    fn all(&self) -> Vec<(String, Value)> {
        let own = ["Value", "Entry"].into_iter().filter_map(|name| Some((name, self.own(name)?)));
        let extracted = self.extracted.iter().filter(|(name, _)| self.own(name).is_none());
        let extracted = extracted.filter_map(|(name, value)| {
            Some((name.to_owned(), Value::Text(value.to_bytes()?.into_owned())))
        });
        own.map(|(name, text)| (name.to_owned(), Value::text(text))).chain(extracted).collect()
    }

    fn now_unix_ns(&self) -> i64 {
        self.now_ns
    }
}
