//! One Loki: its address, credentials and headers, and a single request to it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request};

use super::verdict::PushError;
use crate::batch::accumulator::Batch;
use crate::http_client::{Requester, SendError};

/// Bytes of an answer's body that are read: its first line goes into the log.
const MAX_ANSWER: usize = 1_024;

/// The longest pause that an answer may ask for: `max_period` of the default backoff.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// What Loki expects for Snappy and protobuf.
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");

/// Names us to the server.
const USER_AGENT: &str = concat!("bellwether-log-shipper/", env!("CARGO_PKG_VERSION"));

/// Where and how batches are pushed.
#[derive(Debug)]
pub struct Endpoint {
    requester: Requester,
    url: reqwest::Url,
    host: String,
    headers: HeaderMap,
}

impl Endpoint {
    /// An endpoint that pushes to `url` through `requester`, which holds time limits, TLS, proxy and
    /// credentials.
    ///
    /// Headers that a push sets itself (`Content-Type`, `X-Scope-OrgID`) cannot be overridden.
    pub fn new(requester: Requester, url: reqwest::Url, mut headers: HeaderMap) -> Self {
        headers.insert(reqwest::header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let host = host_of(&url);
        Self { requester, url, host, headers }
    }

    /// Host and port, as in metrics and logs.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Sends one batch once.
    ///
    /// # Errors
    /// [`PushError`] says whether it is worth another try.
    pub async fn push(&self, batch: &Batch, body: Bytes) -> Result<(), PushError> {
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(CONTENT_TYPE, PROTOBUF);
        if !batch.tenant.is_empty() {
            let tenant = HeaderValue::from_bytes(batch.tenant.as_bytes())
                .map_err(|_| PushError::InvalidTenant { tenant: batch.tenant.to_string() })?;
            headers.insert(TENANT, tenant);
        }
        *request.body_mut() = Some(body.into());
        let mut answer = self.requester.send(request).await.map_err(|error| match error {
            SendError::NoAnswer { cause } => PushError::NoAnswer { host: self.host.clone(), cause },
            cause => PushError::NotSent { host: self.host.clone(), cause },
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(parse_retry_after);
        let mut text = Vec::new();
        while text.len() < MAX_ANSWER
            && let Ok(Some(piece)) = answer.chunk().await
        {
            text.extend_from_slice(&piece[..piece.len().min(MAX_ANSWER - text.len())]);
        }
        let text = String::from_utf8_lossy(&text);
        let reason = text.lines().next().unwrap_or_default().to_owned();
        Err(PushError::Refused { host: self.host.clone(), status, reason, retry_after })
    }
}

fn host_of(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Seconds, or a date; at most five minutes.
fn parse_retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_an_end() {
        let parse = |text| parse_retry_after(&HeaderValue::from_static(text));
        assert_eq!(parse("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse("86400"), Some(MAX_RETRY_AFTER));
        assert_eq!(parse("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(parse("soon"), None);
    }

    #[test]
    fn a_host_has_its_port_and_no_credentials() {
        let url = |text: &str| host_of(&text.parse().unwrap());
        assert_eq!(url("http://user:secret@loki:3100/loki/api/v1/push"), "loki:3100");
        assert_eq!(url("https://logs.example.com/push"), "logs.example.com");
    }
}
