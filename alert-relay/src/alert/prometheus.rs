//! The list of alerts that Prometheus posts to an Alertmanager (`POST /api/v2/alerts`).
//!
//! An alert has no status there: it fires until the time of its end has come. Prometheus moves that
//! time on with every repetition, so that silence ends an alert too.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::webhook::build;
use super::{Alert, Rejected, limits};
use crate::time::Moment;

/// What came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParsedAlerts {
    /// Those that can be used, each with the time at which it ends unless it is told again; for one
    /// that has ended, `None`.
    pub alerts: Vec<(Alert, Option<Moment>)>,
    /// The others.
    pub rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAlert {
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
}

/// Reads a body. An alert without an end fires for `resolve_timeout` unless it is told again.
///
/// # Errors
/// The body is no JSON list.
pub fn parse_alerts(
    body: &[u8],
    ignored: &[String],
    resolve_timeout: Duration,
    now: Moment,
) -> Result<ParsedAlerts, serde_json::Error> {
    let text = String::from_utf8_lossy(body);
    let elements: Vec<&RawValue> = serde_json::from_str(&text)?;
    let mut parsed = ParsedAlerts::default();
    for (index, element) in elements.into_iter().enumerate() {
        match alert(element.get(), ignored, resolve_timeout, now) {
            Ok(alert) => parsed.alerts.push(alert),
            Err(problem) => {
                let body = limits::beginning(element.get());
                parsed.rejected.push(Rejected { index, problem, body });
            }
        }
    }
    Ok(parsed)
}

fn alert(
    raw: &str,
    ignored: &[String],
    resolve_timeout: Duration,
    now: Moment,
) -> Result<(Alert, Option<Moment>), String> {
    let raw: RawAlert = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let labels = limits::label_set(&raw.labels, "labels", true)?;
    if labels.is_empty() {
        return Err("no labels, at least one is needed".to_owned());
    }
    let time = |key: &str, text: Option<&String>| {
        let read = text.map(|text| Moment::parse(text).ok_or(()));
        // The year 1 is how Go writes that there is none.
        let read = read.transpose().map(|time| time.filter(|time| *time > Moment::EPOCH));
        read.map_err(|()| format!("{key} is no RFC 3339 time"))
    };
    let told_start = time("startsAt", raw.starts_at.as_ref())?;
    let told_end = time("endsAt", raw.ends_at.as_ref())?;
    let end = told_end.unwrap_or_else(|| now.after(resolve_timeout));
    let starts_at = told_start.unwrap_or_else(|| now.min(end));
    if end < starts_at {
        return Err("endsAt is before startsAt".to_owned());
    }
    let annotations = limits::label_set(&raw.annotations, "annotations", false)?;
    let ends_at = (end <= now).then_some(end);
    let alert = build(labels, annotations, starts_at, ends_at, raw.generator_url, ignored);
    Ok((alert, ends_at.is_none().then_some(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(5);

    fn parse(body: &str) -> ParsedAlerts {
        parse_alerts(body.as_bytes(), &[], TIMEOUT, Moment::from_millis(1_000_000)).unwrap()
    }

    #[test]
    fn an_alert_fires_until_its_end_has_come() {
        let parsed = parse(
            r#"[{"labels":{"alertname":"A"},"endsAt":"1970-01-01T00:16:41Z"},
                {"labels":{"alertname":"A"},"endsAt":"1970-01-01T00:16:40Z"},
                {"labels":{"alertname":"A"},"endsAt":"0001-01-01T00:00:00Z"}]"#,
        );
        let ends: Vec<_> =
            parsed.alerts.iter().map(|(alert, until)| (alert.ends_at, *until)).collect();
        let at = |millis| Some(Moment::from_millis(millis));
        assert_eq!(ends, [(None, at(1_001_000)), (at(1_000_000), None), (None, at(1_300_000))]);
    }

    #[test]
    fn what_is_wrong_with_one_alert_hides_no_other() {
        let parsed = parse(
            r#"[{"labels":{}}, {"labels":{"a":"b"},"startsAt":"soon"}, 7, {"labels":{"a":"b"}},
                {"labels":{"a":"b"},"startsAt":"1970-01-02T00:00:00Z","endsAt":"1970-01-01T00:00:01Z"}]"#,
        );
        assert_eq!(parsed.alerts.len(), 1);
        let problems: Vec<_> =
            parsed.rejected.iter().map(|one| (one.index, one.problem.as_str())).collect();
        assert_eq!(problems[0], (0, "no labels, at least one is needed"));
        assert_eq!(problems[1], (1, "startsAt is no RFC 3339 time"));
        assert_eq!(problems[2].0, 2);
        assert_eq!(problems[3], (4, "endsAt is before startsAt"));
        assert!(parse_alerts(b"{}", &[], TIMEOUT, Moment::EPOCH).is_err());
    }
}
