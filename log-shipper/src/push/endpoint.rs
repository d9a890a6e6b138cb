//! One Loki: its address, credentials and headers, and a single request to it.

use std::time::Duration;

use bytes::Bytes;
use daemon_runtime::secret::{Secret, SecretFile};
use instrumentation::json_log::ErrorChain;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};

use super::verdict::PushError;
use crate::batch::accumulator::Batch;

/// Bytes of an answer's body that are read: its first line goes into the log.
const MAX_ANSWER: usize = 1_024;

/// The longest pause that an answer may ask for: `max_period` of the default backoff.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// What Loki expects for Snappy and protobuf.
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");

/// Names us to the server.
const USER_AGENT: &str = concat!("bellwether-log-shipper/", env!("CARGO_PKG_VERSION"));

/// A value that is in the configuration, or in a file that may change.
#[derive(Debug)]
pub enum Credential {
    /// In the configuration.
    Inline(Secret<String>),
    /// Read again when the file changes.
    File(SecretFile),
}

impl Credential {
    /// The last good value where a file cannot be read any more: it may still be right.
    fn read(&self) -> String {
        match self {
            Self::Inline(secret) => secret.expose().clone(),
            Self::File(file) => {
                let reading = file.read();
                if let Some(problem) = &reading.problem {
                    tracing::warn!(error = %ErrorChain(problem), "secret cannot be read again, using the last one");
                }
                reading.secret.expose().clone()
            }
        }
    }
}

/// How requests are authorised.
#[derive(Debug)]
pub enum Authorization {
    /// Not at all.
    None,
    /// User and password.
    Basic {
        /// User.
        username: Option<Credential>,
        /// Password.
        password: Option<Credential>,
    },
    /// A token, with the scheme that stands before it.
    Token {
        /// `Bearer` unless configured.
        scheme: String,
        /// The token.
        credentials: Credential,
    },
}

/// Where and how batches are pushed.
#[derive(Debug)]
pub struct Endpoint {
    http: reqwest::Client,
    url: reqwest::Url,
    host: String,
    headers: HeaderMap,
    authorization: Authorization,
}

impl Endpoint {
    /// An endpoint that pushes to `url` through `http`, which holds time limits, TLS and proxy.
    ///
    /// Headers that a push sets itself (`Content-Type`, `X-Scope-OrgID`) cannot be overridden.
    pub fn new(
        http: reqwest::Client,
        url: reqwest::Url,
        mut headers: HeaderMap,
        authorization: Authorization,
    ) -> Self {
        headers.insert(reqwest::header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let host = host_of(&url);
        Self { http, url, host, headers, authorization }
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
        let mut request = self.http.post(self.url.clone()).headers(self.headers.clone());
        request = request.header(CONTENT_TYPE, PROTOBUF);
        if !batch.tenant.is_empty() {
            let tenant = HeaderValue::from_bytes(batch.tenant.as_bytes())
                .map_err(|_| PushError::InvalidTenant { tenant: batch.tenant.to_string() })?;
            request = request.header(TENANT, tenant);
        }
        match &self.authorization {
            Authorization::None => {}
            Authorization::Basic { username, password } => {
                let username = username.as_ref().map(Credential::read);
                let password = password.as_ref().map(Credential::read);
                request = request.basic_auth(username.unwrap_or_default(), password);
            }
            Authorization::Token { scheme, credentials } => {
                let value = format!("{scheme} {}", credentials.read());
                let mut value = HeaderValue::try_from(value)
                    .map_err(|_| PushError::InvalidToken { host: self.host.clone() })?;
                value.set_sensitive(true);
                request = request.header(AUTHORIZATION, value);
            }
        }
        let no_answer = |cause: reqwest::Error| PushError::NoAnswer {
            host: self.host.clone(),
            cause: cause.without_url(),
        };
        let mut answer = request.body(body).send().await.map_err(no_answer)?;
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
