//! `labelallow`: keeps only the named labels. Names, not patterns.
//!
//! The internal tenant label is a label too: a `tenant` stage belongs behind this one.

use std::sync::Arc;

use super::error::StageError;
use super::options::{self, locate};
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// See the module.
#[derive(Debug, Clone)]
pub struct LabelAllowStage {
    names: Arc<[String]>,
}

impl LabelAllowStage {
    /// A stage that keeps these labels.
    ///
    /// # Errors
    ///
    /// An empty list.
    pub fn new(names: Vec<String>) -> Result<Self, StageError> {
        if names.is_empty() {
            return Err(StageError::new("labelallow", "the list of labels is empty")
                .accepted("a list with at least one label name"));
        }
        Ok(Self { names: names.into() })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// What is not a list of texts, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node) -> Result<Self, StageError> {
        Self::new(options::name_list("labelallow", node)?).map_err(|error| locate(error, node))
    }
}

impl Stage for LabelAllowStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        entry.labels.retain(|name| self.names.iter().any(|allowed| allowed == name));
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
    fn only_named_labels_stay_whether_of_the_target_or_of_a_stage() {
        let names = ["job", "kept", "filename"].map(str::to_owned).to_vec();
        let mut entry = entry(&[("job", "app"), ("rack", "r1")], "");
        entry.labels.set(&Arc::from("kept"), "1");
        entry.labels.set(&Arc::from("gone"), "1");
        run(&mut LabelAllowStage::new(names).unwrap(), &mut entry);

        assert_eq!(labels(&entry), r#"{job="app", kept="1"}"#);
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert!(LabelAllowStage::new(vec![]).unwrap_err().to_string().contains("is empty"));
    }
}
