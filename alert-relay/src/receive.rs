//! What comes in over HTTP: webhooks of Alertmanager, alerts of Prometheus, heartbeats.
//!
//! | Situation | Answer |
//! | --- | --- |
//! | stored and synced | 200 `{}` |
//! | cannot be stored, overloaded, stopping | 503: it is sent again within a second |
//! | credentials are wrong or missing | 401 |
//! | no webhook of version 4, no list of alerts | 400, and the body is kept |
//! | one alert of several cannot be used | 200, and the alert is kept |
//! | larger than the limit | 200, with the alerts that fit |
//!
//! Never a redirect: Alertmanager follows one with a GET and takes the alert for delivered. Never
//! 429 or 413: it would be repeated unchanged, or not at all.

mod body;
mod credentials;
mod metrics;
mod own_alerts;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use instrumentation::ops_server::ServeLimits;

pub use self::credentials::{Credentials, CredentialsError};
pub use self::metrics::Metrics;

use self::body::{BodyError, Budget, Received};
use self::metrics::Outcome;
use crate::alert::{Rejected, parse_alerts, parse_notification};
use crate::config::inputs::Receive;
use crate::incident::{Input, Source, Told};
use crate::journal::RefusedBody;
use crate::ledger::{Handle, Submission, Unavailable};
use crate::time::Moment;

/// The longest wait for the ledger. Alertmanager itself gives up after 5 s where it is set up as
/// recommended, and a second one sends the same alert after 15 s.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// Larger bodies are parsed on a thread that may be busy: a mebibyte takes some milliseconds.
const PARSED_AT_ONCE: usize = 128 << 10;

/// What peers may cost: Alertmanager opens a thousand connections in a storm and keeps them.
pub fn limits() -> ServeLimits {
    ServeLimits {
        connections: 2_048,
        header: Some(Duration::from_secs(30)),
        write: Some(Duration::from_secs(30)),
        ..ServeLimits::default()
    }
}

/// Takes the heartbeat of a name; false if there is no such name.
pub type HeartbeatSink = Arc<dyn Fn(&str, Moment) -> bool + Send + Sync>;

/// What a reload may change.
#[derive(Debug)]
struct Settings {
    config: Receive,
    credentials: Credentials,
    budget: Budget,
}

/// The endpoints' state. Clones share it.
#[derive(Clone)]
pub struct Reception {
    ledger: Handle,
    settings: Arc<RwLock<Arc<Settings>>>,
    heartbeat: HeartbeatSink,
    clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    metrics: Metrics,
}

impl fmt::Debug for Reception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reception").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Reception {
    /// Endpoints that hand what they get to `ledger`.
    ///
    /// # Errors
    /// A file with a token or password cannot be read.
    pub fn new(
        ledger: Handle,
        config: &Receive,
        heartbeat: HeartbeatSink,
        clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    ) -> Result<Self, CredentialsError> {
        let settings = Arc::new(RwLock::new(Arc::new(Settings::new(config)?)));
        Ok(Self { ledger, settings, heartbeat, clock, metrics: Metrics::default() })
    }

    /// What is measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Goes on with another configuration.
    ///
    /// # Errors
    /// As [`new`](Self::new); the one before stays in force.
    pub fn reload(&self, config: &Receive) -> Result<(), CredentialsError> {
        let settings = Arc::new(Settings::new(config)?);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// The endpoints.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/alertmanager", post(alertmanager))
            .route("/api/v2/alerts", post(prometheus))
            .route("/v1/heartbeat/{name}", post(heartbeat))
            .with_state(self.clone())
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The body of somebody who may send one.
    async fn admit(
        &self,
        settings: &Settings,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Received, Refusal> {
        if !settings.credentials.admit(headers) {
            return Err(Refusal::Unauthorized);
        }
        Ok(settings.budget.read(body).await?)
    }

    /// Stores what came, and says so to whoever sent it.
    async fn store(&self, submission: Submission) -> Result<(), Refusal> {
        let stored = tokio::time::timeout(STORE_WITHIN, self.ledger.submit(submission));
        match stored.await {
            Ok(stored) => Ok(stored?),
            Err(_) => Err(Refusal::Hangs),
        }
    }

    /// Keeps a body that could not be read, and has somebody look at it.
    async fn keep(&self, source: &'static str, body: Vec<u8>, problem: String) -> Refusal {
        let at = (self.clock)();
        let input = own_alerts::unreadable(source, &problem, at);
        let refused = RefusedBody { at, source: source.to_owned(), problem: problem.clone(), body };
        let submission = Submission { inputs: vec![input], refused: vec![refused] };
        match self.store(submission).await {
            Ok(()) => Refusal::Unreadable(problem),
            // It comes again, and is kept then.
            Err(unavailable) => unavailable,
        }
    }

    fn answer(&self, source: &'static str, outcome: Result<(), Refusal>) -> Response {
        let (counted, response) = match outcome {
            Ok(()) => {
                let json = [(header::CONTENT_TYPE, "application/json")];
                (Outcome::Accepted, (json, "{}\n").into_response())
            }
            Err(refusal) => (refusal.outcome(), refusal.into_response()),
        };
        self.metrics.count(source, counted);
        response
    }
}

impl Settings {
    fn new(config: &Receive) -> Result<Self, CredentialsError> {
        Ok(Self {
            credentials: Credentials::open(config)?,
            budget: Budget::new(config.max_body_bytes),
            config: config.clone(),
        })
    }
}

/// Why a request is not answered with 200.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("credentials are wrong or missing")]
    Unauthorized,
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error("the journal does not answer in time")]
    Hangs,
    #[error("there is no heartbeat of this name in the configuration")]
    UnknownHeartbeat,
}

