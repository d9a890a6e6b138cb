//! The requests of the Engine API that reading logs needs: list, networks, inspect, events, logs.
//!
//! Paths have no version, so that the engine answers in its own: engines refuse versions that are
//! too old for them. Answers and waits are bounded, but for the two streams, which are quiet for as
//! long as nothing happens.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderValue, USER_AGENT};
use reqwest::{Method, Request, Response, Url};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::host::Host;
use super::objects::{Container, Inspected, Network, Refusal};
use crate::http_client::SendError;

/// A larger list is refused: a container takes some 2 KiB.
const MAX_LIST: usize = 64 << 20;

/// A larger answer about one container is refused.
const MAX_OBJECT: usize = 8 << 20;

/// Bytes of a refusal that are read.
const MAX_REFUSAL: usize = 4 << 10;

/// Characters of its message that are shown.
const MAX_MESSAGE: usize = 300;

/// For an answer with its body, and for the beginning of a stream.
const ANSWER: Duration = Duration::from_mins(1);

/// What happens to containers that matters here.
const ACTIONS: [&str; 4] = ["start", "die", "destroy", "rename"];

/// Why an engine has not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ApiError {
    /// No connection, or no credentials to be had.
    #[error("no answer")]
    NoAnswer {
        #[source]
        cause: SendError,
    },
    /// It took too long.
    #[error("no answer in time")]
    Silent,
    /// The answer ended too early.
    #[error("answer was cut off")]
    Cut {
        #[source]
        cause: reqwest::Error,
    },
    /// The engine does not want to.
    #[error("refused with status {status}: {message}")]
    Refused { status: u16, message: String },
    /// Not the expected JSON.
    #[error("answer is not understood, at line {line}, column {column}")]
    Unreadable { line: usize, column: usize },
    /// More bytes than anything expected has.
    #[error("answer has more than {limit} bytes")]
    TooLarge { limit: usize },
}

impl ApiError {
    /// What was asked for does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// The engine cannot do this now or ever: asking again soon is no use.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { status: 400..=499 | 501, .. })
    }
}

/// Which streams of a container are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

/// One engine.
#[derive(Debug)]
pub(super) struct Api {
    host: Host,
    /// From the configuration: name to values.
    filters: BTreeMap<String, Vec<String>>,
}

impl Api {
    pub(super) fn new(host: Host, filters: BTreeMap<String, Vec<String>>) -> Self {
        Self { host, filters }
    }

    /// Containers that the filters let through, in any state; `only` this one if it is given.
    pub(super) async fn list(&self, only: Option<&str>) -> Result<Vec<Container>, ApiError> {
        let mut filters = self.filters.clone();
        if let Some(id) = only {
            // The engine takes any of several values: with ids of the configuration, all must come.
            filters.entry("id".to_owned()).or_insert_with(|| vec![id.to_owned()]);
        }
        let mut url = self.url(&["containers", "json"]);
        url.query_pairs_mut().append_pair("all", "1").append_pair("filters", &json(&filters));
        let mut containers: Vec<Container> = self.object(url, MAX_LIST).await?;
        if let Some(id) = only {
            containers.retain(|container| container.id == id);
        }
        Ok(containers)
    }

    /// All networks.
    pub(super) async fn networks(&self) -> Result<Vec<Network>, ApiError> {
        self.object(self.url(&["networks"]), MAX_LIST).await
    }

    /// One container.
    pub(super) async fn inspect(&self, id: &str) -> Result<Inspected, ApiError> {
        self.object(self.url(&["containers", id, "json"]), MAX_OBJECT).await
    }

