//! The scratch map that stages of one pipeline share: what `json`, `regex` and others extracted.

use std::borrow::Cow;
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;

use super::labels::Labels;

/// One extracted value. Arrays and objects are stored as their JSON text, as in Promtail.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any bytes: a regex group of a line that is not UTF-8 is stored as it is.
    Text(Vec<u8>),
    /// JSON numbers. Always `f64`, as in Promtail: 9007199254740993 becomes ...992.
    Number(f64),
    /// A JSON boolean.
    Bool(bool),
    /// A JSON null, and what a JSON expression that finds nothing leaves: *present* for `drop` and
    /// `metrics`, not convertible for every other stage.
    Null,
}

/// A borrowed [`Value`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// See [`Value::Text`].
    Text(&'a [u8]),
    /// See [`Value::Number`].
    Number(f64),
    /// See [`Value::Bool`].
    Bool(bool),
    /// See [`Value::Null`].
    Null,
}

impl<'a> ValueRef<'a> {
    /// The value as text, as Promtail's `getString` converts it; `None` for null.
    ///
    /// Numbers are written in plain decimal without exponent, shortest form.
    pub fn to_bytes(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Text(bytes) => Some(Cow::Borrowed(bytes)),
            Self::Number(number) => {
                Some(Cow::Owned(go_compat::strconv::format_float(number).into_bytes()))
            }
            Self::Bool(true) => Some(Cow::Borrowed(b"true")),
            Self::Bool(false) => Some(Cow::Borrowed(b"false")),
            Self::Null => None,
        }
    }

    /// Like [`Self::to_bytes`], and `None` where that is not UTF-8.
    pub fn to_text(self) -> Option<Cow<'a, str>> {
        match self.to_bytes()? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }
}

/// Name to value, with the labels that the entry had when its pipeline began underneath: Promtail
/// copies them into the map, here they are looked up only when asked for.
#[derive(Debug, Clone, Default)]
pub struct Extracted {
    labels: Arc<LabelSet>,
    /// At most one element per name; `None` hides a label of the same name.
    values: Vec<(Arc<str>, Option<Value>)>,
}

impl Extracted {
    /// Starts over for the next line; keeps the memory of the list.
    pub fn reset(&mut self, labels: &Arc<LabelSet>) {
        if !Arc::ptr_eq(&self.labels, labels) {
            self.labels = Arc::clone(labels);
        }
        self.values.clear();
    }

    /// What a nested pipeline does at its start: each current label hides what was extracted under
    /// its name.
    pub fn cover_with(&mut self, labels: &Labels) {
        for (name, value) in labels.iter() {
            self.set(&Arc::from(name), Value::Text(value.as_bytes().to_vec()));
        }
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        match self.values.iter().find(|(known, _)| &**known == name) {
            Some((_, value)) => value.as_ref().map(Value::as_ref),
            None => self.labels.get(name).map(|value| ValueRef::Text(value.as_bytes())),
        }
    }

    /// Stores a value, replacing an earlier one.
    pub fn set(&mut self, name: &Arc<str>, value: Value) {
        match self.values.iter_mut().find(|(known, _)| Arc::ptr_eq(known, name) || known == name) {
            Some((_, present)) => *present = Some(value),
            None => self.values.push((Arc::clone(name), Some(value))),
        }
    }

    /// Removes a value, a label's one included.
    pub fn remove(&mut self, name: &Arc<str>) {
        match self.values.iter_mut().find(|(known, _)| known == name) {
            Some((_, present)) => *present = None,
            None => self.values.push((Arc::clone(name), None)),
        }
    }

    /// All names and values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let own = self
            .values
            .iter()
            .filter_map(|(name, value)| Some((&**name, value.as_ref()?.as_ref())));
        let labels = self
            .labels
            .iter()
            .filter(|(name, _)| !self.values.iter().any(|(known, _)| &**known == *name))
            .map(|(name, value)| (name, ValueRef::Text(value.as_bytes())));
        own.chain(labels)
    }
}

impl Value {
    /// A borrowed view.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Number(number) => ValueRef::Number(*number),
            Self::Bool(flag) => ValueRef::Bool(*flag),
            Self::Null => ValueRef::Null,
        }
    }
}
