//! The two endpoints, and the worker that silences.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use daemon_runtime::secret::{SecretFile, SecretFileError};
use instrumentation::json_log::ErrorChain;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::pagerduty;
use super::signature::{self, Seen, SignatureError};
use super::slack::{self, Wish};
use crate::access::{Submit, View};
use crate::client::{Authorities, Client, Method};
use crate::config::inputs::Receive;
use crate::incident::{IncidentId, Input};
use crate::silence::{self, Length, Silencer};
use crate::time::Moment;

/// Bytes of a request: Slack sends the whole message with it.
const MAX_BODY: usize = 1 << 20;

/// Silences that wait to be made; a person presses no more.
const ORDERS: usize = 64;

/// A silence that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceOrder {
    incident: IncidentId,
    length: Length,
    who: String,
    response_path: Option<String>,
}

/// What the endpoints need.
pub struct Feedback<V> {
    slack: Option<SecretFile>,
    pagerduty: Vec<SecretFile>,
    seen: Mutex<Seen>,
    view: Arc<V>,
    submit: Submit,
    orders: mpsc::Sender<SilenceOrder>,
}

impl<V> fmt::Debug for Feedback<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feedback").finish_non_exhaustive()
    }
}

impl<V: View> Feedback<V> {
    /// Reads the files with the secrets. Blocks on the disk. The orders are for [`SilenceWorker`].
    ///
    /// # Errors
    /// A file has no secret.
    pub fn new(
        keys: &Receive,
        view: Arc<V>,
        submit: Submit,
    ) -> Result<(Self, mpsc::Receiver<SilenceOrder>), SecretFileError> {
        let slack = keys.slack_signing_secret_file.as_ref().map(SecretFile::open).transpose()?;
        let files = keys.pagerduty_webhook_secret_files.iter();
        let pagerduty = files.map(SecretFile::open).collect::<Result<_, _>>()?;
        let (orders, ordered) = mpsc::channel(ORDERS);
        let seen = Mutex::default();
        Ok((Self { slack, pagerduty, seen, view, submit, orders }, ordered))
    }

