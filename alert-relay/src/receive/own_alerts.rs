//! What the relay itself has to say of what comes in: alerts like others, so that they are told once
//! and end when the trouble does.

use std::time::Duration;

use prometheus_model::label_set::LabelSet;

use crate::alert::{Alert, Fingerprint, Identity};
use crate::incident::{Input, Source, Told};
use crate::time::Moment;

/// It ends unless it is seen again in this time: senders repeat themselves sooner.
const FIRES_FOR: Duration = Duration::from_mins(30);

/// A body that could not be read was kept.
pub(super) fn unreadable(source: &str, problem: &str, at: Moment) -> Input {
    let summary = format!("Webhooks from {source} cannot be read: {problem}");
    let hint = "No alert of this sender arrives. The bodies are in `alert-relay journal dump`.";
    internal("AlertRelayUnreadableWebhook", source, &summary, hint, at)
}

/// Alertmanager left alerts out.
pub(super) fn truncated(receiver: &str, left_out: u64, at: Moment) -> Input {
    let summary = format!("Alertmanager left {left_out} alerts out for the receiver {receiver}");
    let hint = "Set max_alerts to 0 in this receiver's webhook_configs.";
    internal("AlertRelayTruncatedWebhook", receiver, &summary, hint, at)
}

/// A body did not fit.
pub(super) fn too_large(source: &str, limit: usize, at: Moment) -> Input {
    let summary =
        format!("A webhook from {source} has more than {limit} bytes, its end was dropped");
    let hint = "Group by ['...'] in Alertmanager, or raise receive.max_body_bytes.";
    internal("AlertRelayBodyTooLarge", source, &summary, hint, at)
}

fn internal(name: &str, source: &str, summary: &str, description: &str, at: Moment) -> Input {
    let labels = [("alertname", name), ("severity", "warning"), ("source", source)];
    let labels: LabelSet = labels.into_iter().collect();
    let annotations = [("summary", summary), ("description", description)];
    let alert = Alert {
        identity: Identity::of(&labels, &[]),
        fingerprint: Fingerprint::of(&labels),
        labels,
        annotations: annotations.into_iter().collect(),
        starts_at: at,
        ends_at: None,
        generator_url: String::new(),
    };
    let told = vec![Told { alert, fires_until: Some(at.after(FIRES_FOR)) }];
    Input::Alerts { source: Source::Internal, told, rejected: Vec::new() }
}
