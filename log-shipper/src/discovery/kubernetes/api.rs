//! The two requests of Kubernetes' API that a mirror of its objects needs: list and watch.
//!
//! Sizes and waits are bounded; no content of an answer but the message of a refusal reaches an
//! error, because objects may hold what is not for logs.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderValue, USER_AGENT};
use reqwest::{Method, Request, Response, Url};
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::objects::{Page, Resource, Status};
use super::scope::Scope;
use super::store::Store;
use crate::http_client::{Requester, SendError};

/// Objects per page: 100 pods with everything that the server adds are some 2 MB of JSON.
const PAGE: &str = "100";

/// A larger page is refused.
const MAX_PAGE: usize = 64 << 20;

/// A larger event is refused; an object of etcd has 1.5 MiB at most.
const MAX_EVENT: usize = 8 << 20;

/// Bytes of a refusal that are read.
const MAX_REFUSAL: usize = 4 << 10;

/// Characters of its message that are shown.
const MAX_MESSAGE: usize = 300;

/// For a page with its body, and for the beginning of a watch.
const ANSWER: Duration = Duration::from_mins(1);

/// A watch ends after a time in this range, in seconds: a connection that died without a word is
/// noticed in the end, and agents that started together come apart.
const WATCH: std::ops::RangeInclusive<u64> = 240..=300;

/// So much later than it should have ended, a watch is taken for dead.
const WATCH_GRACE: Duration = Duration::from_secs(10);

/// Why there are no objects.
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
    /// The server does not want to.
    #[error("refused with status {status}{}: {message}", hint(*status))]
    Refused { status: u16, message: String },
    /// The version is older than what the server remembers.
    #[error("version is too old")]
    Gone,
    /// Not the expected JSON.
    #[error("answer is not understood, at line {line}, column {column}")]
    Unreadable { line: usize, column: usize },
    /// More bytes than anything expected has.
    #[error("answer has more than {limit} bytes")]
    TooLarge { limit: usize },
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => " (is the token valid?)",
        403 => " (the role of the service account needs list and watch)",
        _ => "",
    }
}

impl ApiError {
    fn of_status(status: u16, message: &str) -> Self {
        let message = message.lines().next().unwrap_or_default();
        let message = message.chars().take(MAX_MESSAGE).collect();
        if status == 410 { Self::Gone } else { Self::Refused { status, message } }
    }

    fn unreadable(error: &serde_json::Error) -> Self {
        Self::Unreadable { line: error.line(), column: error.column() }
    }

    /// Whether a watch that ended like this cannot go on where it was.
    pub(super) fn needs_list(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Silent | Self::Cut { .. } => false,
            // Who is asked, or how much it has to do, is no matter of the version.
            Self::Refused { status, .. } => !matches!(status, 401 | 403 | 429 | 500 | 502 | 503),
            Self::Gone | Self::Unreadable { .. } | Self::TooLarge { .. } => true,
        }
    }
}

/// How current a list must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// What the server has in its cache: cheap, and what a thousand agents that start together
    /// should ask for.
    Cached,
    /// What is stored: where the cache led to a version that is too old.
    Stored,
}

/// Everything there is, and its version.
pub(super) type Listed<R> = (BTreeMap<(String, String), <R as Resource>::Kept>, String);

/// An API server.
#[derive(Debug)]
pub(super) struct Api {
    requester: Requester,
    server: Url,
}

impl Api {
    pub(super) fn new(requester: Requester, server: Url) -> Self {
        Self { requester, server }
    }

    /// Asks for all objects, page by page.
    pub(super) async fn list<R: Resource>(
        &self,
        scope: &Scope,
        freshness: Freshness,
    ) -> Result<Listed<R>, ApiError> {
        let mut objects = BTreeMap::new();
        let mut next = String::new();
        loop {
            let mut url = scope.url(&self.server);
            url.query_pairs_mut().append_pair("limit", PAGE);
            if !next.is_empty() {
                url.query_pairs_mut().append_pair("continue", &next);
            } else if freshness == Freshness::Cached {
                url.query_pairs_mut().append_pair("resourceVersion", "0");
            }
            let read = async {
                let body = body(self.get(url).await?, MAX_PAGE).await?;
                let page: Page<R> =
                    serde_json::from_slice(&body).map_err(|error| ApiError::unreadable(&error))?;
                Ok::<_, ApiError>(page)
            };
            let page = timeout(ANSWER, read).await.map_err(|_| ApiError::Silent)??;
            objects.extend(page.items.into_iter().map(Store::entry));
            if page.metadata.next.is_empty() {
                return Ok((objects, page.metadata.resource_version));
            }
            next = page.metadata.next;
        }
    }

    /// Asks for everything that changes after a version.
    pub(super) async fn watch(&self, scope: &Scope, version: &str) -> Result<Watch, ApiError> {
        let seconds = fastrand::u64(WATCH);
        let mut url = scope.url(&self.server);
        url.query_pairs_mut()
            .append_pair("watch", "true")
            .append_pair("allowWatchBookmarks", "true")
            .append_pair("resourceVersion", version)
            .append_pair("timeoutSeconds", &seconds.to_string());
        let answer = timeout(ANSWER, self.get(url)).await.map_err(|_| ApiError::Silent)??;
        let deadline = Instant::now() + Duration::from_secs(seconds) + WATCH_GRACE;
        Ok(Watch { answer, buffer: Vec::new(), searched: 0, deadline })
    }

