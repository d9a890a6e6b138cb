//! What a run has brought, in the form of `expected.json`.
//!
//! The forms are part of the recordings: a change here needs the same change in every
//! `expected.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use prometheus_model::label_set::LabelSet;
use regex::Regex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::base64;
use super::placeholders::Placeholders;
use super::sink::{SeenHeaders, SunkEntry};
use crate::loki::decode::parse_labels;

/// Lines longer than this, in bytes, are compared by length and digest.
const MAX_VERBATIM_LINE: usize = 4096;

/// A time this close to the run is the time of the run.
const NOW_MARGIN_NS: i128 = 5_000_000_000;

/// Turns what came into what is compared.
#[derive(Debug)]
pub(super) struct Observer<'a> {
    /// Folders and ports of the run.
    pub(super) placeholders: &'a Placeholders,
    /// When the run began.
    pub(super) began: Timestamp,
    /// Times are shown relative to the run's year.
    pub(super) yearless: bool,
    /// Label whose value is the host's name.
    pub(super) hostname_label: Option<&'a str>,
}

impl Observer<'_> {
    /// Streams by client, tenant and labels, entries in order of arrival.
    pub(super) fn streams(&self, entries: &[SunkEntry]) -> Value {
        let mut streams: Vec<Value> = Vec::new();
        let mut index = BTreeMap::new();
        for entry in entries {
            let labels: BTreeMap<_, _> = entry
                .labels
                .iter()
                .map(|(name, value)| (name.to_owned(), self.label_value(name, value)))
                .collect();
            let key = (entry.client.clone(), entry.tenant.clone(), labels);
            let at = *index.entry(key).or_insert_with_key(|(client, tenant, labels)| {
                let mut stream = Map::new();
                if !client.is_empty() {
                    stream.insert("client".to_owned(), json!(client));
                }
                stream.insert("labels".to_owned(), json!(labels));
                stream.insert("tenant".to_owned(), json!(tenant));
                stream.insert("entries".to_owned(), json!([]));
                streams.push(Value::Object(stream));
                streams.len() - 1
            });
            let list = streams[at]["entries"].as_array_mut().expect("it was created as a list");
            list.push(self.entry(entry));
        }
        Value::Array(streams)
    }

    fn label_value(&self, name: &str, value: &str) -> String {
        if self.hostname_label == Some(name) && host_name().is_some_and(|host| host == value) {
            return "${HOSTNAME}".to_owned();
        }
        self.placeholders.clean(value)
    }

    fn entry(&self, entry: &SunkEntry) -> Value {
        let mut shown = Map::new();
        shown.insert("ts_ns".to_owned(), json!(self.time(entry.timestamp_ns.into())));
        match std::str::from_utf8(&entry.line) {
            Err(_) => {
                shown.insert("line_base64".to_owned(), json!(base64::encode(&entry.line)));
            }
            Ok(line) if line.len() > MAX_VERBATIM_LINE => {
                let line = self.placeholders.clean(line);
                shown.insert("line_bytes".to_owned(), json!(entry.line.len()));
                shown.insert("line_sha256".to_owned(), json!(hex_digest(&entry.line)));
                let start: String = line.chars().take(64).collect();
                shown.insert("line_start".to_owned(), json!(start));
            }
            Ok(line) => {
                shown.insert("line".to_owned(), json!(self.placeholders.clean(line)));
            }
        }
        // Promtail sends a pair twice that it found in two places, in random order.
        let metadata: BTreeSet<_> = entry
            .metadata
            .iter()
            .map(|(name, value)| (name, self.placeholders.clean(value)))
            .collect();
        shown.insert("structured_metadata".to_owned(), json!(metadata));
        Value::Object(shown)
    }

    /// `now`, a time without its year, or nanoseconds since 1970.
    fn time(&self, timestamp_ns: i128) -> String {
        let began = self.began.as_nanosecond();
        let now = Timestamp::now().as_nanosecond();
        if (began - NOW_MARGIN_NS..=now + NOW_MARGIN_NS).contains(&timestamp_ns) {
            return "now".to_owned();
        }
        let time = Timestamp::from_nanosecond(timestamp_ns).ok().filter(|_| self.yearless);
        time.and_then(|time| {
            let time = time.to_zoned_datetime(TimeZone::UTC);
            let year = match time.year() - self.began.to_zoned_datetime(TimeZone::UTC).year() {
                0 => "{year}",
                1 => "{year+1}",
                -1 => "{year-1}",
                _ => return None,
            };
            let nanoseconds = timestamp_ns.rem_euclid(1_000_000_000);
            Some(format!("{year}{}.{nanoseconds:09}Z", time.strftime("-%m-%dT%H:%M:%S")))
        })
        .unwrap_or_else(|| timestamp_ns.to_string())
    }

    /// Headers per client, values sorted.
    pub(super) fn headers(&self, seen: &SeenHeaders) -> Value {
        let clean = |values: &BTreeSet<String>| {
            values.iter().map(|value| self.placeholders.clean(value)).collect::<Vec<_>>()
        };
        let per_client = seen.iter().map(|(client, headers)| {
            let headers = headers.iter().map(|(name, values)| (name.clone(), json!(clean(values))));
            (client.clone(), Value::Object(headers.collect()))
        });
        Value::Object(per_client.collect())
    }

    /// Saved positions as text; null if there is no readable file.
    pub(super) fn positions(&self) -> Value {
        let Some(saved) = read_positions(&self.placeholders.positions) else { return Value::Null };
        let clean = |(path, offset): (String, String)| {
            (self.placeholders.clean(&path), Value::String(offset))
        };
        Value::Object(saved.into_iter().map(clean).collect())
    }

    /// Families and samples of the metrics whose names one of the patterns matches.
    pub(super) fn metrics(&self, exposition: &str, wanted: &[Regex]) -> Value {
        let is_wanted = |name: &str| {
            wanted.iter().any(|pattern| pattern.find(name).is_some_and(|found| found.start() == 0))
        };
        let mut families = Map::new();
        let mut samples = Vec::new();
        for line in exposition.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let what = words.next().unwrap_or_default();
                let name = words.next().unwrap_or_default();
                // Help counts only where the configuration wrote it.
                let is_shown = what == "TYPE" || (what == "HELP" && !is_built_in(name));
                if is_shown && is_wanted(name) {
                    let text = self.placeholders.clean(words.next().unwrap_or_default());
                    families.entry(name).or_insert_with(|| json!({}))[what.to_lowercase()] =
                        json!(text);
                }
                continue;
            }
            if let Some((name, labels, number)) = split_sample(line)
                && is_wanted(name)
            {
                let labels: BTreeMap<_, _> = labels
                    .iter()
                    .map(|(name, value)| (name, self.placeholders.clean(value)))
                    .collect();
                samples.push(json!([name, labels, number]));
            }
        }
        json!({"families": families, "samples": samples})
    }

    /// Entries that a dry run has printed: time, labels, line, with or without tabs between.
    pub(super) fn printed(&self, stdout: &str) -> Vec<Value> {
        let entry = Regex::new(r"^(\d{4}-\d\d-\d\dT[0-9:.]+[+-]\d{4})\t*(\{.*?\})\t*(.*)$")
            .expect("the pattern is constant");
        let colour = Regex::new("\x1b\\[[0-9;]*m").expect("the pattern is constant");
        let plain = colour.replace_all(stdout, "");
        let printed = plain.split('\n').filter_map(|line| {
            let found = entry.captures(line)?;
            let time = Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", &found[1]).ok()?;
            Some(json!({
                "ts_ns": self.time(time.as_nanosecond()),
                "labels": self.placeholders.clean(&found[2]),
                "line": self.placeholders.clean(&found[3]),
            }))
        });
        printed.collect()
    }
}

fn is_built_in(name: &str) -> bool {
    name.starts_with("logentry_")
        || (name.starts_with("promtail_") && !name.starts_with("promtail_custom_"))
}

/// Name, labels and value of a sample; `None` for other lines.
fn split_sample(line: &str) -> Option<(&str, LabelSet, &str)> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let labels_end = if rest.starts_with('{') { rest.rfind('}')? + 1 } else { 0 };
    let (labels, value) = rest.split_at(labels_end);
    let labels = if labels.is_empty() { "{}" } else { labels };
    let labels = parse_labels(labels.as_bytes()).ok()?;
    Some((name, labels, value.trim_start().split(' ').next()?))
}

/// The positions of a file in the form that Promtail writes: one `PATH: "OFFSET"` a line.
pub(super) fn read_positions(path: &Path) -> Option<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    match lines.next()? {
        "positions: {}" => return Some(BTreeMap::new()),
        "positions:" => {}
        _ => return None,
    }
    let unquote = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    lines
        .map(|line| {
            let (path, offset) = line.strip_prefix("  ")?.rsplit_once(':')?;
            Some((unquote(path), unquote(offset)))
        })
        .collect()
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned())
}

fn hex_digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
        text
    })
}

#[cfg(test)]
mod tests;
