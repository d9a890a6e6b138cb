//! `tls_config` as a configuration of rustls, made again when its files change.
//!
//! A new file that cannot be used costs a log line and nothing else: what worked stays in use.

mod verifier;

use std::fs;
use std::sync::Arc;

use daemon_runtime::secret::{Fingerprint, Secret};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::{ConnectError, Place};
use crate::config::http_client::ClientTls;

/// TLS towards one server.
#[derive(Debug)]
pub(super) struct TlsRecipe {
    place: Place,
    keys: ClientTls,
    versions: Vec<&'static SupportedProtocolVersion>,
    server_name: Option<ServerName<'static>>,
}

/// What the files of a recipe looked like, in the order of their keys; `None` for one that is not
/// there.
pub(super) type Fingerprints = Vec<Option<Fingerprint>>;

impl TlsRecipe {
    pub(super) fn new(keys: &ClientTls, place: &Place) -> Result<Self, ConnectError> {
        let name = &keys.server_name;
        let server_name = if name.is_empty() {
            None
        } else {
            let problem = "is no host name and no IP address";
            let parsed = ServerName::try_from(name.clone());
            Some(parsed.map_err(|_| place.value("tls_config.server_name", problem))?)
        };
        let (place, versions) = (place.clone(), versions(keys, place)?);
        Ok(Self { place, keys: keys.clone(), versions, server_name })
    }

    /// The name that the server must have instead of its host, where that is no IP address.
    pub(super) fn server_dns_name(&self) -> Option<&str> {
        match &self.server_name {
            Some(ServerName::DnsName(name)) => Some(name.as_ref()),
            _ => None,
        }
    }

    /// A look at the files, without reading them.
    pub(super) fn fingerprints(&self) -> Fingerprints {
        let keys = &self.keys;
        let paths = [&keys.ca_file, &keys.cert_file, &keys.key_file];
        let look = |path: &String| fs::metadata(path).ok().map(|found| Fingerprint::of(&found));
        paths.into_iter().filter(|path| !path.is_empty()).map(look).collect()
    }

    /// Reads the files. Blocks on the disk.
    pub(super) fn build(&self) -> Result<ClientConfig, ConnectError> {
        let keys = &self.keys;
        let failed = |key: &'static str| {
            move |cause| ConnectError::Tls {
                owner: self.place.owner.clone(),
                key: self.place.key(key),
                cause,
            }
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .map_err(failed("tls_config"))?;
        let builder = if keys.insecure_skip_verify {
            builder.dangerous().with_custom_certificate_verifier(verifier::any(&provider))
        } else {
            let roots = Arc::new(self.authorities()?);
            let verifier = verifier::named(roots, &provider, self.server_name.clone());
            builder.dangerous().with_custom_certificate_verifier(verifier)
        };
        let cert = self.pem("tls_config.cert_file", &keys.cert, &keys.cert_file)?;
        let key = self.pem("tls_config.key_file", keys.key.expose(), &keys.key_file)?;
        let mut config = match (cert, key) {
            (Some(cert), Some(key)) => {
                let chain = self.certificates("tls_config.cert_file", &cert)?;
                let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|_| {
                    self.place.value("tls_config.key_file", "holds no private key in PEM")
                })?;
                let failed = failed("tls_config.cert_file with tls_config.key_file");
                builder.with_client_auth_cert(chain, key).map_err(failed)?
            }
            _ => builder.with_no_client_auth(),
        };
        // HTTP/2 stays off, as in Promtail
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // an address is no name to ask for, and the host's would be the wrong one
        config.enable_sni = !matches!(self.server_name, Some(ServerName::IpAddress(_)));
        Ok(config)
    }

    /// Those of `ca` or `ca_file` only, or else the system's.
    fn authorities(&self) -> Result<RootCertStore, ConnectError> {
        let mut roots = RootCertStore::empty();
        let key = "tls_config.ca_file";
        if let Some(pem) = self.pem(key, &self.keys.ca, &self.keys.ca_file)? {
            for certificate in self.certificates(key, &pem)? {
                roots.add(certificate).map_err(|cause| ConnectError::Tls {
                    owner: self.place.owner.clone(),
                    key: self.place.key(key),
                    cause,
                })?;
            }
        } else {
            // none at all is no error: without TLS none is needed, and with it the answer is clear
            let found = rustls_native_certs::load_native_certs();
            let (added, ignored) = roots.add_parsable_certificates(found.certs);
            let problems = found.errors.len();
            tracing::debug!(added, ignored, problems, "certificate authorities of the system");
        }
        Ok(roots)
    }

    fn certificates(
        &self,
        key: &str,
        pem: &Secret<Vec<u8>>,
    ) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(pem.expose())
            .collect::<Result<_, _>>()
            .map_err(|_| self.place.value(key, "holds a broken certificate in PEM"))?;
        if found.is_empty() {
            return Err(self.place.value(key, "holds no certificate in PEM"));
        }
        Ok(found)
    }

    fn pem(
        &self,
        key: &str,
        inline: &str,
        path: &str,
    ) -> Result<Option<Secret<Vec<u8>>>, ConnectError> {
        if !inline.is_empty() {
            return Ok(Some(Secret::new(inline.as_bytes().to_vec())));
        }
        if path.is_empty() {
            return Ok(None);
        }
        let failed = |cause| ConnectError::File {
            owner: self.place.owner.clone(),
            key: self.place.key(key),
            path: path.to_owned(),
            cause,
        };
        fs::read(path).map(|pem| Some(Secret::new(pem))).map_err(failed)
    }
}

/// TLS 1.2 and 1.3 as far as `min_version` and `max_version` allow them.
fn versions(
    keys: &ClientTls,
    place: &Place,
) -> Result<Vec<&'static SupportedProtocolVersion>, ConnectError> {
    let (min, max) = (keys.min_version.as_str(), keys.max_version.as_str());
    if matches!(min, "TLS10" | "TLS11") {
        let key = place.key("tls_config.min_version");
        tracing::warn!(owner = place.owner, key, "TLS 1.2 is the oldest version spoken, using it");
    }
    // the names sort as the versions do
    let (min, max) = (min.max("TLS12"), if max.is_empty() { "TLS13" } else { max });
    let wanted: Vec<_> = [("TLS12", &TLS12), ("TLS13", &TLS13)]
        .into_iter()
        .filter(|(name, _)| (min..=max).contains(name))
        .map(|(_, version)| version)
        .collect();
    if wanted.is_empty() {
        let problem = format!(
            "{max} leaves no version with min_version {min}: accepted are TLS12 and TLS13, not \
             below min_version"
        );
        return Err(place.value("tls_config.max_version", problem));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(min: &str, max: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
        let keys = ClientTls {
            min_version: min.to_owned(),
            max_version: max.to_owned(),
            ..ClientTls::default()
        };
        let place = Place { owner: "client a".to_owned(), prefix: "" };
        versions(&keys, &place).map_err(|error| error.to_string())
    }

    #[test]
    fn versions_that_nobody_speaks_any_more_mean_the_oldest_that_is_left() {
        assert_eq!(spoken("", "").unwrap(), [&TLS12, &TLS13]);
        assert_eq!(spoken("TLS10", "TLS12").unwrap(), [&TLS12]);
        assert_eq!(spoken("TLS13", "").unwrap(), [&TLS13]);
        assert_eq!(
            spoken("", "TLS11").unwrap_err(),
            "client a: tls_config.max_version TLS11 leaves no version with min_version TLS12: \
             accepted are TLS12 and TLS13, not below min_version"
        );
        assert!(spoken("TLS13", "TLS12").is_err());
    }
}
