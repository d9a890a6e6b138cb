//! Requests to one server that the configuration names.
//!
//! No redirects, no proxies, bounded answers, an end to every wait; the token and the authority are
//! read again when their files change. No error shows a URL's path or a token.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use daemon_runtime::secret::{Fingerprint, SecretFile, SecretFileError};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

pub use reqwest::Method;

/// For a request with its answer, the body included.
const ANSWER: Duration = Duration::from_secs(10);

/// The authority's file is looked at no more often than this.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The configuration's URL.
    #[error("not a URL with http or https and a host")]
    NotAUrl,
    /// A token would be readable on its way.
    #[error("a bearer token needs https, http is accepted to loopback addresses only")]
    TokenInClear,
    /// The file with the token, or with the URL.
    #[error("no secret")]
    Secret(#[source] SecretFileError),
    /// The token cannot stand in a header.
    #[error("the secret in {path} has characters that no header may have")]
    NotAHeader {
        /// Its file.
        path: String,
    },
    /// The file with the authority.
    #[error("no certificate of an authority in {path}")]
    Authority {
        /// Which file.
        path: String,
        /// What is wrong with it.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// The same, with a certificate that cannot be one of an authority.
    #[error("{path} has no certificate that can be an authority's")]
    NoAuthority {
        /// Which file.
        path: String,
    },
    /// The system.
    #[error("no TLS to be had")]
    Tls(#[source] rustls::Error),
    /// No connection, or it broke.
    #[error("no answer")]
    NoAnswer(#[source] reqwest::Error),
    /// It took too long.
    #[error("no answer within {} s", ANSWER.as_secs())]
    Silent,
    /// More than anything expected has.
    #[error("answer has more than {limit} bytes")]
    TooLarge {
        /// What is accepted.
        limit: usize,
    },
    /// Another status than asked for.
    #[error("answered with status {status}")]
    Status {
        /// Which.
        status: u16,
    },
    /// Not the expected JSON.
    #[error("answer is not understood, at line {line}, column {column}")]
    Unreadable {
        /// Counts from 1.
        line: usize,
        /// Counts from 1.
        column: usize,
    },
}

impl From<serde_json::Error> for ClientError {
    /// Without its text, which may show what the answer said.
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable { line: error.line(), column: error.column() }
    }
}

/// Whose certificates are accepted.
#[derive(Debug, Clone, Default)]
pub enum Authorities {
    /// The system's.
    #[default]
    System,
    /// The system's and those of a file.
    SystemAnd(PathBuf),
    /// Those of a file.
    Only(PathBuf),
}

/// Asks one server.
pub struct Client {
    base: Url,
    token: Option<SecretFile>,
    authorities: Authorities,
    current: Mutex<Current>,
}

struct Current {
    http: reqwest::Client,
    seen: Option<Fingerprint>,
    checked: Instant,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of any kind.
    pub status: u16,
    /// As it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, if the status is 2xx.
    ///
    /// # Errors
    /// [`ClientError::Status`].
    pub fn success(self) -> Result<Vec<u8>, ClientError> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        Err(ClientError::Status { status: self.status })
    }
}

impl Client {
    /// For a server at `base`, which may end in a path. Blocks on the disk.
    ///
    /// # Errors
    /// The URL or a file cannot be used.
    pub fn new(
        base: &str,
        bearer_token_file: Option<&Path>,
        authorities: Authorities,
    ) -> Result<Self, ClientError> {
        let mut base = Url::parse(base).map_err(|_| ClientError::NotAUrl)?;
        let is_http = matches!(base.scheme(), "http" | "https");
        if !is_http || base.host().is_none() {
            return Err(ClientError::NotAUrl);
        }
        let is_loopback = match base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if bearer_token_file.is_some() && base.scheme() == "http" && !is_loopback {
            return Err(ClientError::TokenInClear);
        }
        base.set_query(None);
        base.set_fragment(None);
        let token = bearer_token_file.map(SecretFile::open).transpose();
        let token = token.map_err(ClientError::Secret)?;
        // before the file is read: a change in between shows at the next look
        let seen = authorities.fingerprint();
        let http = connect(&authorities)?;
        let current = Mutex::new(Current { http, seen, checked: Instant::now() });
        Ok(Self { base, token, authorities, current })
    }

    /// Sends a request; `path` goes behind the base and may have a query.
    ///
    /// # Errors
    /// Nothing came, or too much. Every status is an answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        json: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Answer, ClientError> {
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let mut url = self.base.clone();
        if !path.is_empty() {
            url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        }
        url.set_query(query);
        let mut request =
            self.http(Instant::now()).request(method, url).header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        if let Some(json) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        let exchange = async {
            let no_answer = |cause: reqwest::Error| ClientError::NoAnswer(cause.without_url());
            let mut answer = request.send().await.map_err(no_answer)?;
            let (status, mut body) = (answer.status().as_u16(), Vec::new());
            while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
                if body.len() + chunk.len() > limit {
                    return Err(ClientError::TooLarge { limit });
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status, body })
        };
        tokio::time::timeout(ANSWER, exchange).await.map_err(|_| ClientError::Silent)?
    }

    fn http(&self, now: Instant) -> reqwest::Client {
        // each field is set whole, so that a panic while it was locked left no half-made state
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(current.checked) >= CHECK_INTERVAL {
            current.checked = now;
            let seen = self.authorities.fingerprint();
            if seen != current.seen
                && let Ok(http) = connect(&self.authorities)
            {
                (current.http, current.seen) = (http, seen);
            }
        }
        current.http.clone()
    }
}

fn bearer(token: &SecretFile) -> Result<HeaderValue, ClientError> {
    // a file that cannot be read for a moment leaves the last token in use
    let secret = token.read().secret;
    let value = HeaderValue::from_str(&format!("Bearer {}", secret.expose()));
    let mut value =
        value.map_err(|_| ClientError::NotAHeader { path: token.path().display().to_string() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Without path and token: both may be secrets.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("host", &self.base.host_str()).finish_non_exhaustive()
    }
}

impl Authorities {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::System => None,
            Self::SystemAnd(path) | Self::Only(path) => Some(path),
        }
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        let metadata = self.file().and_then(|path| std::fs::metadata(path).ok());
        metadata.map(|metadata| Fingerprint::of(&metadata))
    }

    fn roots(&self) -> Result<RootCertStore, ClientError> {
        let mut roots = RootCertStore::empty();
        if !matches!(self, Self::Only(_)) {
            // a system without any is told by the first connection that fails
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if let Some(file) = self.file() {
            let path = file.display().to_string();
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            let certificates: Vec<_> =
                read.map_err(|cause| ClientError::Authority { path: path.clone(), cause })?;
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err(ClientError::NoAuthority { path });
            }
        }
        Ok(roots)
    }
}

fn connect(authorities: &Authorities) -> Result<reqwest::Client, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?
        .with_root_certificates(authorities.roots()?)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(ANSWER)
        .pool_max_idle_per_host(1)
        .user_agent(concat!("bellwether-alert-relay/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(ClientError::NoAnswer)
}
