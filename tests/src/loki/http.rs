//! The routes, and the loop that serves them.
//!
//! axum answers every request; to close a connection without an answer, a handler marks its response
//! with [`Close`] and the loop ends the connection instead of sending it.

mod metrics;
mod push;
mod read;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Shared, faults};

/// Wait after a failed `accept`: descriptors come back with time only.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What Grafana looks for when a data source is saved.
const BUILD_INFO: &str =
    r#"{"version":"3.0.0","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":""}"#;

/// Marks a response in whose place the connection is closed.
#[derive(Debug, Clone, Copy)]
struct Close;

/// Ends a connection; nobody sees it.
#[derive(Debug, thiserror::Error)]
#[error("connection closed as ordered")]
struct Closed;

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/loki/api/v1/push", post(push::push))
        .route("/loki/api/v1/query", get(read::query))
        .route("/loki/api/v1/query_range", get(read::query_range))
        .route("/loki/api/v1/labels", get(read::labels))
        .route("/loki/api/v1/label/{name}/values", get(read::label_values))
        .route("/loki/api/v1/series", get(read::series))
        .route("/loki/api/v1/status/buildinfo", get(|| async { json_text(BUILD_INFO.to_owned()) }))
        .route("/ready", get(|| async { "ready\n" }))
        .route("/metrics", get(metrics::metrics))
        .route("/test/faults", post(order_faults))
        .with_state(shared)
}

/// Serves connections until it is told to stop; then all of them are closed at once.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = TowerToHyperService::new(router(shared));
    // dropping the set ends the connections
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let service = service.clone();
                    connections.spawn(converse(stream, service));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            },
        }
    }
}

async fn converse(stream: tokio::net::TcpStream, service: TowerToHyperService<Router>) {
    // answers are written at once, waiting for more to send only adds to their time
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = service.call(request.map(Body::new));
        async move {
            let answer = answer.await.unwrap_or_else(|never| match never {});
            if answer.extensions().get::<Close>().is_some() { Err(Closed) } else { Ok(answer) }
        }
    });
    // an error is the peer's end of the connection, or ours as ordered
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn order_faults(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    match faults::parse(&body) {
        Ok(order) => {
            shared.change(|state| {
                if let Some(standing) = order.standing {
                    state.fault = standing;
                }
                if let Some(script) = order.script {
                    state.script = script.into();
                }
            });
            StatusCode::NO_CONTENT.into_response()
        }
        Err(why) => bad_request(&why),
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn tenant(headers: &HeaderMap) -> Option<&str> {
    header_text(headers, "x-scope-orgid").filter(|tenant| !tenant.is_empty())
}

fn bad_request(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
}

fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn success(data: &Value) -> Response {
    json_text(json!({"status": "success", "data": data}).to_string())
}
