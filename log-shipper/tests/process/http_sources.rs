//! Sources that are HTTP servers: what is sent to them arrives, and what cannot is refused.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use reqwest::{Certificate, Client};
use stack_tests::loki::{Entry, Fault};
use stack_tests::test_authority::TestAuthority;

use crate::fixture::{Fixture, PATIENCE, wait};

/// A configuration with one source; `job` is the rest of the scrape config, indented by four.
fn config(fixture: &Fixture, server: &str, job: &str) -> String {
    let whole = fixture.config("", "");
    let (head, _) = whole.split_once("scrape_configs:").unwrap();
    let head = head.replace("http_listen_port: 0}", &format!("http_listen_port: 0{server}}}"));
    format!("{head}scrape_configs:\n  - job_name: source\n{job}")
}

/// The address behind a log line with this text.
fn address(fixture: &Fixture, text: &str) -> String {
    let find = || {
        let log = fixture.shipper_log();
        // a line that is still being written may end within the address
        let mut lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let (_, rest) = lines.find(|line| line.contains(text))?.split_once("address=")?;
        Some(rest.split([' ', '"']).find(|part| !part.is_empty())?.to_owned())
    };
    wait(text, || find().is_some(), || fixture.shipper_log());
    find().unwrap()
}

fn source_address(fixture: &Fixture) -> String {
    address(fixture, "source listening")
}

/// Status and text of the answer to a POST.
fn post(client: &Client, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, String) {
    let mut request = client.post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    run(async move {
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

fn arrived(fixture: &Fixture, count: u64) -> Vec<Entry> {
    let all = fixture.receiver.wait_for(PATIENCE, |state| state.lines() >= count);
    assert!(all, "{}", fixture.shipper_log());
    fixture.receiver.entries()
}

fn lines(entries: &[Entry]) -> Vec<String> {
    let mut lines: Vec<_> =
        entries.iter().map(|entry| String::from_utf8_lossy(&entry.line).into_owned()).collect();
    lines.sort();
    lines
}

fn label<'a>(entry: &'a Entry, name: &str) -> &'a str {
    entry.labels.get(name).unwrap_or_default()
}

const PUSH: &str = "    loki_push_api:
      server: {http_listen_address: 127.0.0.1}
      labels: {job: pushed}
      use_incoming_timestamp: true
      max_send_msg_size: 65536
    relabel_configs:
      - {source_labels: [app], regex: noisy, action: drop}
";

#[test]
fn pushed_streams_arrive_and_a_dropped_one_takes_none_with_it() {
    let mut fixture = Fixture::new();
    fixture.start(&config(&fixture, "", PUSH));
    let url = format!("http://{}/loki/api/v1/push", source_address(&fixture));
    let client = client();
    let json = [("content-type", "application/json; charset=utf-8")];
    let body = br#"{"streams": [
        {"stream": {"app": "noisy"}, "values": [["1700000000000000000", "dropped"]]},
        {"stream": {"app": "good", "job": "theirs", "__hidden": "x"},
         "values": [["1700000000000000001", "one", {"trace": "t"}], ["1700000000000000002", "two"]]}]}"#;
    assert_eq!(post(&client, &url, &json, body.to_vec()), (204, String::new()));
    let entries = arrived(&fixture, 2);
    assert_eq!(lines(&entries), ["one", "two"]);
    assert_eq!((label(&entries[0], "app"), label(&entries[0], "job")), ("good", "pushed"));
    assert_eq!(entries[0].labels.len(), 2);
    assert_eq!(entries[0].timestamp_ns, 1_700_000_000_000_000_001);
    assert_eq!(entries[0].metadata, [("trace".to_owned(), "t".to_owned())]);

    let (status, reason) = post(&client, &url, &json, b"{".to_vec());
    assert!(status == 400 && reason.contains("JSON"), "{status} {reason}");
    let (status, reason) = post(&client, &url, &[], b"no protobuf".to_vec());
    assert!(status == 400 && reason.contains("snappy"), "{status} {reason}");
    let (status, reason) = post(&client, &url, &[("content-encoding", "br")], vec![]);
    assert!(status == 400 && reason.contains("gzip"), "{status} {reason}");
    let (status, reason) = post(&client, &url, &json, vec![b' '; 65_537]);
    assert!(status == 413 && reason.contains("65536"), "{status} {reason}");
}

#[test]
fn a_stream_without_good_labels_is_told_and_takes_none_with_it() {
    let mut fixture = Fixture::new();
    fixture.start(&config(&fixture, "", PUSH));
    let url = format!("http://{}/loki/api/v1/push", source_address(&fixture));
    // PushRequest of two streams, labels `{` and `{a="b"}`, with one line each, "x" without a time
    let mut request = vec![0x0A, 8, 0x0A, 1, b'{', 0x12, 3, 0x12, 1, b'y'];
    request.extend([0x0A, 14, 0x0A, 7]);
    request.extend(b"{a=\"b\"}");
    request.extend([0x12, 3, 0x12, 1, 0xFF]);
    let packed = snap::raw::Encoder::new().compress_vec(&request).unwrap();
    let (status, reason) = post(&client(), &url, &[], packed);
    assert!(status == 400 && reason.contains("labels of a stream"), "{status} {reason}");
    let entries = arrived(&fixture, 1);
    assert_eq!((&*entries[0].line, label(&entries[0], "a")), (&b"\xFF"[..], "b"));
}