    async fn get(&self, url: Url) -> Result<Response, ApiError> {
        let mut request = Request::new(Method::GET, url);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let own = concat!("bellwether-log-shipper/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(own));
        let sent = self.requester.send(request).await;
        let answer = sent.map_err(|cause| ApiError::NoAnswer { cause })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = body(answer, MAX_REFUSAL).await.unwrap_or_default();
        let said: Status = serde_json::from_slice(&text).unwrap_or_default();
        Err(ApiError::of_status(status.as_u16(), &said.message))
    }
}

async fn body(mut answer: Response, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = chunk(&mut answer).await? {
        if body.len() + chunk.len() > limit {
            return Err(ApiError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn chunk(answer: &mut Response) -> Result<Option<bytes::Bytes>, ApiError> {
    answer.chunk().await.map_err(|cause| ApiError::Cut { cause: cause.without_url() })
}

/// What happened to an object.
#[derive(Debug)]
pub(super) enum Event<R> {
    /// It is there, like this.
    Set(R),
    /// It is gone; this is how it was.
    Gone(R),
    /// Nothing; the server has come to this version.
    Version(String),
}

/// A watch in progress.
#[derive(Debug)]
pub(super) struct Watch {
    answer: Response,
    buffer: Vec<u8>,
    /// Bytes of the buffer in which there is no newline.
    searched: usize,
    deadline: Instant,
}

impl Watch {
    /// The next event; `None` when the server has ended the watch.
    pub(super) async fn next<R: Resource>(&mut self) -> Result<Option<Event<R>>, ApiError> {
        loop {
            let newline = memchr::memchr(b'\n', &self.buffer[self.searched..]);
            if let Some(end) = newline.map(|at| self.searched + at) {
                self.searched = 0;
                let event = (end > 0).then(|| parse(&self.buffer[..end])).transpose()?;
                self.buffer.drain(..=end);
                if let Some(event) = event {
                    return Ok(Some(event));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.searched > MAX_EVENT {
                return Err(ApiError::TooLarge { limit: MAX_EVENT });
            }
            let chunk = timeout_at(self.deadline, chunk(&mut self.answer)).await;
            match chunk.map_err(|_| ApiError::Silent)?? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

fn parse<R: Resource>(line: &[u8]) -> Result<Event<R>, ApiError> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    #[derive(Deserialize)]
    struct Of<T> {
        object: T,
    }
    fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, ApiError> {
        serde_json::from_slice(line).map_err(|error| ApiError::unreadable(&error))
    }
    let Kind { kind } = read(line)?;
    match kind.as_str() {
        "ADDED" | "MODIFIED" => Ok(Event::Set(read::<Of<R>>(line)?.object)),
        "DELETED" => Ok(Event::Gone(read::<Of<R>>(line)?.object)),
        "ERROR" => {
            let status = read::<Of<Status>>(line)?.object;
            Err(ApiError::of_status(status.code, &status.message))
        }
        // a bookmark, or something that only has a version to us
        _ => {
            let object = read::<Of<R>>(line)?.object;
            Ok(Event::Version(object.metadata().resource_version.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::kubernetes::objects::Pod;

    #[test]
    fn events_are_told_apart_and_errors_are_errors() {
        let parse = |text: &str| parse::<Pod>(text.as_bytes());
        let object = r#""object":{"metadata":{"name":"a","resourceVersion":"7"}}"#;
        let event = |kind: &str| parse(&format!(r#"{{"type":"{kind}",{object}}}"#)).unwrap();
        assert!(matches!(event("ADDED"), Event::Set(pod) if pod.metadata.name == "a"));
        assert!(matches!(event("MODIFIED"), Event::Set(_)));
        assert!(matches!(event("DELETED"), Event::Gone(_)));
        assert!(matches!(event("BOOKMARK"), Event::Version(version) if version == "7"));
        let error = |code: u16| {
            parse(&format!(r#"{{"type":"ERROR","object":{{"code":{code},"message":"m\nx"}}}}"#))
                .unwrap_err()
        };
        assert!(matches!(error(410), ApiError::Gone));
        assert_eq!(error(500).to_string(), "refused with status 500: m");
        let secret = parse(r#"{"type":"ADDED","object":{"metadata":{"labels":"hunter2"}}}"#);
        assert!(!secret.unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn a_watch_goes_on_where_it_was_unless_the_version_is_the_matter() {
        for (status, needs_list) in
            [(401, false), (403, false), (503, false), (400, true), (504, true)]
        {
            assert_eq!(ApiError::of_status(status, "").needs_list(), needs_list, "{status}");
        }
        assert!(ApiError::Gone.needs_list());
        assert!(!ApiError::Silent.needs_list());
    }
}
