//! The page and the read-only endpoints.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use daemon_runtime::durations::PrometheusDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::noise::Report;
use super::page;
use super::timeline::{Timelines, state};
use crate::access::View;
use crate::incident::{Incident, IncidentId, Phase};
use crate::time::Moment;

/// What the page reports on, and the endpoint unless it is told otherwise.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// Incidents of one answer.
const MAX_INCIDENTS: usize = 1_000;

/// Nothing is loaded from anywhere, nothing runs, and no other page may show this one.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// `GET /`, `/v1/incidents`, `/v1/incidents/{id}`, `/v1/dead-letters`, `/v1/report`.
pub fn router<V: View>(view: Arc<V>) -> Router {
    Router::new()
        .route("/", get(show_page::<V>))
        .route("/v1/incidents", get(incidents::<V>))
        .route("/v1/incidents/{id}", get(incident::<V>))
        .route("/v1/dead-letters", get(dead_letters::<V>))
        .route("/v1/report", get(report::<V>))
        .with_state(view)
}

/// Reads on a thread that may wait for the disk.
async fn read<V: View, T: Send + 'static>(
    view: Arc<V>,
    read: impl FnOnce(&V) -> T + Send + 'static,
) -> Result<T, StatusCode> {
    let read = tokio::task::spawn_blocking(move || read(&view)).await;
    read.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

fn answer(media_type: &'static str, body: String) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    ];
    (headers, body).into_response()
}

fn as_json(value: &impl Serialize) -> Result<Response, StatusCode> {
    let body = serde_json::to_string(value).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(answer("application/json", body))
}

/// The worst first, and of those the newest.
fn open(view: &impl View) -> Vec<Incident> {
    let mut incidents = view.incidents();
    incidents.retain(|incident| !matches!(incident.phase, Phase::Resolved { .. }));
    incidents.sort_by(|one, other| {
        other.severity.cmp(&one.severity).then(other.starts_at.cmp(&one.starts_at))
    });
    incidents
}

async fn show_page<V: View>(State(view): State<Arc<V>>) -> Result<Response, StatusCode> {
    let html = read(view, |view| {
        let now = Moment::now();
        let mut incidents = open(view);
        // those that another one tells are in its timeline
        incidents.retain(|incident| incident.phase != Phase::Folded);
        let more = incidents.len().saturating_sub(page::SHOWN);
        incidents.truncate(page::SHOWN);
        let timelines = Timelines::of(view, &incidents);
        let report = Report::of(view, now.before(WEEK), now);
        page::html(&incidents, more, &timelines, &report, now)
    });
    Ok(answer("text/html; charset=utf-8", html.await?))
}

/// Without what only the relay needs.
fn shown(incident: &Incident) -> Value {
    json!({
        "id": incident.id.to_string(),
        "name": incident.name,
        "class": incident.class,
        "entity": incident.entity,
        "severity": incident.severity,
        "state": state(incident),
        "starts_at": incident.starts_at.to_string(),
        "opened_at": incident.opened_at.to_string(),
        "firing": incident.firing.len(),
        "total": incident.total,
        "folded": incident.folded,
        "parent": incident.parent.as_ref().map(ToString::to_string),
        "flapping": incident.is_flapping,
        "silenced_by": incident.silenced_by,
        "acknowledged_by": incident.acknowledged.as_ref().map(|(who, _)| who),
        "feedback": incident.feedback,
        "paged": incident.is_paged,
        "summary": incident.summary,
        "labels": incident.common_labels,
    })
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    state: Option<String>,
}

/// `?state=all` has those that have ended too.
async fn incidents<V: View>(
    State(view): State<Arc<V>>,
    Query(which): Query<Which>,
) -> Result<Response, StatusCode> {
    let wants_all = match which.state.as_deref() {
        None | Some("open") => false,
        Some("all") => true,
        Some(_) => return Err(StatusCode::BAD_REQUEST),
    };
    let found = read(view, move |view| {
        let mut incidents = if wants_all { view.incidents() } else { open(view) };
        if wants_all {
            incidents.sort_by_key(|incident| std::cmp::Reverse(incident.opened_at));
        }
        let total = incidents.len();
        incidents.truncate(MAX_INCIDENTS);
        let incidents: Vec<Value> = incidents.iter().map(shown).collect();
        json!({"total": total, "incidents": incidents})
    });
    as_json(&found.await?)
}

async fn incident<V: View>(
    State(view): State<Arc<V>>,
    Path(id): Path<String>,
) -> Result<Response, StatusCode> {
    let id = IncidentId::parse(&id).ok_or(StatusCode::NOT_FOUND)?;
    let found = read(view, move |view| {
        let incident = view.incident(&id)?;
        let timelines = Timelines::of(view, std::slice::from_ref(&incident));
        let (lines, left_out) = timelines.lines(&id);
        let mut value = shown(&incident);
        value["timeline"] = json!(lines);
        value["timeline_left_out"] = json!(left_out);
        Some(value)
    });
    as_json(&found.await?.ok_or(StatusCode::NOT_FOUND)?)
}

async fn dead_letters<V: View>(State(view): State<Arc<V>>) -> Result<Response, StatusCode> {
    as_json(&read(view, View::dead_letters).await?)
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: Option<String>,
}

/// `?since=24h`
async fn report<V: View>(
    State(view): State<Arc<V>>,
    Query(since): Query<Since>,
) -> Result<Response, StatusCode> {
    let length = match since.since.as_deref().map(str::parse::<PrometheusDuration>) {
        None => WEEK,
        Some(Ok(length)) => length.as_duration(),
        Some(Err(_)) => return Err(StatusCode::BAD_REQUEST),
    };
    let found = read(view, move |view| {
        let now = Moment::now();
        Report::of(view, now.before(length), now)
    });
    as_json(&found.await?)
}
