//! `tenant`: which Loki tenant a line belongs to.
//!
//! The tenant travels as the internal label [`TENANT_LABEL`]; the client takes it off the stream
//! and sends it as `X-Scope-OrgID`. An empty tenant never replaces one that is set.

use std::sync::Arc;

use super::error::StageError;
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Name of the internal label.
pub const TENANT_LABEL: &str = "__tenant_id__";

/// Options as in the configuration; exactly one is set, and empty means not set.
#[derive(Debug, Clone, Default)]
pub struct TenantOptions {
    /// A label whose value is the tenant.
    pub label: Option<String>,
    /// An extracted key whose value is the tenant.
    pub source: Option<String>,
    /// The tenant itself.
    pub value: Option<String>,
}

#[derive(Debug, Clone)]
enum From {
    Label(String),
    Source(String),
    Value(String),
}

/// See the module.
#[derive(Debug, Clone)]
pub struct TenantStage {
    name: Arc<str>,
    from: Arc<From>,
    /// Reused copy of a label's value.
    buffer: String,
}

impl TenantStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// None or several of the options set.
    pub fn new(options: TenantOptions) -> Result<Self, StageError> {
        let given = |option: Option<String>| option.filter(|text| !text.is_empty());
        let from = match (given(options.label), given(options.source), given(options.value)) {
            (Some(label), None, None) => From::Label(label),
            (None, Some(source), None) => From::Source(source),
            (None, None, Some(value)) => From::Value(value),
            (None, None, None) => {
                return Err(StageError::new("tenant", "none of label, source and value is set")
                    .accepted("exactly one of label, source, value"));
            }
            _ => {
                return Err(StageError::new(
                    "tenant",
                    "label, source and value are mutually exclusive, several are set",
                )
                .accepted("exactly one of label, source, value"));
            }
        };
        Ok(Self { name: Arc::from(TENANT_LABEL), from: Arc::new(from), buffer: String::new() })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::strict("tenant", node)?;
        let decoded = TenantOptions {
            label: options.text("label")?,
            source: options.text("source")?,
            value: options.text("value")?,
        };
        options.finish(warnings);
        Self::new(decoded).map_err(|error| locate(error, node))
    }
}

impl Stage for TenantStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        self.buffer.clear();
        match &*self.from {
            From::Label(label) => self.buffer.push_str(entry.labels.get(label).unwrap_or_default()),
            From::Source(source) => {
                if let Some(text) = entry.extracted.get(source).and_then(ValueRef::to_text) {
                    self.buffer.push_str(&text);
                }
            }
            From::Value(value) => self.buffer.push_str(value),
        }
        if !self.buffer.is_empty() {
            entry.labels.set(&self.name, &self.buffer);
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

    #[test]
    fn a_label_names_the_tenant_and_stays_a_label() {
        let options = TenantOptions { label: Some("ns".into()), ..TenantOptions::default() };
        let mut stage = TenantStage::new(options).unwrap();
        let mut with = entry(&[("ns", "ml")], "");
        let mut without = entry(&[], "");
        run(&mut stage, &mut with);
        run(&mut stage, &mut without);

        assert_eq!(labels(&with), r#"{__tenant_id__="ml", ns="ml"}"#);
        assert_eq!(labels(&without), "{}");
    }

    #[test]
    fn an_extracted_value_names_the_tenant_unless_it_is_empty() {
        let options = TenantOptions { source: Some("org".into()), ..TenantOptions::default() };
        let mut stage = TenantStage::new(options).unwrap();
        for (value, expected) in [
            (text("team-a"), r#"{__tenant_id__="team-a"}"#),
            (Value::Number(17.0), r#"{__tenant_id__="17"}"#),
            (text(""), r#"{__tenant_id__="before"}"#),
            (Value::Null, r#"{__tenant_id__="before"}"#),
            (Value::Text(b"\xff".to_vec()), r#"{__tenant_id__="before"}"#),
        ] {
            let mut entry = entry(&[(TENANT_LABEL, "before")], "");
            extract(&mut entry, "org", value);
            run(&mut stage, &mut entry);

            assert_eq!(labels(&entry), expected);
        }
    }

    #[test]
    fn a_fixed_tenant_replaces_an_earlier_one() {
        let options = TenantOptions { value: Some("override".into()), ..TenantOptions::default() };
        let mut entry = entry(&[(TENANT_LABEL, "before")], "");
        run(&mut TenantStage::new(options).unwrap(), &mut entry);

        assert_eq!(labels(&entry), r#"{__tenant_id__="override"}"#);
    }

    #[test]
    fn exactly_one_option_is_accepted() {
        let none = TenantOptions { source: Some(String::new()), ..TenantOptions::default() };
        assert!(TenantStage::new(none).unwrap_err().to_string().contains("none of label"));

        let two = TenantOptions { source: Some("a".into()), value: Some("b".into()), label: None };
        assert!(TenantStage::new(two).unwrap_err().to_string().contains("mutually exclusive"));
    }
}
