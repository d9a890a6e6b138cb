//! A client of the configuration to an [`Endpoint`]: TLS, proxy, redirects, credentials.

use std::fs;
use std::io;

use daemon_runtime::secret::{Secret, SecretFile, SecretFileError};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, Proxy};

use super::endpoint::{Authorization, Credential, Endpoint};
use crate::config::clients::Client;
use crate::config::http_client::HttpClient;

/// Headers that a push sets itself.
const OWN_HEADERS: [&str; 3] = ["content-type", "x-scope-orgid", "user-agent"];

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A key that this version does not act on.
    #[error("client {client}: {key} is not supported by this version")]
    Unsupported {
        /// Name of the client.
        client: String,
        /// The key.
        key: &'static str,
    },
    /// A file that cannot be read.
    #[error("client {client}: {key}: cannot read {path}")]
    File {
        /// Name of the client.
        client: String,
        /// The key.
        key: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A secret that cannot be read.
    #[error("client {client}: {key}")]
    Secret {
        /// Name of the client.
        client: String,
        /// The key.
        key: &'static str,
        /// Which file, and why.
        #[source]
        cause: SecretFileError,
    },
    /// A header that no request may have.
    #[error("client {client}: header {header:?} is no valid HTTP header")]
    Header {
        /// Name of the client.
        client: String,
        /// Name of the header; its value may be a secret.
        header: String,
    },
    /// Certificates, keys or proxy that cannot be used.
    #[error("client {client}")]
    Http {
        /// Name of the client.
        client: String,
        /// What is wrong.
        #[source]
        cause: reqwest::Error,
    },
}

/// Builds the endpoint of a client. Credential files are read once, so that a wrong path is known
/// at the start, and again whenever they change.
///
/// # Errors
/// [`ConnectError`] names client and key.
pub fn endpoint(config: &Client) -> Result<Endpoint, ConnectError> {
    let name = config.effective_name();
    let url = config.url.get().expect("a client without URL is refused before").clone();
    let authorization = authorization(&config.http, &name)?;
    let mut headers = HeaderMap::new();
    for (header, value) in &config.headers {
        if OWN_HEADERS.contains(&header.to_lowercase().as_str()) {
            tracing::warn!(client = name, header, "a push sets this header itself, ignoring it");
            continue;
        }
        let invalid = || ConnectError::Header { client: name.clone(), header: header.clone() };
        let key = HeaderName::try_from(header).map_err(|_| invalid())?;
        let mut value = HeaderValue::try_from(value.expose()).map_err(|_| invalid())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    let http = http(config, &name)?;
    Ok(Endpoint::new(http, url, headers, authorization))
}

fn http(config: &Client, name: &str) -> Result<reqwest::Client, ConnectError> {
    let failed = |cause: reqwest::Error| ConnectError::Http {
        client: name.to_owned(),
        cause: cause.without_url(),
    };
    let tls = &config.http.tls_config;
    let mut builder = reqwest::Client::builder()
        .timeout(config.timeout.as_duration())
        .redirect(if config.http.follow_redirects { Policy::limited(10) } else { Policy::none() })
        .tls_danger_accept_invalid_certs(tls.insecure_skip_verify)
        .no_proxy();
    if let Some(proxy) = config.http.proxy.proxy_url.get() {
        builder = builder.proxy(Proxy::all(proxy.clone()).map_err(failed)?);
    }
    if let Some(ca) = inline_or_file(name, "tls_config.ca_file", &tls.ca, &tls.ca_file)? {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(&ca).map_err(failed)?);
    }
    let cert = inline_or_file(name, "tls_config.cert_file", &tls.cert, &tls.cert_file)?;
    let key = inline_or_file(name, "tls_config.key_file", tls.key.expose(), &tls.key_file)?;
    if let (Some(mut pem), Some(key)) = (cert, key) {
        pem.push(b'\n');
        pem.extend(key);
        builder = builder.identity(Identity::from_pem(&pem).map_err(failed)?);
    }
    for (key, is_set) in [
        ("tls_config.server_name", !tls.server_name.is_empty()),
        ("tls_config.min_version", !tls.min_version.is_empty()),
        ("tls_config.max_version", !tls.max_version.is_empty()),
        ("proxy_from_environment", config.http.proxy.proxy_from_environment),
        ("proxy_connect_header", !config.http.proxy.proxy_connect_header.is_empty()),
        ("http_headers", !config.http.http_headers.is_empty()),
        ("oauth2", config.http.oauth2.is_some()),
    ] {
        if is_set {
            return Err(ConnectError::Unsupported { client: name.to_owned(), key });
        }
    }
    builder.build().map_err(failed)
}

fn inline_or_file(
    client: &str,
    key: &'static str,
    inline: &str,
    path: &str,
) -> Result<Option<Vec<u8>>, ConnectError> {
    if !inline.is_empty() {
        return Ok(Some(inline.as_bytes().to_vec()));
    }
    if path.is_empty() {
        return Ok(None);
    }
    let error =
        |cause| ConnectError::File { client: client.to_owned(), key, path: path.to_owned(), cause };
    fs::read(path).map(Some).map_err(error)
}

fn authorization(http: &HttpClient, client: &str) -> Result<Authorization, ConnectError> {
    let credential = |key, inline: &str, file: &str| credential(client, key, inline, file);
    if let Some(basic) = &http.basic_auth {
        return Ok(Authorization::Basic {
            username: credential(
                "basic_auth.username_file",
                &basic.username,
                &basic.username_file,
            )?,
            password: credential(
                "basic_auth.password_file",
                basic.password.expose(),
                &basic.password_file,
            )?,
        });
    }
    let (scheme, found) = if let Some(own) = &http.authorization {
        let key = "authorization.credentials_file";
        (own.scheme.clone(), credential(key, own.credentials.expose(), &own.credentials_file)?)
    } else {
        let (inline, file) = (http.bearer_token.expose(), &http.bearer_token_file);
        ("Bearer".to_owned(), credential("bearer_token_file", inline, file)?)
    };
    Ok(found
        .map_or(Authorization::None, |credentials| Authorization::Token { scheme, credentials }))
}

fn credential(
    client: &str,
    key: &'static str,
    inline: &str,
    path: &str,
) -> Result<Option<Credential>, ConnectError> {
    if !path.is_empty() {
        let error = |cause| ConnectError::Secret { client: client.to_owned(), key, cause };
        return SecretFile::open(path).map(|file| Some(Credential::File(file))).map_err(error);
    }
    Ok((!inline.is_empty()).then(|| Credential::Inline(Secret::new(inline.to_owned()))))
}
