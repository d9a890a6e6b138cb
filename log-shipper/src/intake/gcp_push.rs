//! `gcplog` with `subscription_type: push`: takes what Google's Pub/Sub pushes.
//!
//! Pub/Sub keeps a message until it is told 204, and pushes it again after any other answer.

pub mod log_entry;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio_util::sync::CancellationToken;

use super::http_server::HttpServer;
use super::http_server::answer::unavailable;
use super::http_server::reception::Reception;
use super::http_server::stream_labels::{of_message, tenant};
use super::inlet::Inlet;
use super::message::Message;
use super::source::SourceError;
use crate::config::label_map::LabelMap;
use crate::config::scrape_configs::GcpLog as Config;

/// Bytes of a request, and of all that are held at the same time: Pub/Sub has a limit of 10 MB a
/// message, a third more in base64.
const REQUEST_BYTES: usize = 16 << 20;

/// The source, ready to run.
#[derive(Debug)]
pub struct GcpPush {
    server: HttpServer,
    options: Options,
}

#[derive(Debug)]
struct Options {
    labels: LabelMap,
    use_incoming_timestamp: bool,
    use_full_line: bool,
    push_timeout: Option<Duration>,
}

impl GcpPush {
    /// Builds the source.
    ///
    /// # Errors
    /// What is wrong with its server, and a subscription that is pulled.
    pub fn new(config: &Config) -> Result<Self, SourceError> {
        match config.subscription_type.as_str() {
            "push" => {}
            "" | "pull" => {
                return Err(
                    "gcplog.subscription_type: pull is not supported by this version: make \
                            it a push subscription, with the URL of this server and \
                            `subscription_type: push`"
                        .into(),
                );
            }
            other => {
                return Err(format!(
                    "gcplog.subscription_type: {other:?} is unknown: push is accepted"
                )
                .into());
            }
        }
        Ok(Self {
            server: HttpServer::new("gcplog.server", &config.server)?,
            options: Options {
                labels: config.labels.clone(),
                use_incoming_timestamp: config.use_incoming_timestamp,
                use_full_line: config.use_full_line,
                push_timeout: Some(config.push_timeout.as_duration())
                    .filter(|timeout| !timeout.is_zero()),
            },
        })
    }

    /// Serves until `stop` is cancelled.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), SourceError> {
        let routes = Router::new().route("/gcp/api/v1/push", post(push));
        let served =
            Reception::serve(self.server, self.options, REQUEST_BYTES, routes, inlet, stop);
        Ok(served.await?)
    }
}

async fn push(State(reception): State<Arc<Reception<Options>>>, request: Request) -> Response {
    reception.answer(reception.push(request)).await
}

impl Reception<Options> {
    async fn push(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let errors = &self.inlet.metrics().gcp_push_errors;
        // the entry is decoded beside it
        let (body, _held) = match self.text(&parts.headers, body, 3).await {
            Ok(unpacked) => unpacked,
            Err(error) => {
                errors.get(&["read_error"]).inc();
                return error.into_response();
            }
        };
        let options = &self.options;
        let parsed = log_entry::parse(&body, options.use_incoming_timestamp, options.use_full_line);
        let entry = match parsed {
            Ok(entry) => entry,
            Err(error) => {
                errors.get(&[error.reason()]).inc();
                return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response();
            }
        };
        let tenant = tenant(&parts.headers);
        let Some(labels) = of_message(&self.inlet, &options.labels, entry.known, tenant) else {
            return StatusCode::NO_CONTENT.into_response();
        };
        let (line, timestamp_ns) = (entry.line, entry.timestamp_ns);
        let send = self.inlet.send(Message { labels, line, timestamp_ns, ..Message::default() });
        let sent = match options.push_timeout {
            Some(timeout) => match tokio::time::timeout(timeout, send).await {
                Ok(sent) => sent,
                Err(_) => return unavailable("the shipper is busy, try again\n"),
            },
            None => send.await,
        };
        if sent.is_err() {
            return unavailable("the shipper is stopping\n");
        }
        self.inlet.metrics().gcp_push_entries.inc();
        StatusCode::NO_CONTENT.into_response()
    }
}
