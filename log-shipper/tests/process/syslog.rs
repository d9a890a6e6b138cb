//! Syslog senders over TCP, TLS and UDP.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use stack_tests::daemon_process::free_port;

use crate::fixture::{Fixture, PATIENCE, wait};

/// What arrived: labels and line.
pub(crate) type Arrived = (Vec<(String, String)>, String);

pub(crate) fn arrived(fixture: &Fixture) -> Vec<Arrived> {
    let label = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let entries = fixture.receiver.entries();
    let mut found: Vec<_> = entries
        .iter()
        .map(|entry| {
            let line = String::from_utf8_lossy(&entry.line).into_owned();
            (entry.labels.iter().map(label).collect(), line)
        })
        .collect();
    found.sort();
    found
}

/// A configuration whose only job is this one.
pub(crate) fn config(fixture: &Fixture, job: &str) -> String {
    let config = fixture.config("", "");
    let (head, _) = config.split_once("scrape_configs:").unwrap();
    format!("{head}scrape_configs:\n  - job_name: test\n{job}")
}

fn start(fixture: &mut Fixture, keys: &str) -> u16 {
    let port = free_port();
    let job = format!(
        "    syslog:
      listen_address: 127.0.0.1:{port}
      labels: {{job: syslog}}
{keys}
    relabel_configs:
      - {{source_labels: [__syslog_message_severity], target_label: severity}}
      - {{source_labels: [__syslog_message_facility], target_label: facility}}
      - {{source_labels: [__syslog_message_hostname], target_label: host}}
      - {{source_labels: [__syslog_connection_ip_address], target_label: address}}
      - {{source_labels: [__syslog_message_sd_exampleSDID_32473_iut], target_label: iut}}
      - {{source_labels: [__syslog_message_app_name], regex: noisy, action: drop}}
"
    );
    let config = config(fixture, &job);
    fixture.start(&config);
    fixture.wait_for_log("source listening");
    port
}

fn labels(severity: &str, facility: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut labels = vec![
        ("address", "127.0.0.1"),
        ("facility", facility),
        ("job", "syslog"),
        ("severity", severity),
    ];
    labels.extend_from_slice(more);
    labels.sort_unstable();
    labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn wait_for(fixture: &Fixture, lines: u64) {
    let came = fixture.receiver.wait_for(PATIENCE, |state| state.lines() >= lines);
    assert!(came, "{:?}\n{}", arrived(fixture), fixture.shipper_log());
}

#[test]
fn tcp_messages_arrive_with_both_framings_and_survive_bad_ones() {
    let mut fixture = Fixture::new();
    let port = start(
        &mut fixture,
        "      label_structured_data: true\n      use_incoming_timestamp: true",
    );
    let counted = "<165>1 2003-10-11T22:14:15.003Z host app - ID47 \
                   [exampleSDID@32473 iut=\"3\"] counted";
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let noisy = "<34>1 - host noisy - - - dropped";
    let bad = "<34>no message at all";
    for message in [noisy, bad, counted] {
        write!(stream, "{} {message}", message.len()).unwrap();
    }
    let mut lines = TcpStream::connect(("127.0.0.1", port)).unwrap();
    lines.write_all(b"<34>1 2003-10-11T22:14:15Z - su - - - nontransparent msg\n").unwrap();
    lines.write_all(b"garbage\n").unwrap();
    wait_for(&fixture, 2);
    let expected = [
        (labels("critical", "auth", &[]), "nontransparent msg\ngarbage".to_owned()),
        (labels("notice", "local4", &[("host", "host"), ("iut", "3")]), "counted".to_owned()),
    ];
    assert_eq!(arrived(&fixture), expected);
    let times: Vec<_> =
        fixture.receiver.entries().iter().map(|entry| entry.timestamp_ns / 1_000_000_000).collect();
    assert_eq!(times, [1_065_910_455; 2]);
    fixture.wait_for_log("syslog message cannot be read");
    assert!(!fixture.shipper_log().contains("no message at all"));
    // What cannot be framed ends its connection, and no other.
    let mut nonsense = TcpStream::connect(("127.0.0.1", port)).unwrap();
    nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(matches!(nonsense.read(&mut [0; 1]), Ok(0) | Err(_)));
    lines.write_all(b"<34>1 - - - - - - still here\n").unwrap();
    wait_for(&fixture, 3);
    assert!(fixture.terminate().success());
}

#[test]
fn udp_messages_arrive_and_each_datagram_stands_for_itself() {
    let mut fixture = Fixture::new();
    let port = start(&mut fixture, "      listen_protocol: udp\n      syslog_format: rfc3164");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in ["nonsense", "<34>Oct 11 22:14:15 router su[7]: one\n", "<13>two"] {
        socket.send_to(datagram.as_bytes(), ("127.0.0.1", port)).unwrap();
    }
    wait_for(&fixture, 2);
    let expected = [
        (labels("critical", "auth", &[("host", "router")]), "one".to_owned()),
        (labels("notice", "user", &[]), "two".to_owned()),
    ];
    assert_eq!(arrived(&fixture), expected);
    assert!(fixture.terminate().success());
}

/// An authority, and files with a certificate and its key.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: rcgen::Issuer::new(params, key) }
    }

    fn write(&self, fixture: &Fixture, name: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let paths = [format!("{name}.pem"), format!("{name}.key")]
            .map(|name| fixture.path(&name).to_str().unwrap().to_owned());
        fs::write(&paths[0], certificate.pem()).unwrap();
        fs::write(&paths[1], key.serialize_pem()).unwrap();
        paths.into()
    }
}

