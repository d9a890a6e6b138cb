//! The routes.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query as Parameters, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::faults::Fault;
use super::query::{self, Query, Range};
use super::{Shared, decode};

/// Largest request, compressed.
const MAX_BODY: usize = 64 * 1024 * 1024;

const HOUR_NS: i64 = 3_600_000_000_000;

type Parameter = Parameters<Vec<(String, String)>>;

/// Serves connections until the runtime ends.
pub(super) async fn serve(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let router = Router::new()
        .route("/loki/api/v1/push", post(push))
        .route("/loki/api/v1/query_range", get(query_range))
        .route("/loki/api/v1/labels", get(labels))
        .route("/loki/api/v1/label/{name}/values", get(label_values))
        .route("/loki/api/v1/series", get(series))
        .route("/loki/api/v1/status/buildinfo", get(|| async { json!({"version": "3.0.0"}).to_string() }))
        .route("/ready", get(|| async { "ready\n" }))
        .route("/metrics", get(metrics))
        .route("/test/faults", post(faults))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared);
    // It ends only with an error of the listener.
    let _ = axum::serve(listener, router).await;
}

fn tenant(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-scope-orgid").and_then(|value| value.to_str().ok())
}

fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn push(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = {
        let mut state = shared.state();
        state.requests += 1;
        state.script.pop_front().unwrap_or_else(|| state.fault.clone())
    };
    shared.changed();
    match fault {
        Fault::None => {}
        Fault::Status(status, retry_after) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut answer = (status, "ordered answer\n").into_response();
            if let Some(seconds) = retry_after {
                answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            return answer;
        }
        // A panic of the handler closes the connection without an answer.
        Fault::Close => panic!("connection closed as ordered"),
        Fault::Silence => std::future::pending().await,
    }
    let content_type = header_text(&headers, &header::CONTENT_TYPE);
    let encoding = header_text(&headers, &header::CONTENT_ENCODING);
    match decode::decode(content_type, encoding, &body) {
        Ok(streams) => {
            shared.state().store(tenant(&headers), streams);
            shared.changed();
            StatusCode::NO_CONTENT.into_response()
        }
        Err(why) => {
            shared.state().undecodable.push(why.clone());
            shared.changed();
            (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
        }
    }
}

async fn query_range(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Parameters(parameters): Parameter,
) -> Response {
    let parameter = |name: &str| {
        parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let range = || -> Result<Range, String> {
        let time = |name, default| parameter(name).map_or(Ok(default), |text| parse_time(name, text));
        let end_ns = time("end", now_ns)?;
        Ok(Range {
            end_ns,
            start_ns: time("start", end_ns - HOUR_NS)?,
            limit: parameter("limit").map_or(Ok(100), |text| {
                text.parse().map_err(|_| format!("limit {text:?}: a whole number is wanted"))
            })?,
            forward: match parameter("direction") {
                Some("forward") => true,
                None | Some("backward") => false,
                Some(other) => return Err(format!("direction {other:?}: forward or backward")),
            },
        })
    };
    let query = parameter("query").ok_or_else(|| "query is missing".to_owned()).and_then(Query::parse);
    match (query, range()) {
        (Ok(query), Ok(range)) => {
            let tenant = tenant(&headers).unwrap_or("fake");
            answer(&query::run(&shared.state(), tenant, &query, &range))
        }
        (Err(why), _) | (_, Err(why)) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    }
}

/// Nanoseconds, seconds with a fraction, or RFC 3339.
fn parse_time(name: &str, text: &str) -> Result<i64, String> {
    let error = || format!("{name} {text:?}: nanoseconds, seconds or RFC 3339 are wanted");
    if let Ok(number) = text.parse::<i64>() {
        // Loki tells them apart by their length.
        return Ok(if text.len() <= 10 { number.saturating_mul(1_000_000_000) } else { number });
    }
    if let Ok(seconds) = text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "a time of a test")]
        return Ok((seconds * 1e9) as i64);
    }
    let layout = go_compat::time_layout::Layout::named("RFC3339Nano").ok_or_else(error)?;
    let time = layout.parse(text.as_bytes(), &go_compat::time_layout::Zone::utc()).map_err(|_| error())?;
    time.unix_ns().ok_or_else(error)
}

fn answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn success(mut values: Vec<Value>) -> Response {
    values.sort_by_key(ToString::to_string);
    values.dedup();
    answer(&json!({"status": "success", "data": values}))
}

async fn labels(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let state = shared.state();
    let streams = state.streams(tenant(&headers).unwrap_or("fake"));
    success(streams.flat_map(|labels| labels.keys()).map(|name| json!(name)).collect())
}

async fn label_values(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let state = shared.state();
    let streams = state.streams(tenant(&headers).unwrap_or("fake"));
    success(streams.filter_map(|labels| labels.get(&name)).map(|value| json!(value)).collect())
}

async fn series(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Parameters(parameters): Parameter,
) -> Response {
    let queries = parameters.iter().filter(|(name, _)| matches!(name.as_str(), "match" | "match[]"));
    let queries: Result<Vec<Query>, String> = queries.map(|(_, text)| Query::parse(text)).collect();
    let queries = match queries {
        Ok(queries) => queries,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let state = shared.state();
    let streams = state.streams(tenant(&headers).unwrap_or("fake"));
    let is_selected = |labels: &&decode::Labels| {
        queries.is_empty() || queries.iter().any(|query| query.selects(labels))
    };
    success(streams.filter(is_selected).map(|labels| json!(labels)).collect())
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    use prometheus_model::exposition::{Format, MetricType, Writer};
    let state = shared.state();
    let mut writer = Writer::new(Format::Text004);
    writer.family("loki_distributor_lines_received_total", MetricType::Counter, "Lines accepted");
    for (tenant, (lines, _)) in &state.received {
        writer.sample(&[("tenant", tenant)], *lines);
    }
    writer.family("loki_distributor_bytes_received_total", MetricType::Counter, "Bytes of lines accepted");
    for (tenant, (_, bytes)) in &state.received {
        writer.sample(&[("tenant", tenant)], *bytes);
    }
    writer.family("loki_receiver_requests_total", MetricType::Counter, "Push requests, refused ones included");
    writer.sample(&[], state.requests);
    writer.family("loki_receiver_duplicate_lines_total", MetricType::Counter, "Numbered lines (seq=N) seen before");
    writer.sample(&[], state.sequence.duplicates);
    writer.family("loki_receiver_numbered_lines", MetricType::Gauge, "Different numbered lines (seq=N) seen");
    writer.sample(&[], state.sequence.count() as u64);
    ([(header::CONTENT_TYPE, Format::Text004.content_type())], writer.finish()).into_response()
}

/// `{"status": 503}`, `{"status": 429, "retry_after": 2}`, `{"close": true}`, `{"silence": true}`, `{}`
async fn faults(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Ok(order) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "JSON is wanted\n").into_response();
    };
    let number = |name: &str| order[name].as_u64().and_then(|number| u32::try_from(number).ok());
    let status = number("status").and_then(|status| u16::try_from(status).ok());
    shared.state().fault = match status {
        Some(status) => Fault::Status(status, number("retry_after")),
        None if order["close"] == true => Fault::Close,
        None if order["silence"] == true => Fault::Silence,
        None => Fault::None,
    };
    StatusCode::NO_CONTENT.into_response()
}
