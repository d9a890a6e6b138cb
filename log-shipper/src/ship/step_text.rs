//! Steps of a pipeline in words, for `explain` and `-inspect`.
//!
//! What comes from lines is written with its control characters escaped: a log line must not be able
//! to drive the terminal of who looks at it.

use std::fmt::Write as _;

use go_compat::time_layout::{Layout, Time};

use crate::batch::streams::TENANT_LABEL;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::Value;
use crate::pipeline::observe::{Change, Outcome, StageInfo, Step};
use crate::pipeline::stages::{drop, limit, match_stage, sampling};

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// Writes steps as text.
#[derive(Debug)]
pub struct StepText {
    layout: Layout,
    colours: bool,
}

impl StepText {
    /// With escape codes for colours, or without.
    pub fn new(colours: bool) -> Self {
        Self { layout: Layout::new("2006-01-02T15:04:05.999999999Z07:00"), colours }
    }

    /// A step and what happened inside it, `depth` levels to the right.
    pub fn step(&self, step: &Step, depth: usize, out: &mut String) {
        let StageInfo { name, options, line, column, .. } = &*step.stage;
        let options = if options.is_empty() || options == "{}" {
            String::new()
        } else {
            format!(" {options}")
        };
        self.put(out, depth, "", &format!("{line}:{column} {name}{}", escaped(&options)));
        for nested in &step.nested {
            self.step(nested, depth + 1, out);
        }
        for change in &step.changes {
            let (colour, text) = self.change(change);
            self.put(out, depth + 1, colour, &text);
        }
        if step.pauses {
            self.put(out, depth + 1, YELLOW, "! over the rate: reading of the job waits");
        }
        let is_told_inside = !step.nested.is_empty();
        match step.outcome {
            Outcome::Passed if step.changes.is_empty() && !step.pauses && !is_told_inside => {
                self.put(out, depth + 1, "", "= no change");
            }
            Outcome::NotSelected => self.put(out, depth + 1, "", "= not selected"),
            Outcome::Dropped if !is_told_inside => {
                let reason = drop_reason(&step.stage);
                let text = format!("x dropped by {name} on line {line}{reason}");
                self.put(out, depth + 1, RED, &text);
            }
            Outcome::Held if !is_told_inside => {
                self.put(out, depth + 1, YELLOW, "~ held, until more lines or its time have come");
            }
            _ => {}
        }
        for entry in &step.released {
            let text = format!("> released: {}", quoted(&entry.line));
            self.put(out, depth + 1, GREEN, &text);
        }
    }

    /// An entry as Loki gets it.
    pub fn entry(&self, entry: &Entry, out: &mut String) {
        let mut labels = entry.labels.to_label_set();
        labels.retain(|name, _| !name.starts_with("__"));
        self.put(out, 0, GREEN, "sent:");
        self.put(out, 1, "", &format!("time    {}", self.time(entry.timestamp_ns)));
        self.put(out, 1, "", &format!("labels  {}", escaped(&labels.to_string())));
        if let Some(tenant) = entry.labels.get(TENANT_LABEL) {
            self.put(out, 1, "", &format!("tenant  {tenant:?}"));
        }
        for (name, value) in &entry.metadata {
            self.put(out, 1, "", &format!("metadata {} = {value:?}", escaped(name)));
        }
        self.put(out, 1, "", &format!("line    {}", quoted(&entry.line)));
    }

    /// One line of text; a colour is the number of its escape code.
    pub fn put(&self, out: &mut String, depth: usize, colour: &str, text: &str) {
        let indent = "  ".repeat(depth);
        let written = if self.colours && !colour.is_empty() {
            writeln!(out, "{indent}\x1b[{colour}m{text}\x1b[0m")
        } else {
            writeln!(out, "{indent}{text}")
        };
        debug_assert!(written.is_ok(), "writing to a string does not fail");
    }

    /// RFC 3339, UTC.
    pub fn time(&self, ns: i64) -> String {
        self.layout.format(&Time::from_unix_ns(ns))
    }

    fn change(&self, change: &Change) -> (&'static str, String) {
        match change {
            Change::Timestamp(old, new) => {
                (YELLOW, format!("~ time: {} -> {}", self.time(*old), self.time(*new)))
            }
            Change::Line(old, new) => {
                (YELLOW, format!("~ line: {} -> {}", quoted(old), quoted(new)))
            }
            Change::Label(name, old, new) if name == TENANT_LABEL => {
                difference("tenant", old.as_deref().map(text), new.as_deref().map(text))
            }
            Change::Label(name, old, new) => {
                let what = format!("label {}", escaped(name));
                difference(&what, old.as_deref().map(text), new.as_deref().map(text))
            }
            Change::Metadata(name, old, new) => {
                let what = format!("metadata {}", escaped(name));
                difference(&what, old.as_deref().map(text), new.as_deref().map(text))
            }
            Change::Extracted(name, old, new) => {
                let what = format!("extracted {}", escaped(name));
                difference(&what, old.as_ref().map(value), new.as_ref().map(value))
            }
        }
    }
}

