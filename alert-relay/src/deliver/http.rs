//! Calls over HTTP: `https` unless to this machine, no redirects, no proxy of the environment, an end
//! to everything.
//!
//! No error has a URL in it: those of webhooks are secrets.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daemon_runtime::secret::Fingerprint;
use instrumentation::json_log::ErrorChain;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::verdict::{Class, Trouble, retry_after};
use crate::time::Moment;

/// To connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// From the beginning of a call to the end of its answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Of an answer; the rest is not read.
const MAX_BODY: usize = 1 << 20;

/// Connections without a request are closed after this time.
const IDLE: Duration = Duration::from_mins(1);

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) pause: Option<Duration>,
    pub(super) body: String,
}

/// Makes calls.
#[derive(Debug)]
pub(super) struct Http {
    ca_file: Option<PathBuf>,
    current: Mutex<(Client, Option<Fingerprint>)>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file with an authority.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Its content.
    #[error("{} holds no usable certificate in PEM", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// The rest.
    #[error("cannot set up TLS: {problem}")]
    Setup {
        /// What the library said.
        problem: String,
    },
}

/// The authorities of a file. Blocks on the disk.
pub(super) fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = fs::read(path).map_err(|cause| TlsError::Read { path: path.to_owned(), cause })?;
    let bad = || TlsError::NoCertificate { path: path.to_owned() };
    let own: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let own = own.map_err(|_| bad())?;
    let mut roots = RootCertStore::empty();
    if own.is_empty() || own.iter().any(|one| roots.add(one.clone()).is_err()) {
        return Err(bad());
    }
    Ok(own)
}

impl Http {
    /// Blocks on the disk.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let current = Mutex::new((client(ca_file)?, look(ca_file)));
        Ok(Self { ca_file: ca_file.map(Path::to_owned), current })
    }

    /// The client to use, made anew when the file with the authority has changed.
    fn client(&self) -> Client {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = look(self.ca_file.as_deref());
        if seen != current.1 {
            current.1 = seen;
            match client(self.ca_file.as_deref()) {
                Ok(client) => current.0 = client,
                Err(error) => tracing::error!(
                    error = %ErrorChain(&error),
                    "new certificate authority cannot be used, keeping the old one"
                ),
            }
        }
        current.0.clone()
    }

    /// A `POST` of JSON.
    pub(super) async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, Trouble> {
        let url = checked(url)?;
        let mut map = HeaderMap::new();
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                Trouble::new(
                    Class::Broken,
                    format!("{name} has characters that no header may have"),
                )
            })?;
            value.set_sensitive(true);
            map.insert(HeaderName::from_static(name), value);
        }
        let request = self.client().post(url).headers(map).body(body);
        let mut response = request.send().await.map_err(|error| no_answer(error, false))?;
        let status = response.status().as_u16();
        let pause = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let pause = pause.and_then(|text| retry_after(text, Moment::now()));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(error, true))? {
            let room = MAX_BODY - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if bytes.len() == MAX_BODY {
                break;
            }
        }
        Ok(Reply { status, pause, body: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

fn no_answer(error: reqwest::Error, has_begun: bool) -> Trouble {
    let error = error.without_url();
    // what was never connected never arrived
    let is_ambiguous = has_begun || !error.is_connect();
    let problem = ErrorChain(&error).to_string();
    Trouble { is_ambiguous, ..Trouble::new(Class::Retry, problem) }
}

fn checked(text: &str) -> Result<Url, Trouble> {
    let broken = |problem: &str| Trouble::new(Class::Broken, problem);
    let url: Url = text.parse().map_err(|_| broken("its URL is none"))?;
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(broken("its URL has no host")),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err(broken("its URL must begin with https://; http:// only to this machine")),
    }
}

fn look(ca_file: Option<&Path>) -> Option<Fingerprint> {
    fs::metadata(ca_file?).ok().map(|found| Fingerprint::of(&found))
}

fn client(ca_file: Option<&Path>) -> Result<Client, TlsError> {
    let setup = |problem: String| TlsError::Setup { problem };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        roots.add_parsable_certificates(authorities(path)?);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("alert-relay/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| setup(error.without_url().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_travel_encrypted_or_not_at_all() {
        for url in [
            "https://hooks.example.com/x",
            "http://127.0.0.1:1/x",
            "http://[::1]/",
            "http://localhost/x",
        ] {
            assert!(checked(url).is_ok(), "{url}");
        }
        for url in [
            "http://hooks.example.com/x",
            "ftp://127.0.0.1/",
            "nonsense",
            "http://10.0.0.1/",
            "file:///x",
        ] {
            let trouble = checked(url).unwrap_err();
            assert_eq!(trouble.class, Class::Broken, "{url}");
            assert!(!trouble.problem.contains("example"), "{}", trouble.problem);
        }
    }

    #[test]
    fn a_file_without_certificates_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Http::new(Some(file.path())).unwrap_err();
        assert!(error.to_string().ends_with("holds no usable certificate in PEM"), "{error}");
    }
}
