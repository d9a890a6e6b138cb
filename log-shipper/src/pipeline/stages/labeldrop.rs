//! `labeldrop`: removes labels by name. Names, not patterns; the extracted values stay.

use std::sync::Arc;

use super::error::StageError;
use super::options::{self, locate};
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// See the module.
#[derive(Debug, Clone)]
pub struct LabelDropStage {
    names: Arc<[String]>,
}

impl LabelDropStage {
    /// A stage that removes these labels.
    ///
    /// # Errors
    ///
    /// An empty list.
    pub fn new(names: Vec<String>) -> Result<Self, StageError> {
        if names.is_empty() {
            return Err(StageError::new("labeldrop", "the list of labels is empty")
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
        Self::new(options::name_list("labeldrop", node)?).map_err(|error| locate(error, node))
    }
}

impl Stage for LabelDropStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        for name in &*self.names {
            entry.labels.remove(name);
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
    fn named_labels_go_and_missing_ones_do_not_matter() {
        let names = ["filename", "rack", "not_there"].map(str::to_owned).to_vec();
        let mut entry = entry(&[("filename", "f"), ("job", "app"), ("rack", "r1")], "");
        run(&mut LabelDropStage::new(names).unwrap(), &mut entry);

        assert_eq!(labels(&entry), r#"{job="app"}"#);
        assert!(entry.extracted.get("rack").is_some());
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert!(LabelDropStage::new(vec![]).unwrap_err().to_string().contains("is empty"));
    }
}
