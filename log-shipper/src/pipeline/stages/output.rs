//! `output`: an extracted value becomes the line.

use std::sync::Arc;

use super::error::StageError;
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// See the module.
#[derive(Debug, Clone)]
pub struct OutputStage {
    source: Arc<str>,
}

impl OutputStage {
    /// A stage that writes the value of `source`.
    ///
    /// # Errors
    ///
    /// An empty name.
    pub fn new(source: &str) -> Result<Self, StageError> {
        if source.is_empty() {
            return Err(StageError::new("output", "output source value is required")
                .key("source")
                .accepted("the name of an extracted value"));
        }
        Ok(Self { source: Arc::from(source) })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::strict("output", node)?;
        let source = options.text("source")?.unwrap_or_default();
        options.finish(warnings);
        Self::new(&source).map_err(|error| locate(error, node))
    }
}

impl Stage for OutputStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        if let Some(value) = entry.extracted.get(&self.source).and_then(ValueRef::to_bytes) {
            entry.line.clear();
            entry.line.extend_from_slice(&value);
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
    use crate::pipeline::stages::testing::{entry, extract, line, run, text};

    #[test]
    fn scalars_become_the_line_and_null_or_missing_values_keep_it() {
        for (value, expected) in [
            (Some(text("text")), "text"),
            (Some(text("")), ""),
            (Some(Value::Number(12.5)), "12.5"),
            (Some(Value::Bool(true)), "true"),
            (Some(Value::Null), "the line"),
            (None, "the line"),
        ] {
            let mut entry = entry(&[], "the line");
            if let Some(value) = value {
                extract(&mut entry, "msg", value);
            }
            run(&mut OutputStage::new("msg").unwrap(), &mut entry);
            assert_eq!(line(&entry), expected);
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_become_the_line_too() {
        let mut entry = entry(&[], "");
        extract(&mut entry, "msg", Value::Text(b"\xff\0".to_vec()));
        run(&mut OutputStage::new("msg").unwrap(), &mut entry);
        assert_eq!(entry.line, b"\xff\0");
    }

    #[test]
    fn a_source_is_required() {
        let error = OutputStage::new("").unwrap_err().to_string();
        assert!(
            error.starts_with("output stage: source: output source value is required"),
            "{error}"
        );
    }
}
