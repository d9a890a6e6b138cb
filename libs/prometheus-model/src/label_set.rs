//! Label sets: sorted by name, each name once.

use std::fmt;
use std::sync::Arc;

/// Names and values of a series or stream, sorted bytewise by name.
///
/// Strings are shared, so a clone costs one counter per string.
///
/// ```
/// use prometheus_model::label_set::LabelSet;
/// let labels: LabelSet = [("pod", "vllm-0"), ("namespace", "ml")].into_iter().collect();
/// assert_eq!(labels.to_string(), r#"{namespace="ml", pod="vllm-0"}"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelSet {
    labels: Vec<(Arc<str>, Arc<str>)>,
}

impl LabelSet {
    /// No labels.
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.labels.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).ok().map(|index| &*self.labels[index].1)
    }

    /// The shared name of a label, where the set has it.
    pub fn get_key(&self, name: &str) -> Option<&Arc<str>> {
        self.find(name).ok().map(|index| &self.labels[index].0)
    }

    /// Sets a label, or replaces its value. Empty values are kept: whether they mean "absent" is
    /// the caller's matter.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.find(name) {
            Ok(index) => self.labels[index].1 = Arc::from(value),
            Err(index) => self.labels.insert(index, (Arc::from(name), Arc::from(value))),
        }
    }

    /// A copy with one more label, or with another value of it, that shares both strings; without
    /// spare memory, since there may be one per file.
    #[must_use]
    pub fn with(&self, name: &Arc<str>, value: &Arc<str>) -> Self {
        let (before, after) = match self.find(name) {
            Ok(index) => (&self.labels[..index], &self.labels[index + 1..]),
            Err(index) => self.labels.split_at(index),
        };
        let label = (Arc::clone(name), Arc::clone(value));
        let mut labels = Vec::with_capacity(before.len() + 1 + after.len());
        labels.extend(before.iter().cloned().chain([label]).chain(after.iter().cloned()));
        Self { labels }
    }

    /// Removes a label; the value it had.
    pub fn remove(&mut self, name: &str) -> Option<Arc<str>> {
        self.find(name).ok().map(|index| self.labels.remove(index).1)
    }

    /// Keeps the labels that `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.labels.retain(|(name, value)| keep(name, value));
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Whether a text can name a label: a letter or underscore, then letters, digits and underscores.
pub fn is_valid_label_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(labels: I) -> Self {
        let mut set = Self::new();
        for (name, value) in labels {
            set.set(name.as_ref(), value.as_ref());
        }
        set
    }
}

/// `{a="b", c="d"}`, values quoted as Go quotes strings: the form that Loki parses.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={}", go_compat::strconv::quote(value))?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_is_sorted_and_has_each_name_once() {
        let mut set: LabelSet = [("b", "1"), ("a", "x\"y"), ("b", "2")].into_iter().collect();
        assert_eq!(set.to_string(), r#"{a="x\"y", b="2"}"#);
        assert_eq!(set.get("b"), Some("2"));
        assert_eq!(set.remove("b").as_deref(), Some("2"));
        assert_eq!((set.len(), set.get("b")), (1, None));
        set.retain(|name, _| name != "a");
        assert!(set.is_empty());
    }

    #[test]
    fn a_copy_with_a_label_shares_its_text_and_leaves_the_set_alone() {
        let set: LabelSet = [("a", "1"), ("c", "3")].into_iter().collect();
        let (name, value) = (Arc::from("b"), Arc::from("2"));
        let copy = set.with(&name, &value);
        assert_eq!(copy.to_string(), r#"{a="1", b="2", c="3"}"#);
        assert!(Arc::ptr_eq(copy.get_key("b").unwrap(), &name));
        assert_eq!(copy.with(&name, &Arc::from("4")).get("b"), Some("4"));
        assert_eq!(set.to_string(), r#"{a="1", c="3"}"#);
    }

    #[test]
    fn label_names_are_those_of_prometheus() {
        for name in ["a", "_", "__x__", "A1"] {
            assert!(is_valid_label_name(name), "{name}");
        }
        for name in ["", "1a", "a-b", "a.b", "ä"] {
            assert!(!is_valid_label_name(name), "{name}");
        }
    }

    #[test]
    fn values_are_quoted_as_go_does() {
        let set: LabelSet = [("a", "tab\t \u{1} ä \u{2028}"), ("b", "")].into_iter().collect();
        assert_eq!(set.to_string(), r#"{a="tab\t \x01 ä \u2028", b=""}"#);
        assert_eq!(LabelSet::new().to_string(), "{}");
    }

    proptest! {
        #[test]
        fn a_set_behaves_as_a_sorted_map(
            steps in proptest::collection::vec(("[a-d]{1,2}", proptest::option::of("[xy]?")), 0..20),
        ) {
            let (mut set, mut model) = (LabelSet::new(), BTreeMap::new());
            for (name, value) in steps {
                if let Some(value) = value {
                    set.set(&name, &value);
                    model.insert(name.clone(), value);
                } else {
                    let removed = set.remove(&name).map(|value| value.to_string());
                    prop_assert_eq!(removed, model.remove(&name));
                }
                prop_assert_eq!(set.get(&name), model.get(&name).map(String::as_str));
                prop_assert_eq!(set.get_key(&name).is_some(), model.contains_key(&name));
            }
            let pairs: Vec<(&str, &str)> = set.iter().collect();
            let expected: Vec<(&str, &str)> =
                model.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            prop_assert_eq!(pairs, expected);
        }
    }
}