#[test]
fn raw_lines_get_the_configured_labels_and_the_server_has_two_more_paths() {
    let mut fixture = Fixture::new();
    fixture.start(&config(&fixture, "", PUSH));
    let address = source_address(&fixture);
    let raw = format!("http://{address}/promtail/api/v1/raw");
    assert_eq!(post(&client(), &raw, &[], b"one\r\n\ntwo\nthree".to_vec()).0, 204);
    let entries = arrived(&fixture, 3);
    assert_eq!(lines(&entries), ["one", "three", "two"]);
    assert_eq!((label(&entries[0], "job"), entries[0].labels.len()), ("pushed", 1));
    let get = |path: &str| {
        let request = client().get(format!("http://{address}{path}"));
        run(async move { request.send().await.unwrap().status().as_u16() })
    };
    assert_eq!((get("/ready"), get("/metrics")), (200, 404));
}

#[test]
fn a_push_waits_for_the_queue_and_a_stop_does_not_wait_for_it() {
    let mut fixture = Fixture::new();
    fixture.receiver.set_fault(Fault::Status(500, None));
    let push = PUSH.replace("65536", "33554432");
    fixture.start(
        &config(&fixture, "", &push)
            .replace("batchwait: 50ms", "batchwait: 50ms\n    batchsize: 1000"),
    );
    let url = format!("http://{}/promtail/api/v1/raw", source_address(&fixture));
    let sender =
        std::thread::spawn(move || post(&client(), &url, &[], b"a line\n".repeat(1 << 20)));
    assert!(fixture.receiver.wait_for(PATIENCE, |state| state.requests >= 3));
    fixture.terminate();
    let (status, reason) = sender.join().unwrap();
    assert_eq!((status, &*reason), (503, "the shipper is stopping\n"), "{}", fixture.shipper_log());
}

#[test]
fn messages_of_a_heroku_drain_arrive_for_their_tenant() {
    let mut fixture = Fixture::new();
    fixture.start(&config(
        &fixture,
        "",
        "    heroku_drain:
      server: {http_listen_address: 127.0.0.1, http_path_prefix: drains}
      labels: {job: heroku}
      use_incoming_timestamp: true
    relabel_configs:
      - {source_labels: [__heroku_drain_app], target_label: app}
      - {source_labels: [__heroku_drain_proc], target_label: proc}
      - {source_labels: [__heroku_drain_param_from], target_label: from}
",
    ));
    let address = source_address(&fixture);
    let url = format!("http://{address}/drains/heroku/api/v1/drain?from=a%20b&from=c");
    let message = "<40>1 2023-11-14T22:13:20.5+00:00 host web-app web.1 - state changed\n";
    let body = format!("{} {message}9 no syslog{} {message}", message.len(), message.len());
    let answer = post(&client(), &url, &[("x-scope-orgid", "team")], body.into_bytes());
    assert!(answer.0 == 400 && answer.1.starts_with("at byte 7"), "{answer:?}");
    let entries = arrived(&fixture, 2);
    assert_eq!(lines(&entries), ["state changed", "state changed"]);
    let first = &entries[0];
    let labels: Vec<_> = first.labels.iter().collect();
    assert_eq!(
        labels,
        [("app", "web-app"), ("from", "a b,c"), ("job", "heroku"), ("proc", "web.1")]
    );
    assert_eq!(first.timestamp_ns, 1_700_000_000_500_000_000);
    assert_eq!(first.tenant.as_deref(), Some("team"));
    let page = metrics(&fixture);
    assert!(page.contains("\npromtail_heroku_drain_target_entries_total 2\n"), "{page}");
    assert!(page.contains("\npromtail_heroku_drain_target_parsing_errors_total 1\n"), "{page}");
}