impl Refusal {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Unauthorized => Outcome::Unauthorized,
            Self::Unreadable(_) | Self::UnknownHeartbeat => Outcome::Invalid,
            Self::Body(BodyError::Broken | BodyError::Slow) => Outcome::Incomplete,
            Self::Body(_) | Self::Unavailable(Unavailable::Overloaded) => Outcome::Overloaded,
            Self::Unavailable(_) | Self::Hangs => Outcome::Unavailable,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = format!("{self}\n");
        match self {
            Self::Unauthorized => {
                let how = [(header::WWW_AUTHENTICATE, "Bearer, Basic realm=\"alert-relay\"")];
                (StatusCode::UNAUTHORIZED, how, text).into_response()
            }
            Self::Unreadable(_) => (StatusCode::BAD_REQUEST, text).into_response(),
            Self::UnknownHeartbeat => (StatusCode::NOT_FOUND, text).into_response(),
            Self::Body(_) | Self::Unavailable(_) | Self::Hangs => {
                (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
            }
        }
    }
}

async fn alertmanager(
    State(reception): State<Reception>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = take_notification(&reception, &headers, body).await;
    reception.answer("alertmanager", outcome)
}

async fn take_notification(
    reception: &Reception,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Refusal> {
    let settings = reception.settings();
    let received = reception.admit(&settings, headers, body).await?;
    let (at, is_cut) = (reception.now(), received.is_cut);
    let ignored = settings.config.ignored_labels.clone();
    let (received, parsed) =
        parse(received, move |body| parse_notification(body, is_cut, &ignored, at)).await;
    let notification = match parsed {
        Ok(notification) => notification,
        Err(error) => {
            return Err(reception.keep("alertmanager", received.bytes, chain(&error)).await);
        }
    };
    drop(received.bytes);
    let mut inputs = Vec::new();
    if notification.truncated > 0 {
        reception.metrics.truncated.inc();
        inputs.push(own_alerts::truncated(&notification.receiver, notification.truncated, at));
    }
    if is_cut {
        inputs.push(own_alerts::too_large("alertmanager", settings.config.max_body_bytes, at));
    }
    let told = notification.alerts.into_iter().map(|alert| Told { alert, fires_until: None });
    let source = Source::Alertmanager(notification.external_url);
    reception.take(source, told.collect(), notification.rejected, inputs).await
}

async fn prometheus(
    State(reception): State<Reception>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let peer = peer.map_or_else(|| "unknown".to_owned(), |Extension(peer)| peer.0.ip().to_string());
    let outcome = take_alerts(&reception, peer, &headers, body).await;
    reception.answer("prometheus", outcome)
}

async fn take_alerts(
    reception: &Reception,
    peer: String,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Refusal> {
    let settings = reception.settings();
    let received = reception.admit(&settings, headers, body).await?;
    let (at, is_cut) = (reception.now(), received.is_cut);
    let (ignored, timeout) =
        (settings.config.ignored_labels.clone(), settings.config.resolve_timeout);
    let (received, parsed) =
        parse(received, move |body| parse_alerts(body, &ignored, timeout, at)).await;
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(_) if is_cut => {
            // Prometheus sends at most 256 alerts at a time: this is none.
            let limit = settings.config.max_body_bytes;
            let problem = format!("more than {limit} bytes, batches of Prometheus are smaller");
            return Err(reception.keep("prometheus", received.bytes, problem).await);
        }
        Err(error) => {
            let problem = format!("not a JSON list of alerts: {error}");
            return Err(reception.keep("prometheus", received.bytes, problem).await);
        }
    };
    drop(received.bytes);
    let told = parsed.alerts.into_iter().map(|(alert, fires_until)| Told { alert, fires_until });
    reception.take(Source::Prometheus(peer), told.collect(), parsed.rejected, Vec::new()).await
}

async fn heartbeat(
    State(reception): State<Reception>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let settings = reception.settings();
    let outcome = reception.admit(&settings, &headers, body).await.and_then(|_| {
        let known = (reception.heartbeat)(&name, reception.now());
        if known { Ok(()) } else { Err(Refusal::UnknownHeartbeat) }
    });
    reception.answer("heartbeat", outcome)
}

impl Reception {
    fn now(&self) -> Moment {
        (self.clock)()
    }

    async fn take(
        &self,
        source: Source,
        told: Vec<Told>,
        rejected: Vec<Rejected>,
        mut inputs: Vec<Input>,
    ) -> Result<(), Refusal> {
        let firing = told.iter().filter(|told| told.alert.is_firing()).count() as u64;
        let ended = told.len() as u64 - firing;
        let unusable = rejected.len() as u64;
        if !told.is_empty() || !rejected.is_empty() {
            inputs.push(Input::Alerts { source, told, rejected });
        }
        if !inputs.is_empty() {
            self.store(Submission { inputs, refused: Vec::new() }).await?;
        }
        self.metrics.alerts(firing, ended, unusable);
        Ok(())
    }
}

/// Parses a body where it does not hold up others.
async fn parse<T: Send + 'static>(
    received: Received,
    parse: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> (Received, T) {
    if received.bytes.len() <= PARSED_AT_ONCE {
        let parsed = parse(&received.bytes);
        return (received, parsed);
    }
    let parsed = tokio::task::spawn_blocking(move || {
        let parsed = parse(&received.bytes);
        (received, parsed)
    });
    match parsed.await {
        Ok(parsed) => parsed,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// An error and its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    instrumentation::json_log::ErrorChain(error).to_string()
}
