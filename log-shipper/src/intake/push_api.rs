//! `loki_push_api`: takes what others push, as Loki does.
//!
//! A sender is told 204 when all of its request is in the queue, and not before: until then it is
//! the sender who keeps it.

pub mod json;
pub mod label_text;
pub mod logproto;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use prometheus_model::label_set::{LabelSet, is_valid_label_name};
use tokio_util::sync::CancellationToken;

use self::json::Request as JsonRequest;
use super::http_server::HttpServer;
use super::http_server::answer::unavailable;
use super::http_server::body::{BodyError, Held, Packing, unsnap};
use super::http_server::reception::Reception;
use super::http_server::stream_labels::{visible, warn_of_no_label};
use super::inlet::{Closed, Group, Inlet};
use super::message::Message;
use super::source::SourceError;
use crate::config::label_map::LabelMap;
use crate::config::scrape_configs::PushApi as Config;

/// Bytes of a request where `max_send_msg_size` is not set, as Promtail 3.6.
const DEFAULT_REQUEST_BYTES: usize = 100 << 20;

/// Characters of an error's reason: parsers repeat what they were given.
const REASON: usize = 300;

/// The source, ready to run.
#[derive(Debug)]
pub struct PushApi {
    server: HttpServer,
    options: Options,
    limit: usize,
}