#[test]
fn entries_that_pubsub_pushes_arrive() {
    let mut fixture = Fixture::new();
    fixture.start(&config(
        &fixture,
        "",
        "    gcplog:
      subscription_type: push
      server: {http_listen_address: 127.0.0.1}
      labels: {job: gcp}
    relabel_configs:
      - {source_labels: [__gcp_message_id], target_label: id}
      - {source_labels: [__gcp_severity], target_label: severity}
",
    ));
    let url = format!("http://{}/gcp/api/v1/push", source_address(&fixture));
    // {"severity": "INFO", "textPayload": "hello"}
    let body = r#"{"message": {"data": "eyJzZXZlcml0eSI6ICJJTkZPIiwgInRleHRQYXlsb2FkIjogImhlbGxvIn0=",
        "messageId": "7"}, "subscription": "projects/p/subscriptions/s"}"#;
    let tenant = [("x-scope-orgid", "team")];
    assert_eq!(post(&client(), &url, &tenant, body.as_bytes().to_vec()).0, 204);
    assert_eq!(post(&client(), &url, &[], b"{}".to_vec()).0, 400);
    let entries = arrived(&fixture, 1);
    let labels: Vec<_> = entries[0].labels.iter().collect();
    assert_eq!(labels, [("id", "7"), ("job", "gcp"), ("severity", "INFO")]);
    assert_eq!((&*entries[0].line, entries[0].tenant.as_deref()), (&b"hello"[..], Some("team")));
    let page = metrics(&fixture);
    assert!(page.contains("\npromtail_gcp_push_target_entries_total 1\n"), "{page}");
    let refused = "\npromtail_gcp_push_target_parsing_errors_total{reason=\"invalid_message\"} 1\n";
    assert!(page.contains(refused), "{page}");
}

#[test]
fn a_subscription_that_is_pulled_is_refused_at_the_start() {
    let mut fixture = Fixture::new();
    fixture.start(&config(&fixture, "", "    gcplog: {project_id: p, subscription: s}\n"));
    fixture.wait_for_log("subscription_type: push");
}

fn metrics(fixture: &Fixture) -> String {
    let url = format!("http://{}/metrics", address(fixture, "ops server listening"));
    let request = client().get(url);
    run(async move { request.send().await.unwrap().text().await.unwrap() })
}

/// Writes `ca.pem`, and certificates and keys of a server and a client, into the test's folder.
fn write_certificates(fixture: &Fixture) -> TestAuthority {
    let authority = TestAuthority::new();
    fs::write(fixture.path("ca.pem"), authority.pem()).unwrap();
    for name in ["server", "client"] {
        let identity = authority.issue(&["127.0.0.1"]);
        fs::write(fixture.path(&format!("{name}.pem")), identity.certificate).unwrap();
        fs::write(fixture.path(&format!("{name}.key")), identity.key).unwrap();
    }
    authority
}

/// A client that trusts this authority alone, and has no certificate.
fn stranger(authority: &TestAuthority) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap()
}

#[test]
fn one_shipper_pushes_to_another_over_tls_with_client_certificates() {
    let mut second = Fixture::new();
    let authority = write_certificates(&second);
    let folder = second.path("").display().to_string();
    let file = |name: &str| format!("{folder}{name}");
    let server = format!(
        "      server:
        http_listen_address: 127.0.0.1
        http_tls_config:
          cert_file: {}
          key_file: {}
          client_ca_file: {}
          client_auth_type: RequireAndVerifyClientCert
",
        file("server.pem"),
        file("server.key"),
        file("ca.pem")
    );
    let push = PUSH
        .replace("      server: {http_listen_address: 127.0.0.1}\n", &server)
        .replace("65536", "1048576");
    second.start(&config(&second, "", &push));
    let address = source_address(&second);

    let mut first = Fixture::new();
    let tls = format!(
        "    tls_config: {{ca_file: {}, cert_file: {}, key_file: {}}}",
        file("ca.pem"),
        file("client.pem"),
        file("client.key")
    );
    let chained = first
        .config(&tls, "")
        .replace(&first.receiver.push_url(), &format!("https://{address}/loki/api/v1/push"));
    let mut writer = crate::fixture::Writer::new(&first.log("app.log"), 0);
    writer.write(2_000);
    first.start(&chained);
    second.wait_for_all(2_000);
    assert_eq!(label(&second.receiver.entries()[0], "job"), "pushed");

    // whoever has no certificate is not heard
    let request = stranger(&authority).get(format!("https://{address}/ready"));
    assert!(run(async move { request.send().await }).is_err());
}

#[test]
fn the_keys_of_the_main_server_are_honoured() {
    let mut fixture = Fixture::new();
    let authority = write_certificates(&fixture);
    let keys = format!(
        ", http_path_prefix: agent, register_instrumentation: false, http_server_read_timeout: \
         100ms, http_tls_config: {{cert_file: {}, key_file: {}}}",
        fixture.path("server.pem").display(),
        fixture.path("server.key").display()
    );
    fixture.start(&config(&fixture, &keys, PUSH));
    let address = address(&fixture, "ops server listening");
    let client = stranger(&authority);
    let get = |path: &str| {
        let request = client.get(format!("https://{address}{path}"));
        run(async move { request.send().await.unwrap().status().as_u16() })
    };
    assert_eq!((get("/agent/ready"), get("/agent/metrics"), get("/ready")), (200, 404, 404));
    // a peer that never says hello is left
    let mut silent = TcpStream::connect(&address).unwrap();
    silent.write_all(&[0x16]).unwrap();
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}

#[test]
fn a_prefix_that_is_no_path_is_refused_with_its_place() {
    let mut fixture = Fixture::new();
    fixture.start(&config(&fixture, ", http_path_prefix: '/{id}'", PUSH));
    fixture.wait_for_log("server.http_path_prefix:");
}
