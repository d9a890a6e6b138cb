//! Counters, where Loki has one under its name.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use prometheus_model::exposition::{Format, MetricType, Writer};

use super::header_text;
use crate::loki::Shared;
use crate::loki::store;

pub(super) async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let format = Format::negotiate(header_text(&headers, "accept"));
    let mut writer = Writer::new(format);
    write(&shared.state(), &mut writer);
    ([(header::CONTENT_TYPE, format.content_type())], writer.finish()).into_response()
}

fn write(state: &store::State, writer: &mut Writer) {
    let mut family = |name, kind, help, samples: &[(&[(&str, &str)], u64)]| {
        writer.family(name, kind, help);
        for (labels, value) in samples {
            writer.sample(labels, *value);
        }
    };
    for (tenant, (lines, bytes)) in &state.received {
        let labels: &[(&str, &str)] = &[("tenant", tenant)];
        let name = "loki_distributor_lines_received_total";
        family(name, MetricType::Counter, "Lines accepted", &[(labels, *lines)]);
        let name = "loki_distributor_bytes_received_total";
        family(name, MetricType::Counter, "Bytes of lines accepted", &[(labels, *bytes)]);
    }
    for ((tenant, reason), entries) in &state.refused {
        let name = "loki_discarded_samples_total";
        let labels: &[(&str, &str)] = &[("reason", reason), ("tenant", tenant)];
        family(name, MetricType::Counter, "Entries refused, by reason", &[(labels, *entries)]);
    }
    let help = "Push requests, refused ones included";
    family("loki_receiver_requests_total", MetricType::Counter, help, &[(&[], state.requests)]);
    let kept = state.entries.len() as u64;
    family("loki_receiver_entries", MetricType::Gauge, "Entries that are kept", &[(&[], kept)]);
    let streams = state.streams().len() as u64;
    family(
        "loki_receiver_streams",
        MetricType::Gauge,
        "Streams since the start",
        &[(&[], streams)],
    );
    let duplicates = state.sequences().map(|sequence| sequence.duplicates).sum();
    let name = "loki_receiver_duplicate_lines_total";
    family(name, MetricType::Counter, "Numbered lines (seq=N) seen before", &[(&[], duplicates)]);
    let numbered = state.sequences().map(|sequence| sequence.count() as u64).sum();
    let name = "loki_receiver_numbered_lines";
    family(name, MetricType::Gauge, "Different numbered lines (seq=N) seen", &[(&[], numbered)]);
}
