//! `logfmt`: values of pairs such as `level=info msg="a b"`.
//!
//! Where the text stops being logfmt, the pairs before that place stay extracted, and the line is
//! counted: Promtail logs an error for each, which is a storm for a container that writes plain
//! text. Nothing is held between lines but reused memory.

mod pairs;

use std::sync::Arc;

use prometheus_model::instrument::Counter;

use self::pairs::{Malformed, Pairs};
use super::error::StageError;
use super::labels::NameMap;
use super::options::{self, Options, locate};
use super::source::Source;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::Value;
use crate::pipeline::stage::{Context, Stage, Verdict};
use crate::pipeline::stage_metrics::StageMetrics;

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct LogfmtOptions {
    /// Extracted name and key in the text; no key means the name.
    pub mapping: NameMap,
    /// Extracted value to parse instead of the line.
    pub source: Option<String>,
}

/// A key of the text and the name of its value.
#[derive(Debug)]
struct Wanted {
    key: Box<[u8]>,
    name: Arc<str>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct LogfmtStage {
    mapping: Arc<[Wanted]>,
    source: Source,
    malformed: Counter,
}

impl LogfmtStage {
    /// A stage with these options that counts with `malformed` the lines that are not logfmt to their
    /// end.
    ///
    /// # Errors
    ///
    /// No mapping, an empty source.
    pub fn new(options: LogfmtOptions, malformed: Counter) -> Result<Self, StageError> {
        if options.mapping.is_empty() {
            return Err(StageError::new("logfmt", "logfmt mapping is required")
                .key("mapping")
                .accepted("a map from extracted names to keys of the text"));
        }
        let pair = |(name, key): (String, Option<String>)| {
            let key = key.filter(|key| !key.is_empty()).unwrap_or_else(|| name.clone());
            Wanted { key: key.into_bytes().into_boxed_slice(), name: Arc::from(name) }
        };
        Ok(Self {
            mapping: options.mapping.into_iter().map(pair).collect(),
            source: Source::new("logfmt", options.source)?,
            malformed,
        })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(
        node: &Node,
        metrics: &StageMetrics,
        warnings: &mut Vec<Finding>,
    ) -> Result<Self, StageError> {
        let mut options = Options::strict("logfmt", node)?;
        let mapping = match options.node("mapping") {
            Some(node) => options::name_map("logfmt", node)?,
            None => NameMap::new(),
        };
        let source = options.text("source")?;
        options.finish(warnings);
        Self::new(LogfmtOptions { mapping, source }, metrics.malformed_lines("logfmt"))
            .map_err(|error| locate(error, node))
    }
}

impl Stage for LogfmtStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        let Some(text) = self.source.text(&entry.line, &entry.extracted) else {
            return Verdict::Pass;
        };
        let mut pairs = Pairs::new(text);
        loop {
            match pairs.next() {
                Ok(Some((key, value))) => {
                    for wanted in self.mapping.iter().filter(|wanted| *wanted.key == *key) {
                        entry.extracted.set(&wanted.name, Value::Text(value.value()));
                    }
                }
                Ok(None) => break,
                Err(Malformed) => {
                    self.malformed.inc();
                    break;
                }
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
    use crate::pipeline::extracted::ValueRef;
    use crate::pipeline::stages::testing::{entry, extract, line, run, text};

    fn stage(mapping: &[(&str, Option<&str>)], source: Option<&str>) -> LogfmtStage {
        let owned = |text: &str| text.to_owned();
        let mapping = mapping.iter().map(|(name, key)| (owned(name), key.map(owned))).collect();
        LogfmtStage::new(LogfmtOptions { mapping, source: source.map(owned) }, Counter::default())
            .unwrap()
    }

    /// `level=x message=y`, of what was extracted.
    fn extracted(stage: &mut LogfmtStage, text: &str) -> String {
        let mut entry = entry(&[], text);
        assert_eq!(run(stage, &mut entry), Verdict::Pass);
        assert_eq!(line(&entry), text);
        let mut values: Vec<_> = entry
            .extracted
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_text().unwrap()))
            .collect();
        values.sort_unstable();
        values.join(" ")
    }

    #[test]
    fn pairs_are_extracted_as_promtail_recorded_them() {
        let mapping =
            [("level", None), ("message", Some("msg")), ("took", Some("dur")), ("flag", Some(""))];
        let mut stage = stage(&mapping, None);
        for (text, expected) in [
            (
                "ts=2024-01-02T03:04:05Z level=info msg=\"batch done\" dur=12ms model=churn",
                "level=info message=batch done took=12ms",
            ),
            (
                r#"level=warn msg="quote \" and \u00e4 and \n newline" dur=1s"#,
                "level=warn message=quote \" and ä and \n newline took=1s",
            ),
            ("level=error flag msg=unquoted=equals dur=", "flag= level=error"),
            ("level=info level=debug msg=\"last one wins\"", "level=debug message=last one wins"),
            ("no pairs here", ""),
            ("level=\"\" msg=\"empty value\"", "level= message=empty value"),
            ("level=info msg=\"unterminated", "level=info"),
            ("msg=tab\tlevel=info", "level=info message=tab"),
        ] {
            assert_eq!(extracted(&mut stage, text), expected, "{text}");
        }
    }

    #[test]
    fn errors_are_counted_for_all_forks() {
        let mut stage = stage(&[("a", None), ("b", None)], None);
        assert_eq!(extracted(&mut stage, r#"junk a=2 ="x" b=3"#), "a=2");
        run(&mut *stage.fork(), &mut entry(&[], "a=\""));
        assert_eq!(extracted(&mut stage, "a=1"), "a=1");
        assert_eq!(stage.malformed.get(), 2);
    }

    #[test]
    fn one_key_may_have_several_names() {
        assert_eq!(
            extracted(&mut stage(&[("a", Some("k")), ("b", Some("k"))], None), "k=1"),
            "a=1 b=1"
        );
    }

    #[test]
    fn a_value_is_parsed_with_a_source() {
        let mut stage = stage(&[("a", None)], Some("inner"));
        let mut entry = entry(&[], "a=line");
        run(&mut stage, &mut entry);
        assert_eq!(entry.extracted.get("a"), None);
        extract(&mut entry, "inner", text("a=value"));
        run(&mut stage, &mut entry);
        assert_eq!(entry.extracted.get("a"), Some(ValueRef::Text(b"value")));
    }

    #[test]
    fn a_mapping_is_required() {
        let error =
            LogfmtStage::new(LogfmtOptions::default(), Counter::default()).unwrap_err().to_string();
        assert!(error.contains("mapping: logfmt mapping is required"), "{error}");
    }
}
