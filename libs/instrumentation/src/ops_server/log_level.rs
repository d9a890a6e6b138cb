//! `/-/log-level`: reads and sets what is logged.
//!
//! A peer that cannot be told to be on this machine is not: without a known
//! address the level can be read, never set.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::routing::get;

use crate::json_log::{Level, LogControl};

/// Bytes of a level; more than a few dozen modules need.
const BODY_BYTES: usize = 4 * 1024;

/// Time for the body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct LogLevel {
    log: LogControl,
    allow_remote: bool,
}

/// An answer that is no success.
type Refusal = (StatusCode, String);

pub(super) fn routes(log: LogControl, allow_remote: bool) -> Router {
    Router::new()
        .route("/-/log-level", get(read).put(set))
        .with_state(LogLevel { log, allow_remote })
}

async fn read(State(LogLevel { log, .. }): State<LogLevel>) -> String {
    format!("{}\n", log.level())
}

async fn set(
    State(LogLevel { log, allow_remote }): State<LogLevel>,
    request: Request,
) -> Result<String, Refusal> {
    let peer = request.extensions().get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| *peer);
    let is_local = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if !is_local && !allow_remote {
        let refusal = "the log level can be set from this machine only\n";
        return Err((StatusCode::FORBIDDEN, refusal.to_owned()));
    }
    let level = body(request.into_body()).await?;
    let level: Level =
        level.trim().parse().map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    log.set_level(level.clone());
    tracing::info!(%level, peer = peer.map(tracing::field::display), "log level changed");
    Ok(format!("{level}\n"))
}

async fn body(body: Body) -> Result<String, Refusal> {
    let bytes = tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES))
        .await
        .map_err(|_| (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n".to_owned()))?
        .map_err(|_| {
            let refusal = format!("the body is cut off or over {BODY_BYTES} bytes\n");
            (StatusCode::PAYLOAD_TOO_LARGE, refusal)
        })?;
    String::from_utf8(bytes.into())
        .map_err(|_| (StatusCode::BAD_REQUEST, "the body is not UTF-8\n".to_owned()))
}