fn difference(what: &str, old: Option<String>, new: Option<String>) -> (&'static str, String) {
    match (old, new) {
        (None, Some(new)) => (GREEN, format!("+ {what} = {new}")),
        (Some(old), None) => (RED, format!("- {what} (was {old})")),
        (old, new) => {
            let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
            (YELLOW, format!("~ {what}: {old} -> {new}"))
        }
    }
}

/// Under which reason the drop is counted in `logentry_dropped_lines_total`.
pub fn counted_reason(stage: &StageInfo) -> Option<&str> {
    let default = match stage.name.as_str() {
        "drop" => drop::DEFAULT_REASON,
        "limit" => return Some(limit::REASON),
        "match" => match_stage::DEFAULT_REASON,
        "sampling" => sampling::DEFAULT_REASON,
        _ => return None,
    };
    Some(stage.drop_reason.as_deref().unwrap_or(default))
}

fn drop_reason(stage: &StageInfo) -> String {
    counted_reason(stage)
        .map_or_else(String::new, |reason| format!(", counted as {}", escaped(reason)))
}

fn text(text: &str) -> String {
    format!("{text:?}")
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(bytes) => quoted(bytes),
        Value::Null => "null".to_owned(),
        other => {
            let bytes = other.as_ref().to_bytes().unwrap_or_default().into_owned();
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }
}

fn quoted(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}

fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let (plain, escape) = if c.is_control() { (None, Some(c)) } else { (Some(c), None) };
            plain.into_iter().chain(escape.into_iter().flat_map(char::escape_default))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn step(name: &str, outcome: Outcome, changes: Vec<Change>) -> Step {
        let stage = Arc::new(StageInfo {
            job: "j".to_owned(),
            name: name.to_owned(),
            options: "{a: \u{1b}[2J}".to_owned(),
            line: 3,
            column: 5,
            drop_reason: None,
        });
        Step { stage, outcome, changes, released: Vec::new(), pauses: false, nested: Vec::new() }
    }

    fn text(step: &Step, colours: bool) -> String {
        let mut out = String::new();
        StepText::new(colours).step(step, 0, &mut out);
        out
    }

    #[test]
    fn every_kind_of_change_has_its_line() {
        let some = |text: &str| Some(text.to_owned());
        let changes = vec![
            Change::Timestamp(0, 1_500_000_000),
            Change::Line(b"a".to_vec(), b"b\xff".to_vec()),
            Change::Label("l".to_owned(), None, some("x")),
            Change::Label(TENANT_LABEL.to_owned(), some("s"), some("t")),
            Change::Metadata("m".to_owned(), some("x"), None),
            Change::Extracted("e".to_owned(), Some(Value::Null), Some(Value::Number(1.5))),
        ];
        let expected = [
            "3:5 template {a: \\u{1b}[2J}",
            "  ~ time: 1970-01-01T00:00:00Z -> 1970-01-01T00:00:01.5Z",
            "  ~ line: \"a\" -> \"b\u{fffd}\"",
            "  + label l = \"x\"",
            "  ~ tenant: \"s\" -> \"t\"",
            "  - metadata m (was \"x\")",
            "  ~ extracted e: null -> 1.5",
        ];
        let text = text(&step("template", Outcome::Passed, changes), false);
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_a_line_holds_cannot_drive_the_terminal() {
        let escape = "\u{1b}]0;title\u{7}";
        let value = Some(Value::Text(escape.into()));
        let changes = vec![
            Change::Line(Vec::new(), escape.into()),
            Change::Label(escape.to_owned(), None, Some(escape.to_owned())),
            Change::Extracted(escape.to_owned(), None, value),
        ];
        let text = text(&step("json", Outcome::Passed, changes), false);
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }

    #[test]
    fn a_drop_names_the_counted_reason_and_is_red_only_with_colours() {
        let step = step("limit", Outcome::Dropped, Vec::new());
        let line = "x dropped by limit on line 3, counted as ratelimit_drop_stage";
        assert!(text(&step, false).ends_with(&format!("  {line}\n")), "{}", text(&step, false));
        assert!(text(&step, true).ends_with(&format!("  \x1b[31m{line}\x1b[0m\n")));
    }
}
