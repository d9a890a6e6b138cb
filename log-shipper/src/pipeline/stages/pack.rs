//! `pack`: moves labels and extracted values into the line, as a JSON object with the old line
//! under `_entry`.
//!
//! The values come from the extracted map, in which labels are found under the name they had at
//! the start of the pipeline; Loki's `unpack` reads the result, so its form is fixed.

use std::sync::Arc;

use super::error::StageError;
use super::json::strings::push_string;
use super::options::Options;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// See the module.
#[derive(Debug, Clone)]
pub struct PackStage {
    /// Sorted, each once: the order of the output.
    names: Arc<[String]>,
    ingest_timestamp: bool,
    /// Becomes the line; the old line's memory is used for the next one.
    packed: Vec<u8>,
}

impl PackStage {
    /// Packs these names. `ingest_timestamp` replaces the entry's time with now.
    pub fn new(mut names: Vec<String>, ingest_timestamp: bool) -> Self {
        names.sort_unstable();
        names.dedup();
        Self { names: names.into(), ingest_timestamp, packed: Vec::new() }
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::weak("pack", node)?;
        let names = options.text_or_list("labels")?.unwrap_or_default();
        let ingest_timestamp = options.flag("ingest_timestamp")?.unwrap_or(true);
        options.finish(warnings);
        Ok(Self::new(names, ingest_timestamp))
    }
}

impl Stage for PackStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let packed = &mut self.packed;
        packed.clear();
        packed.push(b'{');
        for name in &*self.names {
            let Some(value) = entry.extracted.get(name).and_then(ValueRef::to_bytes) else {
                continue;
            };
            push_string(packed, name.as_bytes());
            packed.push(b':');
            push_string(packed, &value);
            packed.push(b',');
            entry.labels.remove(name);
        }
        packed.extend_from_slice(b"\"_entry\":");
        push_string(packed, &entry.line);
        packed.push(b'}');
        std::mem::swap(packed, &mut entry.line);
        if self.ingest_timestamp {
            entry.timestamp_ns = context.now_ns;
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
    use crate::pipeline::stages::testing::{NOW_NS, entry, extract, labels, line, run, text};
    use proptest::prelude::*;

    fn stage(names: &[&str]) -> PackStage {
        PackStage::new(names.iter().map(|name| (*name).to_owned()).collect(), true)
    }

    #[test]
    fn values_and_labels_are_packed_sorted_by_name() {
        let mut entry = entry(&[("job", "app"), ("container", "serve")], "x id=1 \"q\"");
        extract(&mut entry, "id", Value::Number(1.0));
        extract(&mut entry, "nothing", Value::Null);
        run(&mut stage(&["id", "container", "nothing", "absent", "id"]), &mut entry);

        assert_eq!(line(&entry), r#"{"container":"serve","id":"1","_entry":"x id=1 \"q\""}"#);
        assert_eq!(labels(&entry), r#"{job="app"}"#);
    }

    #[test]
    fn a_line_is_packed_without_labels_too() {
        let mut entry = entry(&[], "x");
        run(&mut stage(&[]), &mut entry);
        assert_eq!(line(&entry), r#"{"_entry":"x"}"#);
    }

    #[test]
    fn the_time_becomes_now_only_if_asked() {
        let mut entry = entry(&[], "x");
        entry.timestamp_ns = 1;
        run(&mut PackStage::new(vec![], false), &mut entry);
        assert_eq!(entry.timestamp_ns, 1);

        run(&mut stage(&[]), &mut entry);
        assert_eq!(entry.timestamp_ns, NOW_NS);
    }

    #[test]
    fn strings_are_escaped_as_promtail_does() {
        let mut entry = entry(
            &[],
            b"<a>&\"\\\n\r\t\x01\x1f\x7f \xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAA \xff\xE2\x80.",
        );
        extract(&mut entry, "v", text("é"));
        run(&mut stage(&["v"]), &mut entry);

        assert_eq!(
            line(&entry),
            concat!(
                r#"{"v":"é","_entry":"\u003ca\u003e\u0026\"\\\n\r\t\u0001\u001f"#,
                "\x7f ",
                r"\u2028\u2029",
                "\u{202a} ",
                r#"\ufffd\ufffd\ufffd."}"#,
            )
        );
    }

    proptest! {
        #[test]
        fn what_is_packed_is_json_that_reads_as_the_line(text in "\\PC*|[\u{0}-\u{2030}]*") {
            let mut entry = entry(&[], text.as_bytes());
            run(&mut stage(&[]), &mut entry);
            let read: serde_json::Value = serde_json::from_slice(&entry.line).unwrap();
            prop_assert_eq!(read["_entry"].as_str(), Some(&*text));
        }
    }
}
