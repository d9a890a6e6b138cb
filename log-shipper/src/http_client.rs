//! Requests as a block's HTTP client keys want them: TLS, proxy, headers, credentials.
//!
//! Whoever sends a request sets what the request itself needs; an `Authorization` that is already
//! there wins over the configured one, as in Prometheus' client. No secret is in an error or `Debug`.

mod credentials;
mod headers;
mod oauth2;
mod proxy;
mod tls;
mod transport;

use std::io;
use std::path::Path;
use std::time::Duration;

use daemon_runtime::secret::SecretFileError;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Request, Response, StatusCode, Url};

pub use oauth2::TokenError;
pub use proxy::Environment;

use crate::config::http_client::HttpClient;
use credentials::Authorization;
use headers::ExtraHeaders;
use transport::Transport;

/// Why requests cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A file that cannot be read.
    #[error("{owner}: {key}: cannot read {path}")]
    File {
        /// The block, for example `client NAME`.
        owner: String,
        /// The key.
        key: String,
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A secret that cannot be read.
    #[error("{owner}: {key}")]
    Secret {
        /// The block.
        owner: String,
        /// The key.
        key: String,
        /// Which file, and why.
        #[source]
        cause: SecretFileError,
    },
    /// A header that no request may have.
    #[error("{owner}: header {header:?} is no valid HTTP header")]
    Header {
        /// The block.
        owner: String,
        /// Name of the header; its value may be a secret.
        header: String,
    },
    /// A value that cannot be used.
    #[error("{owner}: {key} {problem}")]
    Value {
        /// The block.
        owner: String,
        /// The key.
        key: String,
        /// What is wrong with it, and what is accepted; never the value of a secret.
        problem: String,
    },
    /// Certificates and keys that TLS cannot use.
    #[error("{owner}: {key}")]
    Tls {
        /// The block.
        owner: String,
        /// The key.
        key: String,
        /// What TLS says.
        #[source]
        cause: rustls::Error,
    },
    /// A proxy or a client that cannot be built.
    #[error("{owner}")]
    Http {
        /// The block.
        owner: String,
        /// What is wrong.
        #[source]
        cause: reqwest::Error,
    },
}

/// Why there is no answer to a request. All of these may pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Name resolution, connection, TLS, or the time limit.
    #[error("request failed")]
    NoAnswer {
        /// Without its URL, which may hold credentials.
        #[source]
        cause: reqwest::Error,
    },
    /// No token from the server of `oauth2`.
    #[error("no OAuth2 token")]
    NoToken {
        /// Why.
        #[source]
        cause: TokenError,
    },
    /// Credentials or a header with characters that no header may have; their file may be mended.
    #[error("the value of {header} has characters that no header may have")]
    InvalidHeader {
        /// Its name.
        header: String,
    },
}

/// Sends requests to one server.
#[derive(Debug)]
pub struct Requester {
    transport: Transport,
    headers: ExtraHeaders,
    authorization: Authorization,
}

impl Requester {
    /// Sends requests to `server` with the keys of `config`; `owner` names the block in errors.
    /// `timeout` is for one request with its answer; `None` for answers without an end.
    ///
    /// All files are read, so that a wrong path is known at the start, and again whenever they
    /// change. Variables of the process are only looked at with `proxy_from_environment`.
    ///
    /// # Errors
    /// [`ConnectError`] names the block and the key.
    pub fn new(
        config: &HttpClient,
        owner: &str,
        server: &Url,
        timeout: Option<Duration>,
    ) -> Result<Self, ConnectError> {
        Self::with_environment(config, owner, server, timeout, &Environment::of_process())
    }

    /// The same, with the proxies of `environment`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_environment(
        config: &HttpClient,
        owner: &str,
        server: &Url,
        timeout: Option<Duration>,
        environment: &Environment,
    ) -> Result<Self, ConnectError> {
        let place = Place { owner: owner.to_owned(), prefix: "" };
        let settings = transport::Settings {
            tls: &config.tls_config,
            proxy: &config.proxy,
            follow_redirects: config.follow_redirects,
            timeout,
            server,
            socket: None,
        };
        Ok(Self {
            transport: Transport::new(&settings, &place, environment)?,
            headers: ExtraHeaders::new(&config.http_headers, &place)?,
            authorization: Authorization::new(config, owner, timeout, environment)?,
        })
    }

    /// Sends requests to who listens at a Unix socket, whatever host their URLs name. The keys of
    /// the configuration are for servers of a network: none is used.
    ///
    /// # Errors
    /// The client cannot be built.
    pub fn over_socket(socket: &Path, owner: &str) -> Result<Self, ConnectError> {
        let config = HttpClient::default();
        let place = Place { owner: owner.to_owned(), prefix: "" };
        let settings = transport::Settings {
            tls: &config.tls_config,
            proxy: &config.proxy,
            follow_redirects: false,
            timeout: None,
            server: &Url::parse("http://localhost/").expect("it is a URL"),
            socket: Some(socket),
        };
        Ok(Self {
            transport: Transport::new(&settings, &place, &Environment::default())?,
            headers: ExtraHeaders::new(&config.http_headers, &place)?,
            authorization: Authorization::None,
        })
    }

    /// Sends a request. With `oauth2`, an answer 401 is taken as a token that was withdrawn: the
    /// request is sent once more with a new one, if its body is not a stream.
    ///
    /// # Errors
    /// [`SendError`]; every status is an answer.
    pub async fn send(&self, mut request: Request) -> Result<Response, SendError> {
        self.headers.add_to(request.headers_mut())?;
        let tokens = match &self.authorization {
            Authorization::OAuth2(tokens) => tokens,
            other => {
                other.add_to(&mut request)?;
                return self.transport.send(request).await;
            }
        };
        let no_token = |cause| SendError::NoToken { cause };
        let token: HeaderValue = tokens.token(None).await.map_err(no_token)?;
        request.headers_mut().insert(AUTHORIZATION, token.clone());
        let again = request.try_clone();
        let answer = self.transport.send(request).await?;
        let (StatusCode::UNAUTHORIZED, Some(mut again)) = (answer.status(), again) else {
            return Ok(answer);
        };
        let token = tokens.token(Some(&token)).await.map_err(no_token)?;
        again.headers_mut().insert(AUTHORIZATION, token);
        self.transport.send(again).await
    }
}

/// Where a key stands, for errors.
#[derive(Debug, Clone)]
struct Place {
    owner: String,
    /// `oauth2.` for the keys below it.
    prefix: &'static str,
}

impl Place {
    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn value(&self, key: &str, problem: impl Into<String>) -> ConnectError {
        ConnectError::Value {
            owner: self.owner.clone(),
            key: self.key(key),
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests;
