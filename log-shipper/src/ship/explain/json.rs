//! Explanations as JSON, one object per line of input, for scripts and tests of pipelines.

use serde_json::{Map, Value as Json, json};

use super::Explained;
use crate::batch::streams::TENANT_LABEL;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::Value;
use crate::pipeline::observe::{Change, Outcome, Step};
use crate::pipeline::stage::Verdict;
use crate::ship::step_text::counted_reason;

/// Bytes that are not UTF-8 are replaced.
pub(super) fn line(job: &str, explained: &Explained) -> Json {
    let outcome = match explained.verdict {
        Some(Verdict::Pass) => "sent",
        Some(Verdict::Drop) => "dropped",
        Some(Verdict::Hold) => "held",
        None => "end",
    };
    json!({
        "job": job,
        "line": explained.line.as_deref().map(String::from_utf8_lossy),
        "outcome": outcome,
        "steps": explained.steps.iter().map(step).collect::<Vec<_>>(),
        "sent": explained.sent.iter().map(entry).collect::<Vec<_>>(),
        "kept_at_stop": explained.keeps,
    })
}

fn step(step: &Step) -> Json {
    let outcome = match step.outcome {
        Outcome::Passed => "passed",
        Outcome::NotSelected => "not_selected",
        Outcome::Dropped => "dropped",
        Outcome::Held => "held",
        Outcome::Flushed => "flushed",
    };
    let is_drop = step.outcome == Outcome::Dropped && step.nested.is_empty();
    json!({
        "stage": step.stage.name,
        "options": step.stage.options,
        "at": {"line": step.stage.line, "column": step.stage.column},
        "outcome": outcome,
        "drop_reason": is_drop.then(|| counted_reason(&step.stage)).flatten(),
        "pauses": step.pauses,
        "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
        "released": step.released.iter().map(entry).collect::<Vec<_>>(),
        "nested": step.nested.iter().map(self::step).collect::<Vec<_>>(),
    })
}

fn change(change: &Change) -> Json {
    let named = |what: &str, name: &str, before: Json, after: Json| json!({"what": what, "name": name, "before": before, "after": after});
    match change {
        Change::Timestamp(before, after) => {
            // as text, as in Loki's API: readers of JSON round such numbers
            let (before, after) = (before.to_string(), after.to_string());
            json!({"what": "timestamp", "before": before, "after": after})
        }
        Change::Line(before, after) => json!({
            "what": "line",
            "before": String::from_utf8_lossy(before),
            "after": String::from_utf8_lossy(after),
        }),
        Change::Label(name, before, after) if name == TENANT_LABEL => {
            json!({"what": "tenant", "before": before, "after": after})
        }
        Change::Label(name, before, after) => named("label", name, json!(before), json!(after)),
        Change::Metadata(name, before, after) => {
            named("metadata", name, json!(before), json!(after))
        }
        Change::Extracted(name, before, after) => {
            named("extracted", name, optional(before.as_ref()), optional(after.as_ref()))
        }
    }
}

/// A value that is null is there, one that is absent is not: only the first is an object.
fn optional(value: Option<&Value>) -> Json {
    match value {
        None => Json::Null,
        Some(Value::Null) => json!({"value": null}),
        Some(Value::Text(bytes)) => json!({"value": String::from_utf8_lossy(bytes)}),
        Some(Value::Number(number)) => json!({"value": number}),
        Some(Value::Bool(flag)) => json!({"value": flag}),
    }
}

fn entry(entry: &Entry) -> Json {
    let labels: Map<String, Json> = entry
        .labels
        .to_label_set()
        .iter()
        .filter(|(name, _)| !name.starts_with("__"))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let metadata: Map<String, Json> =
        entry.metadata.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    json!({
        "timestamp_ns": entry.timestamp_ns.to_string(),
        "labels": labels,
        "metadata": metadata,
        "tenant": entry.labels.get(TENANT_LABEL),
        "line": String::from_utf8_lossy(&entry.line),
    })
}
