//! `http_tls_config`, `tls_min_version` and `tls_cipher_suites`, with Go's names.
//!
//! Files are read once, when the server is built. TLS 1.0 and 1.1 are not spoken, whatever the
//! minimum.

use std::io;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio_rustls::TlsAcceptor;

use crate::config::server::{Server, ServerTls};

/// Why TLS cannot be spoken. No message has a part of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("http_tls_config.{key}: cannot read {path}")]
    File {
        /// The key.
        key: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Text without what is wanted.
    #[error("http_tls_config.{key}: {wanted} in PEM is accepted, and there is none")]
    Pem {
        /// The key.
        key: &'static str,
        /// What should stand there.
        wanted: &'static str,
    },
    /// Half of a pair.
    #[error("http_tls_config: a certificate needs a key, and a key a certificate")]
    Pair,
    /// `client_auth_type`
    #[error(
        "http_tls_config.client_auth_type: {name:?} is unknown: NoClientCert, RequestClientCert, \
         RequireAnyClientCert, VerifyClientCertIfGiven and RequireAndVerifyClientCert are accepted"
    )]
    ClientAuth {
        /// As configured.
        name: String,
    },
    /// An authority that nothing would be checked against, or none where something is.
    #[error(
        "http_tls_config: client_ca_file goes with a client_auth_type of VerifyClientCertIfGiven or \
         RequireAndVerifyClientCert, and they with it"
    )]
    ClientCa,
    /// `tls_min_version`
    #[error(
        "tls_min_version: {name:?} is unknown: VersionTLS10, VersionTLS11, VersionTLS12 and \
         VersionTLS13 are accepted"
    )]
    Version {
        /// As configured.
        name: String,
    },
    /// `tls_cipher_suites`
    #[error("tls_cipher_suites: {name:?} is not spoken; accepted are {accepted}")]
    CipherSuite {
        /// As configured.
        name: String,
        /// All names.
        accepted: String,
    },
    /// Certificate and key that do not belong together, or an algorithm that is not known.
    #[error("http_tls_config: the certificate cannot be used")]
    Certificate(#[from] rustls::Error),
    /// An authority that cannot be one.
    #[error("http_tls_config.client_ca_file cannot be used")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// What accepts connections; `None` for plain HTTP.
pub(super) fn acceptor(config: &Server) -> Result<Option<TlsAcceptor>, TlsError> {
    let tls = &config.http_tls_config;
    let cert = text("cert_file", &tls.cert, &tls.cert_file)?;
    let key = text("key_file", tls.key.expose(), &tls.key_file)?;
    let (cert, key) = match (cert, key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return Ok(None),
        _ => return Err(TlsError::Pair),
    };
    let chain = certificates("cert_file", &cert)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| TlsError::Pem { key: "key_file", wanted: "a private key" })?;
    let provider = Arc::new(provider(&config.tls_cipher_suites)?);
    let verifier = verifier(tls, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(&config.tls_min_version)?)?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

/// What stands in the configuration, else in the file.
fn text(key: &'static str, inline: &str, path: &str) -> Result<Option<Vec<u8>>, TlsError> {
    if !inline.is_empty() {
        return Ok(Some(inline.as_bytes().to_vec()));
    }
    if path.is_empty() {
        return Ok(None);
    }
    let failed = |cause| TlsError::File { key, path: path.to_owned(), cause };
    std::fs::read(path).map(Some).map_err(failed)
}

fn certificates(key: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let none = || TlsError::Pem { key, wanted: "a certificate" };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| none())?;
    if chain.is_empty() { Err(none()) } else { Ok(chain) }
}

static ONLY_TLS13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

fn versions(minimum: &str) -> Result<&'static [&'static SupportedProtocolVersion], TlsError> {
    match minimum {
        "" | "VersionTLS10" | "VersionTLS11" | "VersionTLS12" => Ok(rustls::ALL_VERSIONS),
        "VersionTLS13" => Ok(&ONLY_TLS13),
        name => Err(TlsError::Version { name: name.to_owned() }),
    }
}

