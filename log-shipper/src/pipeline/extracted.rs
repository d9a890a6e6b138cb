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

/// More places than this are not kept from line to line: a line may bring any number of names.
const KEPT_PLACES: usize = 64;

/// A longer text does not keep its memory for the next line.
const KEPT_BYTES: usize = 64 * 1024;

/// Name to value, with the labels that the entry had when its pipeline began underneath: Promtail
/// copies them into the map, here they are looked up only when asked for.
///
/// The lines of a job extract the same names in the same order, so the places of the line before
/// are used again, texts included: a line costs neither an allocation nor a count on a name, which
/// all workers share.
#[derive(Debug, Clone, Default)]
pub struct Extracted {
    labels: Arc<LabelSet>,
    /// At most one element per name; `None` hides a label of the same name.
    values: Vec<(Arc<str>, Option<Value>)>,
    /// So many of them are of this line.
    used: usize,
}

impl Extracted {
    /// Starts over for the next line; keeps the memory of the list.
    pub fn reset(&mut self, labels: &Arc<LabelSet>) {
        if !Arc::ptr_eq(&self.labels, labels) {
            self.labels = Arc::clone(labels);
        }
        self.used = 0;
        self.values.truncate(KEPT_PLACES);
    }

    /// What a nested pipeline does at its start: each current label hides what was extracted under
    /// its name.
    pub fn cover_with(&mut self, labels: &Labels) {
        for (name, value) in labels.iter() {
            self.set(&Arc::from(name), Value::Text(value.as_bytes().to_vec()));
        }
    }

    fn own(&self) -> &[(Arc<str>, Option<Value>)] {
        &self.values[..self.used]
    }

    /// The place of a name, which it has from now on. What stands there is to be replaced.
    ///
    /// A name has one place, be it of this line or of one before: so the place that is next, where
    /// it has the name, is the only one to look at.
    fn place(&mut self, name: &Arc<str>) -> &mut Option<Value> {
        let next = self.values.get(self.used);
        let index = if next.is_some_and(|(known, _)| Arc::ptr_eq(known, name)) {
            self.used
        } else {
            self.values.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                self.values.push((Arc::clone(name), None));
                self.values.len() - 1
            })
        };
        if index < self.used {
            return &mut self.values[index].1;
        }
        self.values.swap(index, self.used);
        self.used += 1;
        &mut self.values[self.used - 1].1
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        match self.own().iter().find(|(known, _)| &**known == name) {
            Some((_, value)) => value.as_ref().map(Value::as_ref),
            None => self.labels.get(name).map(|value| ValueRef::Text(value.as_bytes())),
        }
    }

    /// Stores a value, replacing an earlier one.
    pub fn set(&mut self, name: &Arc<str>, value: Value) {
        *self.place(name) = Some(value);
    }

    /// Stores a copy of a text, in the memory of the text before it where there is one.
    pub fn set_text(&mut self, name: &Arc<str>, text: &[u8]) {
        let place = self.place(name);
        match place {
            Some(Value::Text(kept)) if kept.capacity() <= KEPT_BYTES.max(text.len()) => {
                kept.clear();
                kept.extend_from_slice(text);
            }
            _ => *place = Some(Value::Text(text.to_vec())),
        }
    }

    /// Removes a value, a label's one included.
    pub fn remove(&mut self, name: &Arc<str>) {
        *self.place(name) = None;
    }

    /// All names and values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        let own =
            self.own().iter().filter_map(|(name, value)| Some((&**name, value.as_ref()?.as_ref())));
        let labels = self
            .labels
            .iter()
            .filter(|(name, _)| !self.own().iter().any(|(known, _)| &**known == *name))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn a_value_of_the_line_before_is_gone_but_its_memory_is_not() {
        let labels: Arc<LabelSet> = Arc::default();
        let names = ["a", "b"].map(Arc::<str>::from);
        let mut extracted = Extracted::default();
        extracted.set_text(&names[0], b"a long text");
        extracted.set_text(&names[1], b"x");
        let memory = match extracted.get("a") {
            Some(ValueRef::Text(text)) => text.as_ptr(),
            other => panic!("{other:?}"),
        };
        extracted.reset(&labels);
        assert_eq!((extracted.get("a"), extracted.get("b")), (None, None));
        extracted.set_text(&names[0], b"short");
        assert_eq!(extracted.iter().collect::<Vec<_>>(), [("a", ValueRef::Text(b"short"))]);
        assert!(
            matches!(extracted.get("a"), Some(ValueRef::Text(text)) if text.as_ptr() == memory)
        );
    }

    #[test]
    fn neither_many_names_nor_a_long_text_stay() {
        let labels: Arc<LabelSet> = Arc::default();
        let mut extracted = Extracted::default();
        for number in 0..10 * KEPT_PLACES {
            extracted.set(&Arc::from(number.to_string()), Value::Null);
        }
        extracted.set_text(&Arc::from("0"), &vec![b'x'; 2 * KEPT_BYTES]);
        extracted.reset(&labels);
        extracted.set_text(&Arc::from("0"), b"x");
        assert!(extracted.values.len() <= KEPT_PLACES);
        let Some(Value::Text(kept)) = &extracted.values[0].1 else { panic!("a text") };
        assert!(kept.capacity() <= KEPT_BYTES);
    }

    proptest! {
        /// Several lines in one map that is used again behave as each in a map of its own.
        #[test]
        fn a_line_sees_only_what_it_extracted_itself(
            lines in prop::collection::vec(
                prop::collection::vec(("[a-d]", prop::option::of("[xy]{0,3}"), any::<bool>()), 0..8),
                1..5,
            ),
        ) {
            let labels: Arc<LabelSet> = Arc::new([("a", "label")].into_iter().collect());
            let mut extracted = Extracted::default();
            for line in lines {
                extracted.reset(&labels);
                let mut model = BTreeMap::from([("a".to_owned(), "label".to_owned())]);
                for (name, value, copied) in line {
                    let shared = Arc::from(&*name);
                    match value {
                        None => {
                            extracted.remove(&shared);
                            model.remove(&name);
                        }
                        Some(value) => {
                            if copied {
                                extracted.set_text(&shared, value.as_bytes());
                            } else {
                                extracted.set(&shared, text(&value));
                            }
                            model.insert(name, value);
                        }
                    }
                }
                let seen: BTreeMap<String, String> = extracted
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_text().unwrap().into_owned()))
                    .collect();
                prop_assert_eq!(&seen, &model);
                for name in ["a", "b", "c", "d"] {
                    let value = extracted.get(name).map(|value| value.to_text().unwrap());
                    prop_assert_eq!(value.as_deref(), model.get(name).map(String::as_str));
                }
            }
        }
    }
}