    pub(super) async fn take_slack(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let Some(secret) = &self.slack else { return StatusCode::NOT_FOUND };
        let checked = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            signature::slack(secret, headers, body, &mut seen, Moment::now())
        };
        if let Err(error) = checked {
            return refused("slack", error);
        }
        let Some(presses) = slack::presses(body) else { return StatusCode::BAD_REQUEST };
        let (mut inputs, mut orders) = (Vec::new(), Vec::new());
        for press in presses {
            let (incident, who) = (press.incident, press.who);
            match press.wish {
                Wish::Acknowledge => inputs.push(Input::Acknowledged { incident, who }),
                Wish::Judge(feedback) => inputs.push(Input::Judged { incident, who, feedback }),
                Wish::Silence(length) => {
                    let response_path = press.response_path;
                    orders.push(SilenceOrder { incident, length, who, response_path });
                }
            }
        }
        if !inputs.is_empty() && !(self.submit)(inputs).await {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        for order in orders {
            if self.orders.try_send(order).is_err() {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
        }
        StatusCode::OK
    }

    pub(super) async fn take_pagerduty(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        if self.pagerduty.is_empty() {
            return StatusCode::NOT_FOUND;
        }
        if let Err(error) = signature::pagerduty(&self.pagerduty, headers, body) {
            return refused("pagerduty", error);
        }
        let Ok(said) = pagerduty::acknowledged(body) else { return StatusCode::BAD_REQUEST };
        let Some(said) = said else { return StatusCode::OK };
        let Some(key) = IncidentId::parse(&format!("{}.1", said.key)).map(|id| id.key) else {
            // an incident that somebody else opened
            return StatusCode::OK;
        };
        let view = Arc::clone(&self.view);
        let found = tokio::task::spawn_blocking(move || view.latest(&key)).await;
        let Ok(found) = found else { return StatusCode::SERVICE_UNAVAILABLE };
        let Some(incident) = found else { return StatusCode::OK };
        let input = Input::Acknowledged { incident: incident.id, who: said.who };
        let is_stored = (self.submit)(vec![input]).await;
        if is_stored { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

fn refused(from: &str, error: SignatureError) -> StatusCode {
    tracing::warn!(from, error = %error, "request is not believed");
    match error {
        SignatureError::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNAUTHORIZED,
    }
}

/// `POST /v1/slack/interactions` and `POST /v1/pagerduty/webhook`.
pub fn router<V: View>(feedback: Arc<Feedback<V>>) -> Router {
    async fn slack<V: View>(
        State(feedback): State<Arc<Feedback<V>>>,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        feedback.take_slack(&headers, &body).await
    }
    async fn pagerduty<V: View>(
        State(feedback): State<Arc<Feedback<V>>>,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        feedback.take_pagerduty(&headers, &body).await
    }
    Router::new()
        .route("/v1/slack/interactions", post(slack::<V>))
        .route("/v1/pagerduty/webhook", post(pagerduty::<V>))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(feedback)
}

/// Makes the silences that were ordered, one after another, and tells who wanted them.
#[derive(Debug)]
pub struct SilenceWorker<V> {
    orders: mpsc::Receiver<SilenceOrder>,
    silencer: Silencer,
    ignored: Vec<String>,
    view: Arc<V>,
}

impl<V: View> SilenceWorker<V> {
    /// `ignored_labels` are those without a say in identity.
    pub fn new(
        orders: mpsc::Receiver<SilenceOrder>,
        silencer: Silencer,
        ignored_labels: &[String],
        view: Arc<V>,
    ) -> Self {
        Self { orders, silencer, ignored: ignored_labels.to_vec(), view }
    }

    /// Works until it is stopped, or nobody can order any more.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let order = tokio::select! {
                () = stop.cancelled() => return,
                order = self.orders.recv() => order,
            };
            let Some(order) = order else { return };
            let text = self.make(&order).await;
            if let Some(path) = &order.response_path {
                respond(path, &text).await;
            }
        }
    }

    /// A text for who ordered it; nothing in it comes from outside.
    pub(super) async fn make(&self, order: &SilenceOrder) -> String {
        let (view, id) = (Arc::clone(&self.view), order.incident.clone());
        let found = tokio::task::spawn_blocking(move || view.incident(&id)).await;
        let Ok(Some(incident)) = found else {
            return "Not silenced: the relay does not know this incident any more.".to_owned();
        };
        let now = Moment::now();
        let silence = silence::of_incident(&incident, &self.ignored, order.length, &order.who, now);
        let silence = match silence {
            Ok(silence) => silence,
            Err(error) => return format!("Not silenced: {error}."),
        };
        let outcomes = self.silencer.add(&silence).await;
        let asked = outcomes.len();
        let mut made = 0;
        for (url, outcome) in outcomes {
            match outcome {
                Ok(id) => {
                    made += 1;
                    let (incident, who) = (incident.id.to_string(), &order.who);
                    tracing::info!(url, silence = id, incident, who, "silenced");
                }
                Err(error) => {
                    tracing::warn!(url, error = %ErrorChain(&error), "could not silence");
                }
            }
        }
        match (made, asked) {
            (_, 0) => "Not silenced: the relay's configuration names no Alertmanager.".to_owned(),
            (0, _) => "Not silenced: no Alertmanager has accepted it.".to_owned(),
            _ => format!("Silenced in {made} of {asked} Alertmanagers until {}.", silence.ends_at),
        }
    }
}

/// Nothing depends on it: who pressed a button sees the silence in the message too.
async fn respond(path: &str, text: &str) {
    let Ok(client) = Client::new("https://hooks.slack.com", None, Authorities::System) else {
        return;
    };
    let json = json!({"response_type": "ephemeral", "replace_original": false, "text": text});
    let sent = client.send(Method::POST, path, Some(json.to_string().into_bytes()), MAX_BODY).await;
    if let Err(error) = sent {
        tracing::debug!(error = %ErrorChain(&error), "slack did not take an answer");
    }
}
