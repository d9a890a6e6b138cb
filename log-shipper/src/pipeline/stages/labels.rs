//! `labels`: extracted values become labels of the stream.
//!
//! A value that cannot be a label (null, not UTF-8) leaves the label as it was; an empty text is a
//! value like any other.

use std::sync::Arc;

use super::error::StageError;
use super::label_names::require_label_name;
use super::options::{self, locate};
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Label name and the extracted key it is filled from; an empty or missing key means the name.
pub type NameMap = Vec<(String, Option<String>)>;

/// Name and extracted key, shared by all forks.
pub(super) type Pairs = Arc<[(Arc<str>, Arc<str>)]>;

/// Checked names and keys, interned: what a line costs is a look-up.
pub(super) fn intern(stage: &'static str, map: NameMap) -> Result<Pairs, StageError> {
    map.into_iter()
        .map(|(name, source)| {
            require_label_name(stage, &name)?;
            let name: Arc<str> = Arc::from(name);
            let source = match source {
                Some(source) if !source.is_empty() => Arc::from(source),
                _ => Arc::clone(&name),
            };
            Ok((name, source))
        })
        .collect()
}

/// See the module.
#[derive(Debug, Clone)]
pub struct LabelsStage {
    labels: Pairs,
}

impl LabelsStage {
    /// A stage that sets these labels.
    ///
    /// # Errors
    ///
    /// A name that is no label name.
    pub fn new(map: NameMap) -> Result<Self, StageError> {
        Ok(Self { labels: intern("labels", map)? })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// What is not a map of texts, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node) -> Result<Self, StageError> {
        Self::new(options::name_map("labels", node)?).map_err(|error| locate(error, node))
    }
}

impl Stage for LabelsStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        for (name, source) in &*self.labels {
            let Some(value) = entry.extracted.get(source).and_then(ValueRef::to_text) else {
                continue;
            };
            // An edit costs an allocation; most targets already carry `job`, `pod`, ...
            if entry.labels.get(name) != Some(&*value) {
                entry.labels.set(name, &value);
            }
        }
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::extracted::Value;
    use crate::pipeline::stages::testing::{entry, extract, labels, run, text};

    fn stage(map: &[(&str, Option<&str>)]) -> LabelsStage {
        let owned = |text: &str| text.to_owned();
        LabelsStage::new(map.iter().map(|(name, key)| (owned(name), key.map(owned))).collect())
            .unwrap()
    }

    #[test]
    fn values_become_labels_under_their_own_or_another_name() {
        let mut entry = entry(&[("job", "static"), ("app", "static")], "");
        extract(&mut entry, "lvl", text("info"));
        extract(&mut entry, "app", text("a1"));
        run(&mut stage(&[("severity", Some("lvl")), ("app", None), ("job", Some(""))]), &mut entry);

        assert_eq!(labels(&entry), r#"{app="a1", job="static", severity="info"}"#);
    }

    #[test]
    fn numbers_and_booleans_are_written_as_text() {
        let mut entry = entry(&[], "");
        extract(&mut entry, "n", Value::Number(1.5));
        extract(&mut entry, "b", Value::Bool(true));
        run(&mut stage(&[("n", None), ("b", None)]), &mut entry);

        assert_eq!(labels(&entry), r#"{b="true", n="1.5"}"#);
    }

    #[test]
    fn an_empty_text_is_a_label() {
        let mut entry = entry(&[], "");
        extract(&mut entry, "opt", text(""));
        run(&mut stage(&[("opt", None)]), &mut entry);

        assert_eq!(labels(&entry), r#"{opt=""}"#);
    }

    #[test]
    fn null_missing_and_invalid_values_leave_the_label_alone() {
        let mut entry = entry(&[("a", "old")], "");
        extract(&mut entry, "null", Value::Null);
        extract(&mut entry, "bytes", Value::Text(b"x\xff".to_vec()));
        let map = [("a", Some("null")), ("b", Some("bytes")), ("c", Some("missing"))];
        run(&mut stage(&map), &mut entry);

        assert_eq!(labels(&entry), r#"{a="old"}"#);
    }

    #[test]
    fn a_label_that_has_the_value_already_is_no_edit() {
        let mut entry = entry(&[("job", "j")], "");
        run(&mut stage(&[("job", None)]), &mut entry);

        assert!(entry.labels.edits().is_empty());
    }

    #[test]
    fn names_must_be_label_names() {
        let error = LabelsStage::new(vec![("trace-id".to_owned(), None)]).unwrap_err();
        assert!(error.to_string().contains("invalid label name: \"trace-id\""), "{error}");
    }
}