    /// What happens to containers from this time on, in seconds since 1970.
    pub(super) async fn events(&self, since: i64) -> Result<Stream, ApiError> {
        let filters = BTreeMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("event".to_owned(), ACTIONS.map(str::to_owned).to_vec()),
        ]);
        let mut url = self.url(&["events"]);
        url.query_pairs_mut()
            .append_pair("since", &since.to_string())
            .append_pair("filters", &json(&filters));
        self.stream(url).await
    }

    /// The log of a container from this time on, and what it writes until it ends.
    pub(super) async fn logs(
        &self,
        id: &str,
        since: i64,
        wanted: Wanted,
    ) -> Result<Stream, ApiError> {
        let flag = |is_set| if is_set { "1" } else { "0" };
        let mut url = self.url(&["containers", id, "logs"]);
        url.query_pairs_mut()
            .append_pair("follow", "1")
            .append_pair("timestamps", "1")
            .append_pair("stdout", flag(wanted.stdout))
            .append_pair("stderr", flag(wanted.stderr))
            .append_pair("since", &since.to_string());
        self.stream(url).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.host.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn stream(&self, url: Url) -> Result<Stream, ApiError> {
        let answer = timeout(ANSWER, self.get(url)).await.map_err(|_| ApiError::Silent)??;
        Ok(Stream { answer })
    }

    async fn object<T: DeserializeOwned>(&self, url: Url, limit: usize) -> Result<T, ApiError> {
        let read = async { body(self.get(url).await?, limit).await };
        let body = timeout(ANSWER, read).await.map_err(|_| ApiError::Silent)??;
        parse(&body)
    }

    async fn get(&self, url: Url) -> Result<Response, ApiError> {
        let mut request = Request::new(Method::GET, url);
        let own = concat!("bellwether-log-shipper/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(own));
        let sent = self.host.requester.send(request).await;
        let answer = sent.map_err(|cause| ApiError::NoAnswer { cause })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = body(answer, MAX_REFUSAL).await.unwrap_or_default();
        let said: Refusal = serde_json::from_slice(&text).unwrap_or_default();
        let message = said.message.lines().next().unwrap_or_default();
        let message = message.chars().take(MAX_MESSAGE).collect();
        Err(ApiError::Refused { status: status.as_u16(), message })
    }
}

/// Parses an object without showing it: it may hold what is not for logs.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(text)
        .map_err(|error| ApiError::Unreadable { line: error.line(), column: error.column() })
}

fn json(filters: &BTreeMap<String, Vec<String>>) -> String {
    serde_json::to_string(filters).expect("texts in lists in a map are JSON")
}

async fn body(answer: Response, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut stream = Stream { answer };
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await? {
        if body.len() + chunk.len() > limit {
            return Err(ApiError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An answer without an end of its own.
#[derive(Debug)]
pub(super) struct Stream {
    answer: Response,
}

impl Stream {
    /// The next bytes; `None` when the engine has ended it.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        self.answer.chunk().await.map_err(|cause| ApiError::Cut { cause: cause.without_url() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scrape_configs::DockerSd;

    fn api(host: &str) -> Api {
        let config = DockerSd { host: host.to_owned(), ..DockerSd::default() };
        Api::new(Host::new(&config, "docker_sd_configs[0]").unwrap(), BTreeMap::new())
    }

    #[test]
    fn paths_are_appended_to_the_host_and_cannot_leave_it() {
        let api = api("http://engine:2375/docker/");
        let url = api.url(&["containers", "a/../b", "json"]);
        assert_eq!(url.as_str(), "http://engine:2375/docker/containers/a%2F..%2Fb/json");
    }

    #[test]
    fn an_answer_that_is_not_understood_is_not_shown() {
        let error = parse::<Vec<Container>>(br#"[{"Labels":"hunter2"}]"#).unwrap_err();
        assert_eq!(error.to_string(), "answer is not understood, at line 1, column 20");
    }

    #[test]
    fn refusals_are_told_from_outages() {
        let refused = |status| ApiError::Refused { status, message: String::new() };
        assert!(refused(404).is_not_found() && refused(404).is_refusal());
        assert!(refused(501).is_refusal() && !refused(501).is_not_found());
        assert!(!refused(500).is_refusal() && !ApiError::Silent.is_refusal());
    }
}
