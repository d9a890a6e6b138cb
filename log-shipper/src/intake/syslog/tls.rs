//! TLS of a listener, from files that may be renewed.
//!
//! Files are looked at when a connection comes; what cannot be loaded then leaves the last good
//! certificate in use.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use instrumentation::json_log::ErrorChain;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};

use crate::config::http_client::ClientTls;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Half of it.
    #[error("tls_config needs both cert_file and key_file")]
    Incomplete,
    /// Keys that are those of clients.
    #[error("tls_config.{0} is not read here: cert_file, key_file and ca_file are accepted")]
    Inline(&'static str),
    /// A file that cannot be read.
    #[error("tls_config.{key}: cannot read {path}")]
    Read {
        /// The key.
        key: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A file in another format.
    #[error("tls_config.{key}: {path} is not a PEM file of the kind that is wanted")]
    Pem {
        /// The key.
        key: &'static str,
        /// The file.
        path: String,
        /// What is missing.
        #[source]
        cause: pem::Error,
    },
    /// Nothing in it.
    #[error("tls_config.{key}: no certificate in {path}")]
    Empty {
        /// The key.
        key: &'static str,
        /// The file.
        path: String,
    },
    /// Certificate and key do not work together.
    #[error("tls_config: the certificate and the key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// Authorities that cannot check anybody.
    #[error("tls_config.ca_file: the certificates cannot check those of senders")]
    Verifier(#[source] VerifierBuilderError),
}

/// Which file it is: device, inode, size, and time of its change.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// Files, and what was loaded from them.
#[derive(Debug)]
pub struct ServerTls {
    files: ClientTls,
    loaded: Mutex<(Vec<Stamp>, Arc<ServerConfig>)>,
}

impl ServerTls {
    /// Loads the files; `None` when none is configured.
    ///
    /// # Errors
    /// They cannot be used; the key is in no error.
    pub fn new(files: &ClientTls) -> Result<Option<Self>, TlsError> {
        let inline = [("ca", &files.ca), ("cert", &files.cert), ("key", files.key.expose())];
        if let Some((key, _)) = inline.into_iter().find(|(_, text)| !text.is_empty()) {
            return Err(TlsError::Inline(key));
        }
        if [&files.cert_file, &files.key_file, &files.ca_file].iter().all(|path| path.is_empty()) {
            return Ok(None);
        }
        if files.cert_file.is_empty() || files.key_file.is_empty() {
            return Err(TlsError::Incomplete);
        }
        let stamps = stamps(files);
        let loaded = Mutex::new((stamps, Arc::new(load(files)?)));
        Ok(Some(Self { files: files.clone(), loaded }))
    }

    /// For a new connection.
    pub fn current(&self) -> Arc<ServerConfig> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.files);
        if stamps != loaded.0 {
            match load(&self.files) {
                Ok(config) => {
                    loaded.1 = Arc::new(config);
                    tracing::info!(path = self.files.cert_file, "certificate read again");
                }
                Err(error) => {
                    let error = ErrorChain(&error).to_string();
                    tracing::error!(error, "certificate cannot be read again, keeping the old one");
                }
            }
            // Tried once per change: a file that is half written changes again.
            loaded.0 = stamps;
        }
        Arc::clone(&loaded.1)
    }
}

fn stamps(files: &ClientTls) -> Vec<Stamp> {
    let stamp = |path: &String| {
        let file = fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
    };
    [&files.cert_file, &files.key_file, &files.ca_file].into_iter().map(stamp).collect()
}

fn load(files: &ClientTls) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let certificates = certificates("cert_file", &files.cert_file)?;
    let (key, path) = ("key_file", &files.key_file);
    let private = PrivateKeyDer::from_pem_slice(&read(key, path)?)
        .map_err(|cause| TlsError::Pem { key, path: path.clone(), cause })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = if files.ca_file.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut authorities = RootCertStore::empty();
        for certificate in self::certificates("ca_file", &files.ca_file)? {
            authorities.add(certificate).map_err(TlsError::Unusable)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider)
            .build()
            .map_err(TlsError::Verifier)?;
        builder.with_client_cert_verifier(verifier)
    };
    builder.with_single_cert(certificates, private).map_err(TlsError::Unusable)
}

fn certificates(key: &'static str, path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |cause| TlsError::Pem { key, path: path.to_owned(), cause };
    let text = read(key, path)?;
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(pem)?;
    if found.is_empty() {
        return Err(TlsError::Empty { key, path: path.to_owned() });
    }
    Ok(found)
}

fn read(key: &'static str, path: &str) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|cause| TlsError::Read { key, path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests;
