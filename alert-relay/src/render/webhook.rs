//! The body for any HTTP server that takes JSON, version 1.
//!
//! ```json
//! {"version": 1, "kind": "open", "delivery": "17", "sent_at": "2026-11-24T22:27:08.000Z",
//!  "text": "what changed, or the text of an internal message",
//!  "incidents": [{"id": "ar1-….1", "state": "firing", "severity": "critical", "name": "GpuDown",
//!    "title": "…", "summary": "…", "description": "…", "entity": "gpu=3,node=gpu-7",
//!    "starts_at": "…", "ends_at": null, "firing": 1, "total": 1, "folded": {"storm": 30},
//!    "parent": null, "is_flapping": false, "acknowledged_by": null,
//!    "labels": {"cluster": "eu-1"}, "links": [{"name": "Runbook", "url": "https://…"}]}]}
//! ```
//!
//! `kind` is one of open, escalate, update, acknowledge, remind, resolve, digest, internal. The header
//! `Idempotency-Key` has the delivery: the same message sent again has the same one. Values are as
//! they came, cut where they are long: a program reads them.

use serde_json::{Map, Value, json};

use super::Occasion;
use super::facts::{links, title};
use super::text::cut;
use crate::incident::{DeliveryId, Incident, Phase};

/// Incidents of a digest.
const MAX_LISTED: usize = 100;

/// Characters of a text.
const MAX_VALUE: usize = 4_000;

/// The body.
pub fn body(delivery: DeliveryId, incidents: &[Incident], occasion: &Occasion<'_>) -> Value {
    let listed: Vec<Value> = incidents
        .iter()
        .take(MAX_LISTED)
        .map(|incident| one(incident, occasion.external_url))
        .collect();
    json!({
        "version": 1,
        "kind": occasion.kind.as_str(),
        "delivery": delivery.0.to_string(),
        "sent_at": occasion.now.to_string(),
        "text": cut(occasion.text, MAX_VALUE),
        "incidents": listed,
    })
}

fn one(incident: &Incident, external_url: Option<&str>) -> Value {
    let (state, ends_at) = match incident.phase {
        Phase::Resolved { at } => ("resolved", Some(at.to_string())),
        _ => ("firing", None),
    };
    let labels: Map<String, Value> = incident
        .common_labels
        .iter()
        .map(|(name, value)| (cut(name, 500), cut(value, MAX_VALUE).into()))
        .collect();
    let folded: Map<String, Value> = incident
        .folded
        .iter()
        .map(|(reason, count)| (reason.as_str().to_owned(), (*count).into()))
        .collect();
    let links: Vec<Value> = links(incident, external_url)
        .iter()
        .map(|(name, url)| json!({"name": name, "url": url}))
        .collect();
    json!({
        "id": incident.id.to_string(),
        "state": state,
        "severity": incident.severity.as_str(),
        "name": cut(&incident.name, MAX_VALUE),
        "title": title(incident, 1_000),
        "summary": cut(&incident.summary, MAX_VALUE),
        "description": cut(&incident.description, MAX_VALUE),
        "entity": cut(&incident.entity, MAX_VALUE),
        "starts_at": incident.starts_at.to_string(),
        "ends_at": ends_at,
        "firing": incident.firing.len(),
        "total": incident.total,
        "folded": folded,
        "parent": incident.parent.as_ref().map(ToString::to_string),
        "is_flapping": incident.is_flapping,
        "acknowledged_by": incident.acknowledged.as_ref().map(|(who, _)| cut(who, 200)),
        "labels": labels,
        "links": links,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Kind;
    use crate::route::examples::{hostile, incident};
    use crate::time::Moment;

    #[test]
    fn a_body_has_what_its_documentation_says() {
        let now = Moment::from_millis(1_790_000_040_000);
        let occasion = Occasion {
            kind: Kind::Open,
            text: "",
            now,
            external_url: None,
            is_repeat: false,
            has_buttons: false,
        };
        let body = body(DeliveryId(17), &[incident(), hostile()], &occasion);
        assert_eq!((&body["kind"], &body["delivery"]), (&json!("open"), &json!("17")));
        let first = &body["incidents"][0];
        assert_eq!(first["state"], "firing");
        assert_eq!(first["ends_at"], Value::Null);
        assert_eq!(first["links"][0]["url"], "https://runbooks.example.com/gpu");
        assert_eq!(first["labels"]["gpu"], "3");
        let links = body["incidents"][1]["links"].to_string();
        assert!(!links.contains("javascript"), "{links}");
    }
}
