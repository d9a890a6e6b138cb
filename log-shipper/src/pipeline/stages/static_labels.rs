//! `static_labels`: labels with fixed values, whatever the line says.
//!
//! Empty and missing values mean "leave the label alone", not "empty label".

use std::sync::Arc;

use super::error::StageError;
use super::label_names::require_label_name;
use super::options::{self, locate};
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// See the module.
#[derive(Debug, Clone)]
pub struct StaticLabelsStage {
    labels: Arc<[(Arc<str>, String)]>,
}

impl StaticLabelsStage {
    /// A stage that sets these labels.
    ///
    /// # Errors
    ///
    /// A name that is no label name.
    pub fn new(labels: Vec<(String, Option<String>)>) -> Result<Self, StageError> {
        for (name, _) in &labels {
            require_label_name("static_labels", name)?;
        }
        let labels = labels
            .into_iter()
            .filter_map(|(name, value)| {
                Some((Arc::from(name), value.filter(|value| !value.is_empty())?))
            })
            .collect();
        Ok(Self { labels })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// What is not a map of texts, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node) -> Result<Self, StageError> {
        Self::new(options::name_map("static_labels", node)?).map_err(|error| locate(error, node))
    }
}

impl Stage for StaticLabelsStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        for (name, value) in &*self.labels {
            entry.labels.set(name, value);
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
    use crate::pipeline::stages::testing::{entry, labels, run};

    #[test]
    fn labels_are_set_and_replaced_but_not_by_empty_values() {
        let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let options = vec![
            some("team", "new"),
            some("tier", "1"),
            some("nothing", ""),
            ("also_nothing".to_owned(), None),
        ];
        let mut entry = entry(&[("job", "app"), ("team", "old"), ("nothing", "kept")], "");
        run(&mut StaticLabelsStage::new(options).unwrap(), &mut entry);

        assert_eq!(labels(&entry), r#"{job="app", nothing="kept", team="new", tier="1"}"#);
    }

    #[test]
    fn names_must_be_label_names_even_without_a_value() {
        assert!(StaticLabelsStage::new(vec![("a.b".to_owned(), None)]).is_err());
    }
}
