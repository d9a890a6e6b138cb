//! What is made of an entry: its labels before relabelling, and its line.
//!
//! Where a field has several values the last one counts, as in Promtail.

use std::borrow::Cow;
use std::collections::BTreeMap;

use prometheus_model::label_set::LabelSet;

use super::journal_file::Entry;

/// Bytes of a field that become a label: what libsystemd hands out.
const LABEL_LIMIT: usize = 64 * 1024;

/// The labels of an entry. All of them are hidden: relabelling picks from them.
pub(super) fn labels(entry: &Entry) -> LabelSet {
    let mut labels = LabelSet::new();
    for field in &entry.fields {
        let Ok(name) = std::str::from_utf8(field.name()) else { continue };
        let value = field.value();
        let value = String::from_utf8_lossy(&value[..value.len().min(LABEL_LIMIT)]);
        labels.set(&format!("__journal_{}", name.to_lowercase()), &value);
        if name == "PRIORITY" {
            labels.set("__journal_priority_keyword", keyword(&value));
        }
    }
    labels
}

fn keyword(priority: &str) -> &str {
    match priority {
        "0" => "emerg",
        "1" => "alert",
        "2" => "crit",
        "3" => "error",
        "4" => "warning",
        "5" => "notice",
        "6" => "info",
        "7" => "debug",
        other => other,
    }
}

/// The message; `None` without one.
pub(super) fn message(entry: &Entry) -> Option<Vec<u8>> {
    let field = entry.fields.iter().rev().find(|field| field.name() == b"MESSAGE")?;
    Some(field.value().to_vec())
}

/// All fields as a JSON object, sorted by name, escaped as Go does it.
pub(super) fn json(entry: &Entry) -> Vec<u8> {
    let fields: BTreeMap<Cow<'_, str>, Cow<'_, str>> = entry
        .fields
        .iter()
        .map(|field| {
            (String::from_utf8_lossy(field.name()), String::from_utf8_lossy(field.value()))
        })
        .collect();
    let plain = serde_json::to_string(&fields).expect("strings are always valid JSON");
    let mut line = String::with_capacity(plain.len());
    for character in plain.chars() {
        // These stand inside strings only.
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                line.push_str(match character {
                    '<' => "\\u003c",
                    '>' => "\\u003e",
                    '&' => "\\u0026",
                    '\u{2028}' => "\\u2028",
                    _ => "\\u2029",
                });
            }
            other => line.push(other),
        }
    }
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::cursor::EntryKey;
    use super::super::journal_file::Field;
    use super::*;

    fn entry(fields: &[&[u8]]) -> Entry {
        let fields = fields.iter().map(|field| Field::new(field.to_vec()).unwrap()).collect();
        Entry { key: EntryKey::parse("s=1;i=1;t=1").unwrap(), fields, damage: Vec::new() }
    }

    #[test]
    fn fields_become_hidden_labels_and_the_priority_gets_a_name() {
        let entry =
            entry(&[b"_SYSTEMD_UNIT=a.service", b"PRIORITY=3", b"TAG=one", b"TAG=two", b"X=1"]);
        let labels = labels(&entry);
        let found: Vec<_> = labels.iter().collect();
        let expected = [
            ("__journal__systemd_unit", "a.service"),
            ("__journal_priority", "3"),
            ("__journal_priority_keyword", "error"),
            ("__journal_tag", "two"),
            ("__journal_x", "1"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_priority_has_its_name_and_another_text_stays() {
        let names: Vec<&str> = ["0", "1", "2", "3", "4", "5", "6", "7", "8"].map(keyword).to_vec();
        let expected =
            ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug", "8"];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_message_is_its_bytes_and_may_be_missing() {
        assert_eq!(message(&entry(&[b"MESSAGE=a=\xFF\nb"])).unwrap(), b"a=\xFF\nb");
        assert_eq!(message(&entry(&[b"MESSAGE="])).unwrap(), b"");
        assert_eq!(message(&entry(&[b"MESSAGE_ID=1"])), None);
    }

    #[test]
    fn json_is_sorted_and_escaped_as_in_go() {
        let line = json(&entry(&[b"MESSAGE=<b>&\"\xFF\n", b"A=1", b"A=2"]));
        let expected = r#"{"A":"2","MESSAGE":"\u003cb\u003e\u0026\"�\n"}"#;
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
}
