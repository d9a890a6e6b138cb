//! The requests of Consul's HTTP API that a discovery needs.
//!
//! Sizes and waits are bounded; no content of an answer but the first line of a refusal reaches an
//! error, and never the token.

use std::time::Duration;

use daemon_runtime::secret::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, HeaderValue, USER_AGENT};
use reqwest::{Method, Request, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::http_client::{Requester, SendError};

/// How long the server may hold a query for which nothing is new; it adds up to a sixteenth.
pub(super) const WAIT: Duration = Duration::from_mins(2);

/// For a query with its body, once the server need not wait any more.
const ANSWER: Duration = Duration::from_secs(30);

/// A larger answer is refused: some 50,000 instances of a service.
const MAX_BODY: usize = 64 << 20;

/// Bytes of a refusal that are read.
const MAX_REFUSAL: usize = 4 << 10;

/// Characters of it that are shown.
const MAX_MESSAGE: usize = 300;

/// The version of what is asked for.
const INDEX: &str = "x-consul-index";

/// Why there is no answer.
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
    /// Not the expected JSON.
    #[error("answer is not understood, at line {line}, column {column}")]
    Unreadable { line: usize, column: usize },
    /// More bytes than anything expected has.
    #[error("answer has more than {MAX_BODY} bytes")]
    TooLarge,
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => " (the token needs service:read and node:read)",
        429 => " (the agent's http_max_conns_per_client limits one query per service)",
        _ => "",
    }
}

/// What came of a blocking query.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// Nothing is new.
    Same,
    /// This, with its version.
    New(u64, T),
}

/// An agent, with what every request to it has.
#[derive(Debug)]
pub(super) struct Api {
    requester: Requester,
    /// Ends with a slash.
    server: Url,
    token: Secret<String>,
    /// Query parameters such as `dc`.
    everywhere: Vec<(&'static str, String)>,
}

impl Api {
    pub(super) fn new(
        requester: Requester,
        server: Url,
        token: Secret<String>,
        everywhere: Vec<(&'static str, String)>,
    ) -> Self {
        let everywhere = everywhere.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { requester, server, token, everywhere }
    }

    /// The address of something; `name` is a last part of the path that may hold anything.
    pub(super) fn url(&self, path: &str, name: &str) -> Url {
        let mut url = self.server.clone();
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        url.set_path(&format!("{}{path}{name}", self.server.path()));
        for (key, value) in &self.everywhere {
            url.query_pairs_mut().append_pair(key, value);
        }
        url
    }

    /// Asks for what there is now. Statuses in `also` are answers too.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        url: Url,
        also: &[StatusCode],
    ) -> Result<(StatusCode, T), ApiError> {
        let read = async {
            let answer = self.get(url, also).await?;
            let status = answer.status();
            Ok((status, parse(&body(answer, MAX_BODY).await?)?))
        };
        timeout(ANSWER, read).await.map_err(|_| ApiError::Silent)?
    }

    /// Asks for what there is once its version is not `index` any more, or what there is now where
    /// that is 0.
    pub(super) async fn ask_blocking<T: DeserializeOwned>(
        &self,
        mut url: Url,
        index: u64,
    ) -> Result<Answer<T>, ApiError> {
        if index > 0 {
            url.query_pairs_mut()
                .append_pair("index", &index.to_string())
                .append_pair("wait", &format!("{}ms", WAIT.as_millis()));
        }
        let read = async {
            let answer = self.get(url, &[]).await?;
            let header = answer.headers().get(INDEX).and_then(|value| value.to_str().ok());
            let new = header.and_then(|text| text.parse().ok()).unwrap_or(0);
            if new == index && index > 0 {
                return Ok(Answer::Same);
            }
            // A version that went back is of another history, with which nothing can be compared.
            let new = if new < index { 0 } else { new };
            Ok(Answer::New(new, parse(&body(answer, MAX_BODY).await?)?))
        };
        let limit = WAIT + WAIT / 16 + ANSWER;
        timeout(limit, read).await.map_err(|_| ApiError::Silent)?
    }

    async fn get(&self, url: Url, also: &[StatusCode]) -> Result<Response, ApiError> {
        let mut request = Request::new(Method::GET, url);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let own = concat!("bellwether-log-shipper/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(own));
        let token = self.token.expose();
        if !token.is_empty() {
            let header = "X-Consul-Token";
            let mut value = HeaderValue::try_from(token.as_str()).map_err(|_| {
                let cause = SendError::InvalidHeader { header: header.to_owned() };
                ApiError::NoAnswer { cause }
            })?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        let sent = self.requester.send(request).await;
        let answer = sent.map_err(|cause| ApiError::NoAnswer { cause })?;
        let status = answer.status();
        if status.is_success() || also.contains(&status) {
            return Ok(answer);
        }
        let text = body(answer, MAX_REFUSAL).await.unwrap_or_default();
        Err(ApiError::Refused { status: status.as_u16(), message: self.shown(&text) })
    }

    /// The first line of a refusal.
    fn shown(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let mut line = text.lines().next().unwrap_or_default().to_owned();
        let token = self.token.expose();
        if !token.is_empty() {
            line = line.replace(token, "***");
        }
        line.chars().take(MAX_MESSAGE).collect()
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::Unreadable { line: error.line(), column: error.column() })
}

async fn body(mut answer: Response, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    let cut = |cause: reqwest::Error| ApiError::Cut { cause: cause.without_url() };
    while let Some(chunk) = answer.chunk().await.map_err(cut)? {
        if body.len() + chunk.len() > limit {
            return Err(ApiError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http_client::HttpClient;

    fn api(token: &str) -> Api {
        let server: Url = "http://c:8500/prefix/".parse().unwrap();
        let requester = Requester::new(&HttpClient::default(), "test", &server, None).unwrap();
        let everywhere = vec![("dc", "d 1".to_owned()), ("ns", String::new())];
        Api::new(requester, server, Secret::new(token.to_owned()), everywhere)
    }

    #[test]
    fn a_name_is_one_part_of_the_path() {
        assert_eq!(
            api("").url("v1/health/service/", "a/../b?c").as_str(),
            "http://c:8500/prefix/v1/health/service/a%2F%2E%2E%2Fb%3Fc?dc=d+1"
        );
    }

    #[test]
    fn a_refusal_is_shown_without_the_token() {
        let api = api("hunter2");
        assert_eq!(api.shown(b"ACL hunter2 not found\nmore"), "ACL *** not found");
        assert_eq!(api.shown(&[b'x'; 1000]).len(), MAX_MESSAGE);
        assert!(!format!("{api:?}").contains("hunter2"));
    }
}
