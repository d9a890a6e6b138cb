//! `eventlogmessage`: the `Name: value` lines of a Windows event's message become extracted values.
//!
//! Never discards a line: Promtail loses those whose source is null, without counting them.

use std::sync::Arc;

use super::error::StageError;
use super::label_names::{ACCEPTED, is_label_name};
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::{Extracted, Value, ValueRef};
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Names taken from one message, which finds them by search; Windows' own have some dozens. Lines
/// after them are passed over.
const MAX_NAMES: usize = 1_000;

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct EventLogMessageOptions {
    /// Extracted key that holds the message; default `message`.
    pub source: Option<String>,
    /// Leave names out that are no label names, instead of turning what does not fit into `_`.
    pub drop_invalid_labels: bool,
    /// Replace a value that is there, instead of appending `_extracted` to the new name.
    pub overwrite_existing: bool,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct EventLogMessageStage {
    source: Arc<str>,
    drop_invalid_labels: bool,
    overwrite_existing: bool,
    /// Reused copy of the message, which lives in the map that is written to.
    message: Vec<u8>,
}

impl EventLogMessageStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// A source that is no label name.
    pub fn new(options: EventLogMessageOptions) -> Result<Self, StageError> {
        let source = options.source.unwrap_or_else(|| "message".to_owned());
        if !is_label_name(source.as_bytes()) {
            return Err(StageError::new(
                "eventlogmessage",
                format!("invalid label name: {source:?}"),
            )
            .key("source")
            .accepted(ACCEPTED));
        }
        Ok(Self {
            source: Arc::from(source),
            drop_invalid_labels: options.drop_invalid_labels,
            overwrite_existing: options.overwrite_existing,
            message: Vec::new(),
        })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::strict("eventlogmessage", node)?;
        let decoded = EventLogMessageOptions {
            source: options.text("source")?,
            drop_invalid_labels: options.flag("drop_invalid_labels")?.unwrap_or(false),
            overwrite_existing: options.flag("overwrite_existing")?.unwrap_or(false),
        };
        options.finish(warnings);
        Self::new(decoded).map_err(|error| locate(error, node))
    }

    /// Whether the line gave a value.
    fn extract(&self, line: &[u8], extracted: &mut Extracted) -> bool {
        let Some(colon) = memchr::memchr(b':', line) else { return false };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let Ok(value) = std::str::from_utf8(value) else { return false };
        let mut name = if is_label_name(name) {
            String::from_utf8_lossy(name).into_owned()
        } else if self.drop_invalid_labels {
            return false;
        } else {
            sanitized(name)
        };
        if !self.overwrite_existing && extracted.get(&name).is_some() {
            name.push_str("_extracted");
        }
        extracted.set(&Arc::from(name), Value::Text(value.trim().as_bytes().to_vec()));
        true
    }
}

/// `_` for every character that a label name cannot have at its place, and for an empty name.
fn sanitized(name: &[u8]) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let mut sanitized = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            let fits = character.is_ascii_alphabetic()
                || character.is_ascii_digit() && !sanitized.is_empty();
            sanitized.push(if fits { character } else { '_' });
        }
        sanitized.extend(chunk.invalid().iter().map(|_| '_'));
    }
    sanitized
}

impl Stage for EventLogMessageStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        let Some(message) = entry.extracted.get(&self.source).and_then(ValueRef::to_bytes) else {
            return Verdict::Pass;
        };
        let mut copy = std::mem::take(&mut self.message);
        copy.clear();
        copy.extend_from_slice(&message);
        drop(message);
        let mut rest = &*copy;
        let mut names = 0;
        while names < MAX_NAMES {
            let end = memchr::memmem::find(rest, b"\r\n");
            let line = &rest[..end.unwrap_or(rest.len())];
            names += usize::from(self.extract(line, &mut entry.extracted));
            let Some(end) = end else { break };
            rest = &rest[end + 2..];
        }
        self.message = copy;
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stages::testing::{entry, extract, run, text};

    const MESSAGE: &str = "Subject: hi\r\nAccount Name:  bob \r\nnope\r\njob: other\r\nEmpty:";

    fn process(options: EventLogMessageOptions, message: Value) -> Entry {
        let mut entry = entry(&[("job", "app")], "");
        extract(&mut entry, "message", message);
        let verdict = run(&mut EventLogMessageStage::new(options).unwrap(), &mut entry);
        assert_eq!(verdict, Verdict::Pass);
        entry
    }

    fn value(entry: &Entry, name: &str) -> Option<String> {
        Some(entry.extracted.get(name)?.to_text()?.into_owned())
    }

    #[test]
    fn names_become_label_names_and_taken_ones_get_a_suffix() {
        let entry = process(EventLogMessageOptions::default(), text(MESSAGE));

        assert_eq!(value(&entry, "Subject").as_deref(), Some("hi"));
        assert_eq!(value(&entry, "Account_Name").as_deref(), Some("bob"));
        assert_eq!(value(&entry, "job").as_deref(), Some("app"));
        assert_eq!(value(&entry, "job_extracted").as_deref(), Some("other"));
        assert_eq!(value(&entry, "Empty").as_deref(), Some(""));
        assert_eq!(value(&entry, "nope"), None);
    }

    #[test]
    fn invalid_names_can_be_left_out_and_present_values_overwritten() {
        let options = EventLogMessageOptions {
            drop_invalid_labels: true,
            overwrite_existing: true,
            source: None,
        };
        let entry = process(options, text(MESSAGE));

        assert_eq!(value(&entry, "Account_Name"), None);
        assert_eq!(value(&entry, "job").as_deref(), Some("other"));
    }

    #[test]
    fn a_message_gives_so_many_names_and_no_more() {
        let lines: Vec<_> = (0..MAX_NAMES + 5).map(|number| format!("n{number}: v")).collect();
        let entry = process(EventLogMessageOptions::default(), text(&lines.join("\r\n")));

        assert_eq!(value(&entry, &format!("n{}", MAX_NAMES - 1)).as_deref(), Some("v"));
        assert_eq!(value(&entry, &format!("n{MAX_NAMES}")), None);
    }

    #[test]
    fn a_null_message_passes_the_line_on() {
        process(EventLogMessageOptions::default(), Value::Null);
    }

    #[test]
    fn every_character_that_does_not_fit_is_replaced() {
        assert_eq!(sanitized(b""), "_");
        assert_eq!(sanitized(b"1st GPU-Model"), "_st_GPU_Model");
        assert_eq!(sanitized("é9".as_bytes()), "_9");
        assert_eq!(sanitized(b"a\xff"), "a_");
    }

    #[test]
    fn the_source_must_be_a_label_name() {
        let options =
            EventLogMessageOptions { source: Some("a b".to_owned()), ..Default::default() };
        assert!(EventLogMessageStage::new(options).is_err());
    }
}