#[derive(Debug)]
struct Options {
    labels: LabelMap,
    use_incoming_timestamp: bool,
}

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Proto(#[from] logproto::ProtoError),
    #[error("no valid push request in JSON: {0}")]
    Json(String),
    /// The other streams of the request have been taken.
    #[error("{0}")]
    Labels(String),
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl IntoResponse for PushError {
    fn into_response(self) -> Response {
        match self {
            Self::Body(error) => error.into_response(),
            Self::Closed(_) => unavailable("the shipper is stopping\n"),
            error => {
                let reason: String = error.to_string().chars().take(REASON).collect();
                (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response()
            }
        }
    }
}

enum Decoded {
    /// Checked.
    Proto(Vec<u8>),
    Json(JsonRequest),
}

impl PushApi {
    /// Builds the source.
    ///
    /// # Errors
    /// What is wrong with its server or limit.
    pub fn new(config: &Config) -> Result<Self, SourceError> {
        let limit = match config.max_send_msg_size {
            None | Some(0) => DEFAULT_REQUEST_BYTES,
            Some(bytes) => usize::try_from(bytes).map_err(|_| {
                format!("loki_push_api.max_send_msg_size: {bytes} is no size: bytes are accepted")
            })?,
        };
        Ok(Self {
            server: HttpServer::new("loki_push_api.server", &config.server)?,
            options: Options {
                labels: config.labels.clone(),
                use_incoming_timestamp: config.use_incoming_timestamp,
            },
            limit,
        })
    }

    /// Serves until `stop` is cancelled.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), SourceError> {
        let routes = Router::new()
            .route("/loki/api/v1/push", post(push))
            .route("/promtail/api/v1/raw", post(raw));
        let served = Reception::serve(self.server, self.options, self.limit, routes, inlet, stop);
        Ok(served.await?)
    }
}

async fn push(State(reception): State<Arc<Reception<Options>>>, request: Request) -> Response {
    reception.answer(async { answer(reception.push(request).await) }).await
}

async fn raw(State(reception): State<Arc<Reception<Options>>>, request: Request) -> Response {
    reception.answer(async { answer(reception.raw(request).await) }).await
}

fn answer(taken: Result<(), PushError>) -> Response {
    match taken {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_response(),
    }
}

impl Reception<Options> {
    async fn push(&self, request: Request) -> Result<(), PushError> {
        let (parts, body) = request.into_parts();
        let is_json = is_json(&parts.headers);
        let (packing, body) = self.read(&parts.headers, body).await?;
        let (decoded, held) = if is_json {
            self.budget.unpack(body, packing, json::FACTOR, |text| decode_json(&text)).await?
        } else {
            self.unpack_proto(body, packing).await?
        };
        let sent = match decoded {
            Decoded::Proto(request) => self.send_proto(&request).await,
            Decoded::Json(request) => self.send_json(request).await,
        };
        drop(held);
        sent
    }

    /// Protobuf is a Snappy block whether it is said or not; other encodings are around that. Lines
    /// are copied out of it.
    async fn unpack_proto(
        &self,
        body: (Vec<u8>, Held),
        packing: Packing,
    ) -> Result<(Decoded, Held), PushError> {
        match packing {
            Packing::Plain | Packing::Snappy => {
                self.budget.unpack(body, Packing::Snappy, 2, decode_proto).await
            }
            Packing::Gzip | Packing::Deflate => {
                let limit = self.budget.limit();
                // a small block may become large: everything is reserved
                let unsnap = move |block: Vec<u8>| decode_proto(unsnap(&block, limit)?);
                self.budget.unpack(body, packing, usize::MAX, unsnap).await
            }
        }
    }

    async fn send_proto(&self, request: &[u8]) -> Result<(), PushError> {
        let mut messages = Group::new(&self.inlet);
        let mut refused = None;
        for stream in logproto::streams(request) {
            let text = String::from_utf8_lossy(stream.labels());
            let labels = match label_text::parse(&text) {
                Ok(labels) => labels,
                Err(error) => {
                    refused = Some(error.to_string());
                    continue;
                }
            };
            let Some(labels) = self.stream_labels(labels) else { continue };
            for entry in stream.entries() {
                let message = Message {
                    labels: Arc::clone(&labels),
                    line: entry.line().to_vec(),
                    timestamp_ns: entry
                        .timestamp_ns()
                        .filter(|_| self.options.use_incoming_timestamp),
                    metadata: entry
                        .metadata()
                        .map(|(name, value)| (Arc::from(&*name), Cow::into_owned(value)))
                        .collect(),
                    mark: None,
                };
                messages.add(message).await?;
            }
        }
        messages.finish().await?;
        refused.map_or(Ok(()), |reason| Err(PushError::Labels(reason)))
    }

    async fn send_json(&self, request: JsonRequest) -> Result<(), PushError> {
        let mut messages = Group::new(&self.inlet);
        let mut refused = None;
        for stream in request.streams {
            if let Some(name) = stream.labels.keys().find(|name| !is_valid_label_name(name)) {
                refused = Some(format!("labels of a stream: {name:?} is no name of a label"));
                continue;
            }
            if stream.labels.len() > label_text::MAX_LABELS {
                refused = Some(format!("a stream has more than {} labels", label_text::MAX_LABELS));
                continue;
            }
            let labels = stream.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let Some(labels) = self.stream_labels(labels.collect()) else { continue };
            for entry in stream.values {
                let message = Message {
                    labels: Arc::clone(&labels),
                    line: entry.line.into_bytes(),
                    timestamp_ns: self.options.use_incoming_timestamp.then_some(entry.timestamp_ns),
                    metadata: entry
                        .metadata
                        .into_iter()
                        .map(|(name, value)| (Arc::from(name), value))
                        .collect(),
                    mark: None,
                };
                messages.add(message).await?;
            }
        }
        messages.finish().await?;
        refused.map_or(Ok(()), |reason| Err(PushError::Labels(reason)))
    }

    /// Lines with the configured labels; as in Promtail, rules do not see them.
    async fn raw(&self, request: Request) -> Result<(), PushError> {
        let (parts, body) = request.into_parts();
        // lines are copied out of it
        let (text, held) = self.text(&parts.headers, body, 2).await?;
        let labels: Arc<LabelSet> = Arc::new(visible(&self.options.labels).collect());
        if labels.is_empty() {
            return Err(PushError::Labels(
                "loki_push_api.labels is empty: a raw line has no other label".to_owned(),
            ));
        }
        let mut messages = Group::new(&self.inlet);
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let (labels, line) = (Arc::clone(&labels), line.to_vec());
            messages.add(Message { labels, line, ..Message::default() }).await?;
        }
        messages.finish().await?;
        drop(held);
        Ok(())
    }

    /// The configured labels win over the sender's; `None` when the stream is dropped.
    fn stream_labels(&self, mut labels: LabelSet) -> Option<Arc<LabelSet>> {
        for (name, value) in self.options.labels.iter() {
            labels.set(name, value);
        }
        let labels = self.inlet.relabel(labels)?;
        if labels.is_empty() {
            warn_of_no_label(&self.inlet);
            return None;
        }
        Some(Arc::new(labels))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

fn decode_json(text: &[u8]) -> Result<Decoded, PushError> {
    json::parse(text).map(Decoded::Json).map_err(|error| PushError::Json(error.to_string()))
}

fn decode_proto(request: Vec<u8>) -> Result<Decoded, PushError> {
    logproto::check(&request)?;
    Ok(Decoded::Proto(request))
}
