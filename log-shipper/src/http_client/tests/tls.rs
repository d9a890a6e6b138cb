//! TLS to real servers, with certificates that are made for each test.

use std::fs;
use std::time::Instant;

use rustls::version::{TLS12, TLS13};
use stack_tests::test_authority::{Identity, TestAuthority};
use tempfile::TempDir;

use super::super::transport::CHECK_INTERVAL;
use super::*;

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&TLS12, &TLS13];

fn trusting(authority: &TestAuthority) -> HttpClient {
    let mut config = HttpClient::default();
    config.tls_config.ca = authority.pem();
    config
}

async fn ask(config: &HttpClient, server: &HttpPeer) -> Result<u16, String> {
    let url = format!("https://{}/", server.address());
    get(&requester(config, &url).unwrap(), &url).await.map_err(|error| chain(&error))
}

#[tokio::test]
async fn a_wrong_name_is_refused_unless_it_is_the_configured_one() {
    let authority = TestAuthority::new();
    let server = HttpPeer::contented(Some(authority.server(&["loki.test"], false, BOTH))).await;
    let mut config = trusting(&authority);
    let error = ask(&config, &server).await.unwrap_err();
    assert!(error.contains("certificate not valid for name"), "{error}");
    config.tls_config.server_name = "other.test".to_owned();
    let error = ask(&config, &server).await.unwrap_err();
    assert!(error.contains("certificate not valid for name"), "{error}");
    config.tls_config.server_name = "loki.test".to_owned();
    assert_eq!(ask(&config, &server).await, Ok(204));
    // the name is asked for, and the request itself is for the URL's host
    let seen = &server.seen()[0];
    assert_eq!(seen.server_name.as_deref(), Some("loki.test"));
    assert_eq!(seen.header("host"), server.address().to_string());
}

#[tokio::test]
async fn an_address_can_be_the_servers_name_too() {
    let authority = TestAuthority::new();
    let server = HttpPeer::contented(Some(authority.server(&["10.9.8.7"], false, BOTH))).await;
    let mut config = trusting(&authority);
    assert!(ask(&config, &server).await.is_err());
    config.tls_config.server_name = "10.9.8.7".to_owned();
    assert_eq!(ask(&config, &server).await, Ok(204));
    assert_eq!(server.seen()[0].server_name, None);
}

#[tokio::test]
async fn an_unknown_authority_is_refused_unless_nothing_is_verified() {
    let authority = TestAuthority::new();
    let server = HttpPeer::contented(Some(authority.server(&["127.0.0.1"], false, BOTH))).await;
    let mut config = trusting(&TestAuthority::new());
    assert!(ask(&config, &server).await.unwrap_err().contains("invalid peer certificate"));
    config.tls_config.insecure_skip_verify = true;
    assert_eq!(ask(&config, &server).await, Ok(204));
    assert_eq!(ask(&trusting(&authority), &server).await, Ok(204));
}

#[tokio::test]
async fn versions_outside_the_configured_ones_are_not_spoken() {
    let authority = TestAuthority::new();
    for (version, min, max, works) in [
        (&TLS12, "TLS13", "", false),
        (&TLS13, "", "TLS12", false),
        (&TLS12, "TLS10", "TLS12", true),
        (&TLS13, "TLS13", "TLS13", true),
    ] {
        let tls = authority.server(&["127.0.0.1"], false, &[version]);
        let server = HttpPeer::contented(Some(tls)).await;
        let mut config = trusting(&authority);
        config.tls_config.min_version = min.to_owned();
        config.tls_config.max_version = max.to_owned();
        assert_eq!(ask(&config, &server).await.is_ok(), works, "{version:?} {min} {max}");
    }
}

/// Files that are replaced, and the client that reads them.
struct Rotation {
    directory: TempDir,
    config: HttpClient,
}

impl Rotation {
    fn new(authority: &TestAuthority, identity: &Identity) -> Self {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let mut config = HttpClient::default();
        let tls = &mut config.tls_config;
        (tls.ca_file, tls.cert_file, tls.key_file) = (path("ca"), path("cert"), path("key"));
        let rotation = Self { directory, config };
        rotation.write("ca", &authority.pem());
        rotation.write("cert", &identity.certificate);
        rotation.write("key", &identity.key);
        rotation
    }

    /// As a rotation does it: another file takes the place of the old one.
    fn write(&self, name: &str, content: &str) {
        let fresh = self.directory.path().join("fresh");
        fs::write(&fresh, content).unwrap();
        fs::rename(fresh, self.directory.path().join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_and_a_new_one_once_its_files_change() {
    let authority = TestAuthority::new();
    let server = HttpPeer::contented(Some(authority.server(&["127.0.0.1"], true, BOTH))).await;
    assert!(ask(&trusting(&authority), &server).await.is_err(), "a certificate is needed");

    let (first, second) = (authority.issue(&["one"]), authority.issue(&["two"]));
    let rotation = Rotation::new(&authority, &first);
    let url = format!("https://{}/", server.address());
    let requester = requester(&rotation.config, &url).unwrap();
    let look = |looks: u32| requester.transport.client(Instant::now() + CHECK_INTERVAL * looks);
    assert_eq!(get(&requester, &url).await.unwrap(), 204);

    // half of the rotation: certificate and key do not belong together, the old ones stay
    rotation.write("cert", &second.certificate);
    look(1);
    assert_eq!(get(&requester, &url).await.unwrap(), 204);
    rotation.write("key", &second.key);
    look(3);
    assert_eq!(get(&requester, &url).await.unwrap(), 204);
    // garbage is not taken either
    rotation.write("ca", "garbage");
    look(5);
    assert_eq!(get(&requester, &url).await.unwrap(), 204);

    let shown: Vec<_> = server.seen().into_iter().map(|one| one.client_certificate).collect();
    assert_eq!(shown[0], shown[1]);
    assert_ne!(shown[1], shown[2]);
    assert_eq!(shown[2], shown[3]);
}

#[tokio::test]
async fn a_new_authority_is_trusted_once_the_file_was_looked_at() {
    let authority = TestAuthority::new();
    let server = HttpPeer::contented(Some(authority.server(&["127.0.0.1"], false, BOTH))).await;
    let rotation = Rotation::new(&TestAuthority::new(), &authority.issue(&["one"]));
    let url = format!("https://{}/", server.address());
    let requester = requester(&rotation.config, &url).unwrap();
    assert!(get(&requester, &url).await.is_err(), "not yet trusted");
    rotation.write("ca", &authority.pem());
    requester.transport.client(Instant::now() + CHECK_INTERVAL);
    assert_eq!(get(&requester, &url).await.unwrap(), 204);
}

#[test]
fn broken_files_are_named_at_the_start_without_their_content() {
    let authority = TestAuthority::new();
    let (one, two) = (authority.issue(&["one"]), authority.issue(&["two"]));
    let problem = |file: &str, content: &str| {
        let rotation = Rotation::new(&authority, &one);
        rotation.write(file, content);
        requester(&rotation.config, "https://x/").unwrap_err().to_string()
    };
    assert_eq!(problem("ca", ""), "client a: tls_config.ca_file holds no certificate in PEM");
    assert_eq!(problem("cert", "x"), "client a: tls_config.cert_file holds no certificate in PEM");
    assert_eq!(
        problem("key", &one.certificate),
        "client a: tls_config.key_file holds no private key in PEM"
    );
    assert_eq!(problem("key", &two.key), "client a: tls_config.cert_file with tls_config.key_file");
}
