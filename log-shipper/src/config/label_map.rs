//! Label names and values in the configuration.

use std::collections::BTreeMap;

use prometheus_model::label_set::is_valid_label_name;

use super::decode::{Value, describe};
use super::finding::Findings;
use super::yaml::{Kind, Node};

/// Labels whose names were checked: letters, digits and `_`, no digit first. Values keep the
/// spelling of the file; an empty value means that the label is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelMap(BTreeMap<String, String>);

/// A name that no label can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a valid label name: letters, digits and `_` are accepted, no digit first")]
pub struct LabelNameError {
    name: String,
}

impl LabelMap {
    /// Sets a label.
    ///
    /// # Errors
    /// When the name is not one of a label.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LabelNameError> {
        if !is_valid_label_name(name) {
            return Err(LabelNameError { name: name.to_owned() });
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Adds the labels of `other` that are not there yet.
    pub fn fill_from(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            if !self.0.contains_key(name) {
                self.0.insert(name.clone(), value.clone());
            }
        }
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for LabelMap {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        let Kind::Mapping(pairs) = &node.kind else {
            findings.error(node, format!("{} where a map of labels is wanted", describe(node)));
            return;
        };
        for (key, value) in pairs {
            let name = key.raw_text().unwrap_or_default();
            let text = match &value.kind {
                Kind::Null => "",
                Kind::Scalar { text, .. } => text,
                Kind::Sequence(_) | Kind::Mapping(_) => {
                    let found = describe(value);
                    findings
                        .error(value, format!("{found} where the value of label {name} is wanted"));
                    continue;
                }
            };
            if let Err(error) = self.set(name, text) {
                findings.error(key, error.to_string());
            }
        }
    }

    fn write(&mut self) -> Kind {
        self.0.write()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    #[test]
    fn values_keep_the_spelling_of_the_file() {
        let mut labels = LabelMap::default();
        let text = "version: 1.10\nport: 0x1F90\nflag: yes\noff: \"off\"\nnothing: ~\ntime: 1:30\n";
        assert_eq!(read(&mut labels, text), (vec![], vec![]));
        let pairs: Vec<_> = labels.iter().collect();
        assert_eq!(
            pairs,
            [
                ("flag", "yes"),
                ("nothing", ""),
                ("off", "off"),
                ("port", "0x1F90"),
                ("time", "1:30"),
                ("version", "1.10")
            ]
        );
    }

    #[test]
    fn names_that_are_none_are_refused_where_they_stand() {
        let (errors, _) = read(&mut LabelMap::default(), "job: app\nbad.name: x\n1st: y\nx: [1]\n");
        assert_eq!(
            errors,
            [
                "2:1: \"bad.name\" is not a valid label name: letters, digits and `_` are accepted, \
                 no digit first",
                "3:1: \"1st\" is not a valid label name: letters, digits and `_` are accepted, no \
                 digit first",
                "4:4: a list where the value of label x is wanted",
            ]
        );
    }
}
