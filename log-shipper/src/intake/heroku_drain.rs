//! `heroku_drain`: takes what Heroku's HTTPS drains send.
//!
//! A message that cannot be read costs itself: the others of its request are taken.

pub mod frames;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use prometheus_model::label_set::LabelSet;
use tokio_util::sync::CancellationToken;

use self::frames::{Frame, Frames};
use super::http_server::HttpServer;
use super::http_server::answer::unavailable;
use super::http_server::reception::Reception;
use super::http_server::stream_labels::{label_name, of_message, tenant};
use super::inlet::{Closed, Group, Inlet};
use super::message::Message;
use super::source::SourceError;
use crate::config::label_map::LabelMap;
use crate::config::scrape_configs::HerokuDrain as Config;

/// Bytes of a request, and of all that are held at the same time: Heroku sends some 100 messages of
/// at most 10 KiB at once.
const REQUEST_BYTES: usize = 16 << 20;

/// The source, ready to run.
#[derive(Debug)]
pub struct HerokuDrain {
    server: HttpServer,
    options: Options,
}

#[derive(Debug)]
struct Options {
    labels: LabelMap,
    use_incoming_timestamp: bool,
}

impl HerokuDrain {
    /// Builds the source.
    ///
    /// # Errors
    /// What is wrong with its server.
    pub fn new(config: &Config) -> Result<Self, SourceError> {
        Ok(Self {
            server: HttpServer::new("heroku_drain.server", &config.server)?,
            options: Options {
                labels: config.labels.clone(),
                use_incoming_timestamp: config.use_incoming_timestamp,
            },
        })
    }

    /// Serves until `stop` is cancelled.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn run(self, inlet: Inlet, stop: CancellationToken) -> Result<(), SourceError> {
        let routes = Router::new().route("/heroku/api/v1/drain", post(drain));
        let served =
            Reception::serve(self.server, self.options, REQUEST_BYTES, routes, inlet, stop);
        Ok(served.await?)
    }
}

async fn drain(State(reception): State<Arc<Reception<Options>>>, request: Request) -> Response {
    reception.answer(reception.drain(request)).await
}

impl Reception<Options> {
    async fn drain(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        // lines are copied out of it
        let (body, _held) = match self.text(&parts.headers, body, 2).await {
            Ok(unpacked) => unpacked,
            Err(error) => return error.into_response(),
        };
        let parameters = parameters(parts.uri.query().unwrap_or_default());
        let tenant = tenant(&parts.headers);
        let metrics = self.inlet.metrics();
        let mut messages = Group::new(&self.inlet);
        let mut refused = None;
        for frame in Frames::new(&body) {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    metrics.heroku_errors.inc();
                    refused = Some(error);
                    continue;
                }
            };
            let known = known(&frame, &parameters);
            let Some(labels) = of_message(&self.inlet, &self.options.labels, known, tenant) else {
                continue;
            };
            let message = Message {
                labels,
                line: frame.line.to_vec(),
                timestamp_ns: frame.timestamp_ns.filter(|_| self.options.use_incoming_timestamp),
                ..Message::default()
            };
            match messages.add(message).await {
                Ok(queued) => metrics.heroku_entries.inc_by(queued),
                Err(Closed) => return unavailable("the shipper is stopping\n"),
            }
        }
        match messages.finish().await {
            Ok(queued) => metrics.heroku_entries.inc_by(queued),
            Err(Closed) => return unavailable("the shipper is stopping\n"),
        }
        match refused {
            None => StatusCode::NO_CONTENT.into_response(),
            Some(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        }
    }
}

/// Labels by which the parameters of the request are known; several values are joined by commas.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(label_name("__heroku_drain_param_", &name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters
}

fn known(frame: &Frame<'_>, parameters: &BTreeMap<String, String>) -> LabelSet {
    let mut labels: LabelSet =
        parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for (name, value) in [
        ("__heroku_drain_host", frame.host),
        ("__heroku_drain_app", frame.app),
        ("__heroku_drain_proc", frame.process),
        ("__heroku_drain_log_id", frame.id),
    ] {
        labels.set(name, &String::from_utf8_lossy(value));
    }
    labels
}
