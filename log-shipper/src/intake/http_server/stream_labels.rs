//! The labels of what drains send: what is known of a message goes through the rules, and its
//! result is stronger than the configured labels.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use instrumentation::rate_limit::Repeated;
use prometheus_model::label_set::LabelSet;

use crate::config::label_map::LabelMap;
use crate::intake::inlet::{Inlet, TENANT_LABEL};

static UNLABELLED: Repeated = Repeated::every(Duration::from_secs(10));

/// The tenant that a request is for.
pub fn tenant(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("x-scope-orgid")?.to_str().ok()?;
    (!value.is_empty()).then_some(value)
}

/// Labels of one message; `None` when the rules drop it, or leave no label: Loki takes nothing
/// without one.
pub fn of_message(
    inlet: &Inlet,
    configured: &LabelMap,
    mut known: LabelSet,
    tenant: Option<&str>,
) -> Option<Arc<LabelSet>> {
    if let Some(tenant) = tenant {
        known.set(TENANT_LABEL, tenant);
    }
    let relabelled = inlet.relabel(known)?;
    let mut labels: LabelSet = visible(configured).collect();
    for (name, value) in relabelled.iter() {
        labels.set(name, value);
    }
    if labels.is_empty() {
        warn_of_no_label(inlet);
        return None;
    }
    if let Some(tenant) = tenant {
        labels.set(TENANT_LABEL, tenant);
    }
    Some(Arc::new(labels))
}

/// Configured labels that are sent.
pub fn visible(configured: &LabelMap) -> impl Iterator<Item = (&str, &str)> {
    configured.iter().filter(|(name, value)| !name.starts_with("__") && !value.is_empty())
}

/// Says that something is left out for want of labels, not each time.
pub fn warn_of_no_label(inlet: &Inlet) {
    if let Some(suppressed) = UNLABELLED.admit(Instant::now()) {
        let job = inlet.job_name();
        tracing::warn!(job, suppressed, "message without a label is left out");
    }
}

/// A name with `_` for what no label name may have.
pub fn label_name(prefix: &str, name: &str) -> String {
    let part = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    prefix.chars().chain(name.chars().map(part)).collect()
}
