//! Incidents for tests: a plain one, the recorded one with every hostile character, and any.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::alert::{Alert, Identity, parse_notification};
use crate::config::inputs::Receive;
use crate::incident::{Incident, IncidentId, IncidentKey, Phase, Reason, Severity};
use crate::time::Moment;

/// A GPU that is gone.
pub(crate) fn incident() -> Incident {
    let labels = [
        ("alertname", "GpuDown"),
        ("cluster", "eu-1"),
        ("node", "gpu-7"),
        ("gpu", "3"),
        ("job", "gpus"),
    ];
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let starts_at = Moment::from_millis(1_790_000_000_000);
    Incident {
        id: IncidentId { key: IncidentKey::of(["example"]), number: 1 },
        class: vec!["GpuDown".to_owned()],
        entity: "gpu=3,node=gpu-7".to_owned(),
        name: "GpuDown".to_owned(),
        severity: Severity::Critical,
        phase: Phase::Open,
        starts_at,
        opened_at: starts_at,
        changed_at: starts_at,
        firing: [Identity::from_bytes([7; 16])].into(),
        total: 1,
        folded: BTreeMap::new(),
        parent: None,
        is_flapping: false,
        announced: 0,
        silenced_by: Vec::new(),
        acknowledged: None,
        feedback: None,
        always_page: false,
        is_paged: false,
        receipts: BTreeMap::new(),
        summary: "GPU 3 of gpu-7 is gone".to_owned(),
        description: "No answer for 30 s.".to_owned(),
        runbook_url: "https://runbooks.example.com/gpu".to_owned(),
        dashboard_url: "https://grafana.example.com/d/1?x=1&y=2".to_owned(),
        generator_url: "http://prometheus.example.com/graph?g0.expr=up".to_owned(),
        opening_labels: labels.clone(),
        common_labels: labels,
    }
}

/// As the engine makes it from the recording with special characters.
pub(crate) fn hostile() -> Incident {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/conformance/alertmanager/webhook/15-special-characters.json"
    );
    let body = std::fs::read(path).unwrap();
    let alerts =
        parse_notification(&body, false, &Receive::default().ignored_labels, Moment::EPOCH)
            .unwrap()
            .alerts;
    let alert: &Alert = &alerts[0];
    let labels: BTreeMap<String, String> =
        alert.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let annotation = |name: &str| alert.annotations.get(name).unwrap_or_default().to_owned();
    Incident {
        name: alert.name().to_owned(),
        summary: annotation("summary"),
        description: format!("{}\n{}", annotation("description"), annotation("long")),
        runbook_url: "javascript:alert(1)".to_owned(),
        generator_url: alert.generator_url.clone(),
        opening_labels: labels.clone(),
        common_labels: labels,
        total: 3,
        acknowledged: Some(("<!here> *x*\r\nBcc: evil@example.com".to_owned(), alert.starts_at)),
        ..incident()
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[<>&!@#|`*_~:a-z\\n\\r🔥\u{202e}\0]{0,60}",
        (1_usize..1_500).prop_map(|count| "<!channel> ".repeat(count)),
        (1_usize..8_000).prop_map(|count| "🔥".repeat(count)),
    ]
}

/// Anything that may be stored.
pub(crate) fn any_incident() -> impl Strategy<Value = Incident> {
    let labels = prop::collection::btree_map(any_text(), any_text(), 0..64);
    let texts = (any_text(), any_text(), any_text(), any_text());
    let urls = (any_text(), "https?://.{0,4000}", any_text());
    let numbers = (any::<u32>(), any::<u32>(), any::<bool>(), any::<bool>());
    (texts, urls, labels, numbers).prop_map(|(texts, urls, labels, numbers)| {
        let base = incident();
        Incident {
            name: texts.0,
            summary: texts.1,
            description: texts.2,
            acknowledged: numbers.3.then_some((texts.3, base.starts_at)),
            runbook_url: urls.0,
            dashboard_url: urls.1,
            generator_url: urls.2,
            opening_labels: labels.clone(),
            common_labels: labels,
            total: numbers.0,
            folded: [(Reason::Storm, numbers.1), (Reason::Dependency, u32::MAX)].into(),
            phase: if numbers.2 { Phase::Resolved { at: base.starts_at } } else { Phase::Open },
            ..base
        }
    })
}