/// The suites that are named, and as in Go all of TLS 1.3.
fn provider(suites: &str) -> Result<CryptoProvider, TlsError> {
    let mut provider = rustls::crypto::ring::default_provider();
    let names: Vec<&str> =
        suites.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Ok(provider);
    }
    let go_name = |suite: &rustls::SupportedCipherSuite| {
        format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
    };
    let known: Vec<String> = provider.cipher_suites.iter().map(go_name).collect();
    if let Some(name) = names.iter().find(|name| !known.iter().any(|known| known == *name)) {
        return Err(TlsError::CipherSuite { name: (*name).to_owned(), accepted: known.join(", ") });
    }
    provider
        .cipher_suites
        .retain(|suite| suite.tls13().is_some() || names.contains(&go_name(suite).as_str()));
    Ok(provider)
}

fn verifier(
    tls: &ServerTls,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let ca = text("client_ca_file", &tls.client_ca, &tls.client_ca_file)?;
    let is_checked = match tls.client_auth_type.as_str() {
        ""
        | "NoClientCert"
        | "RequestClientCert"
        | "RequireAnyClientCert"
        | "RequireClientCert" => false,
        "VerifyClientCertIfGiven" | "RequireAndVerifyClientCert" => true,
        name => return Err(TlsError::ClientAuth { name: name.to_owned() }),
    };
    match (is_checked, ca) {
        (true, Some(ca)) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("client_ca_file", &ca)? {
                roots.add(certificate)?;
            }
            let builder =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            let builder = if tls.client_auth_type == "VerifyClientCertIfGiven" {
                builder.allow_unauthenticated()
            } else {
                builder
            };
            Ok(Some(builder.build()?))
        }
        (false, None) => {
            let is_required = tls.client_auth_type.starts_with("Require");
            // a certificate that is asked for and never looked at is not worth asking for
            Ok(is_required.then(|| {
                let algorithms = provider.signature_verification_algorithms;
                Arc::new(AnyCertificate(algorithms)) as Arc<dyn ClientCertVerifier>
            }))
        }
        _ => Err(TlsError::ClientCa),
    }
}

/// `RequireAnyClientCert`: the client must hold the key of its certificate, whoever signed that.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Server)) -> String {
        let mut config = Server::default();
        change(&mut config);
        match acceptor(&config) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn half_a_pair_a_missing_file_and_no_pem_are_refused() {
        assert_eq!(refusal(|_| {}), "accepted");
        assert_eq!(
            refusal(|config| config.http_tls_config.cert = "x".to_owned()),
            "http_tls_config: a certificate needs a key, and a key a certificate"
        );
        assert_eq!(
            refusal(|config| config.http_tls_config.cert_file = "/does/not/exist".to_owned()),
            "http_tls_config.cert_file: cannot read /does/not/exist"
        );
        let no_pem = refusal(|config| {
            config.http_tls_config.cert = "x".to_owned();
            config.http_tls_config.key = "secret".to_owned().into();
        });
        assert_eq!(
            no_pem,
            "http_tls_config.cert_file: a certificate in PEM is accepted, and there is none"
        );
    }

    #[test]
    fn suites_have_gos_names() {
        let two = provider("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256").unwrap();
        assert_eq!(two.cipher_suites.iter().filter(|suite| suite.tls13().is_none()).count(), 1);
        let error = provider("TLS_RSA_WITH_RC4_128_SHA").unwrap_err().to_string();
        assert!(error.contains("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "{error}");
    }

    #[test]
    fn an_authority_and_the_checking_of_clients_go_together() {
        let provider = Arc::new(provider("").unwrap());
        let of = |kind: &str, ca: &str| {
            let tls = ServerTls {
                client_auth_type: kind.to_owned(),
                client_ca: ca.to_owned(),
                ..ServerTls::default()
            };
            verifier(&tls, &provider).map(|verifier| verifier.is_some())
        };
        assert!(!of("", "").unwrap() && !of("NoClientCert", "").unwrap());
        assert!(of("RequireAnyClientCert", "").unwrap());
        assert!(matches!(of("RequireAndVerifyClientCert", ""), Err(TlsError::ClientCa)));
        assert!(matches!(of("", "x"), Err(TlsError::ClientCa)));
        assert!(matches!(of("Sometimes", ""), Err(TlsError::ClientAuth { .. })));
    }
}