fn connect(
    authority: &Authority,
    port: u16,
    identity: Option<&(String, String)>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", port)).unwrap())
}

#[test]
fn tls_senders_need_a_certificate_where_an_authority_is_configured() {
    let mut fixture = Fixture::new();
    let authority = Authority::new();
    let (certificate, key) = authority.write(&fixture, "server");
    let ca = fixture.path("ca.pem");
    fs::write(&ca, authority.certificate.pem()).unwrap();
    let keys = format!(
        "      tls_config: {{cert_file: {certificate}, key_file: {key}, ca_file: {}}}",
        ca.display()
    );
    let port = start(&mut fixture, &keys);
    let client = authority.write(&fixture, "client");
    let message = b"<34>1 - - - - - - over TLS\n";
    let mut stranger = connect(&authority, port, None);
    let refused = stranger.write_all(message).and_then(|()| stranger.read(&mut [0; 1]));
    assert!(refused.is_err(), "{refused:?}");
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.write_all(message).unwrap();
    let mut sender = connect(&authority, port, Some(&client));
    sender.write_all(message).unwrap();
    wait_for(&fixture, 1);
    fixture.wait_for_log("TLS handshake failed");
    // A renewed certificate is used from the next connection on.
    authority.write(&fixture, "server");
    let mut sender = connect(&authority, port, Some(&client));
    sender.write_all(message).unwrap();
    wait_for(&fixture, 2);
    fixture.wait_for_log("certificate read again");
    let lines: Vec<_> = arrived(&fixture).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["over TLS"; 2]);
}

#[test]
fn senders_wait_while_loki_is_down_and_nothing_is_lost() {
    let mut fixture = Fixture::new();
    fixture.receiver.set_fault(stack_tests::loki::Fault::Status(503, None));
    let port = start(&mut fixture, "");
    let messages = 20_000;
    let sender = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        for number in 0..messages {
            let message = format!("<34>1 - - - - - - {} seq={number} end", "x".repeat(500));
            write!(stream, "{} {message}", message.len()).unwrap();
        }
    });
    wait(
        "a first refused push",
        || !fixture.receiver.requests().is_empty(),
        || fixture.shipper_log(),
    );
    fixture.receiver.set_fault(stack_tests::loki::Fault::None);
    fixture.wait_for_all(messages);
    sender.join().unwrap();
    assert_eq!(fixture.duplicates(), 0);
}
