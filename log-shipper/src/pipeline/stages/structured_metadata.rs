//! `structured_metadata` (old name `non_indexed_labels`): values that travel with the line without
//! being part of its stream.
//!
//! Follows Promtail 3.6, not 3.4: extracted values first, labels only for names that are still
//! free, and a label leaves the stream only where its value went into the metadata. 3.4 sent a
//! source that is both twice.

use std::sync::Arc;

use super::error::StageError;
use super::labels::{NameMap, Pairs, intern};
use super::options::{self, locate};
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// See the module.
#[derive(Debug, Clone)]
pub struct StructuredMetadataStage {
    pairs: Pairs,
}

impl StructuredMetadataStage {
    /// A stage that fills these names. `stage` is the name used in the configuration.
    ///
    /// # Errors
    ///
    /// A name that is no label name.
    pub fn new(stage: &'static str, map: NameMap) -> Result<Self, StageError> {
        Ok(Self { pairs: intern(stage, map)? })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// What is not a map of texts, and what [`Self::new`] refuses.
    pub fn from_node(stage: &'static str, node: &Node) -> Result<Self, StageError> {
        Self::new(stage, options::name_map(stage, node)?).map_err(|error| locate(error, node))
    }
}

/// Sets a name that may be there from an earlier stage: Loki refuses or merges repeats.
fn put(metadata: &mut Vec<(Arc<str>, String)>, name: &Arc<str>, value: &str) {
    match metadata.iter_mut().find(|(known, _)| known == name) {
        Some((_, present)) => {
            present.clear();
            present.push_str(value);
        }
        None => metadata.push((Arc::clone(name), value.to_owned())),
    }
}

impl Stage for StructuredMetadataStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        for (name, source) in &*self.pairs {
            if let Some(value) = entry.extracted.get(source).and_then(ValueRef::to_text) {
                put(&mut entry.metadata, name, &value);
            } else if let Some(value) = entry.labels.get(source)
                && !entry.metadata.iter().any(|(known, _)| known == name)
            {
                entry.metadata.push((Arc::clone(name), value.to_owned()));
            }
        }
        // Only now: one label may feed several names.
        for (name, source) in &*self.pairs {
            let Some(label) = entry.labels.get(source) else { continue };
            if entry.metadata.iter().any(|(known, value)| known == name && value == label) {
                entry.labels.remove(source);
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

    fn stage(map: &[(&str, &str)]) -> StructuredMetadataStage {
        let map = map.iter().map(|(name, key)| ((*name).to_owned(), Some((*key).to_owned())));
        StructuredMetadataStage::new("structured_metadata", map.collect()).unwrap()
    }

    fn metadata(entry: &Entry) -> Vec<(&str, &str)> {
        entry.metadata.iter().map(|(name, value)| (&**name, &**value)).collect()
    }

    #[test]
    fn a_label_moves_into_the_metadata_once() {
        let mut entry = entry(&[("job", "app"), ("pod", "vllm-0")], "");
        extract(&mut entry, "trace_id", text("t-1"));
        run(&mut stage(&[("trace_id", "trace_id"), ("who", "pod"), ("absent", "x")]), &mut entry);

        assert_eq!(metadata(&entry), [("trace_id", "t-1"), ("who", "vllm-0")]);
        assert_eq!(labels(&entry), r#"{job="app"}"#);
    }

    #[test]
    fn a_label_with_another_value_than_the_extracted_one_stays() {
        let mut entry = entry(&[("pod", "label")], "");
        extract(&mut entry, "pod", text("extracted"));
        run(&mut stage(&[("pod", "pod")]), &mut entry);

        assert_eq!(metadata(&entry), [("pod", "extracted")]);
        assert_eq!(labels(&entry), r#"{pod="label"}"#);
    }

    #[test]
    fn a_label_fills_in_for_a_value_that_is_no_text() {
        let mut entry = entry(&[("pod", "label")], "");
        extract(&mut entry, "pod", Value::Null);
        run(&mut stage(&[("pod", "pod")]), &mut entry);

        assert_eq!(metadata(&entry), [("pod", "label")]);
        assert_eq!(labels(&entry), "{}");
    }

    #[test]
    fn one_label_can_feed_two_names() {
        let mut entry = entry(&[("pod", "p")], "");
        run(&mut stage(&[("a", "pod"), ("b", "pod")]), &mut entry);

        assert_eq!(metadata(&entry), [("a", "p"), ("b", "p")]);
        assert_eq!(labels(&entry), "{}");
    }

    #[test]
    fn a_label_does_not_take_a_name_that_an_earlier_stage_filled() {
        let mut entry = entry(&[("pod", "label")], "");
        extract(&mut entry, "x", text("earlier"));
        extract(&mut entry, "pod", Value::Null);
        run(&mut stage(&[("pod", "x")]), &mut entry);
        run(&mut stage(&[("pod", "pod")]), &mut entry);

        assert_eq!(metadata(&entry), [("pod", "earlier")]);
        assert_eq!(labels(&entry), r#"{pod="label"}"#);
    }

    #[test]
    fn a_later_stage_replaces_the_value_of_a_name() {
        let mut entry = entry(&[], "");
        extract(&mut entry, "x", text("1"));
        extract(&mut entry, "y", text("2"));
        run(&mut stage(&[("a", "x")]), &mut entry);
        run(&mut stage(&[("a", "y")]), &mut entry);

        assert_eq!(metadata(&entry), [("a", "2")]);
    }
}
