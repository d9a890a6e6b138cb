//! The receiver over HTTP, as a shipper and as Grafana see it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

type Stream<'a> = (&'a str, &'a [(i64, &'a [u8])]);

/// Encodes a push request: labels and entries of streams.
pub(super) fn push_request(streams: &[Stream<'_>]) -> Vec<u8> {
    let mut request = Vec::new();
    for (labels, entries) in streams {
        let mut stream = field(1, labels.as_bytes());
        for (time, line) in *entries {
            let mut timestamp = vec![0x08];
            varint(&mut timestamp, (time / 1_000_000_000).cast_unsigned());
            timestamp.push(0x10);
            varint(&mut timestamp, (time % 1_000_000_000).cast_unsigned());
            let entry = [field(1, &timestamp), field(2, line)].concat();
            stream.extend(field(2, &entry));
        }
        request.extend(field(1, &stream));
    }
    request
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Sends a request on a connection of its own; the whole answer, empty if there is none.
fn send(receiver: &Receiver, request: &str, headers: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(receiver.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    String::from_utf8(answer).unwrap()
}

fn get(receiver: &Receiver, path: &str) -> String {
    let answer = send(receiver, &format!("GET {path}"), "", b"");
    answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}")).1.to_owned()
}

fn push_with(receiver: &Receiver, headers: &str, lines: &[&str]) -> String {
    let entries: Vec<(i64, &[u8])> =
        lines.iter().zip(1..).map(|(line, time)| (time, line.as_bytes())).collect();
    let request = push_request(&[(r#"{job="a", pod="p"}"#, &entries)]);
    let body = snap::raw::Encoder::new().compress_vec(&request).unwrap();
    send(receiver, "POST /loki/api/v1/push", headers, &body)
}

fn push(receiver: &Receiver, lines: &[&str]) -> String {
    push_with(receiver, "Content-Type: application/x-protobuf\r\n", lines)
}

fn order(receiver: &Receiver, body: &str) -> String {
    send(receiver, "POST /test/faults", "", body.as_bytes())
}

#[test]
fn pushed_lines_are_stored_and_found() {
    let receiver = Receiver::local();
    assert!(push(&receiver, &["one", "two"]).starts_with("HTTP/1.1 204 "));
    assert!(push_with(&receiver, "X-Scope-OrgID: t\r\n", &["other"]).starts_with("HTTP/1.1 204 "));
    assert!(receiver.wait_for(PATIENCE, |state| state.lines() == 3));
    assert_eq!((receiver.count(r#"{job="a"}"#), receiver.count(r#"{job="b"}"#)), (3, 0));
    let entries = receiver.entries();
    assert_eq!(
        (entries[0].line.as_slice(), entries[2].tenant.as_deref()),
        (&b"one"[..], Some("t"))
    );

    let query =
        "/loki/api/v1/query_range?query=%7Bjob%3D%22a%22%7D&start=0&end=1&direction=forward";
    let expected = r#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{"job":"a","pod":"p"},"values":[["1","one"],["2","two"]]}],"stats":{}}}"#;
    assert_eq!(get(&receiver, query), expected);
    assert_eq!(
        get(&receiver, "/loki/api/v1/labels"),
        r#"{"status":"success","data":["job","pod"]}"#
    );
    assert_eq!(
        get(&receiver, "/loki/api/v1/label/pod/values"),
        r#"{"status":"success","data":["p"]}"#
    );
    let series =
        "/loki/api/v1/series?match%5B%5D=%7Bjob%3D%22a%22%7D&match%5B%5D=%7Bx%3D%22y%22%7D";
    assert_eq!(get(&receiver, series), r#"{"status":"success","data":[{"job":"a","pod":"p"}]}"#);
    let of_tenant = send(&receiver, &format!("GET {query}"), "X-Scope-OrgID: t\r\n", b"");
    assert!(of_tenant.contains(r#"[["1","other"]]"#), "{of_tenant}");
    let metrics = get(&receiver, "/metrics");
    assert!(
        metrics.contains("loki_distributor_lines_received_total{tenant=\"fake\"} 2\n"),
        "{metrics}"
    );
    assert!(metrics.contains("loki_receiver_requests_total 2\n"), "{metrics}");
}

#[test]
fn grafana_finds_what_it_asks_for() {
    let receiver = Receiver::local();
    assert_eq!(get(&receiver, "/ready"), "ready\n");
    assert!(get(&receiver, "/loki/api/v1/status/buildinfo").contains(r#""version":""#));
    let health = get(&receiver, "/loki/api/v1/query?query=vector(1)%2Bvector(1)");
    assert!(health.contains(r#""resultType":"vector""#) && health.contains(r#""2"]"#), "{health}");
    let refused = send(&receiver, "GET /loki/api/v1/query_range?query=rate(x)", "", b"");
    assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("byte 0"), "{refused}");
}

#[test]
fn what_cannot_be_decoded_is_refused_with_the_reason() {
    let receiver = Receiver::local();
    let answer = send(&receiver, "POST /loki/api/v1/push", "", b"no snappy");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("snappy"), "{answer}");
    let json = "Content-Type: application/json\r\n";
    let answer = send(&receiver, "POST /loki/api/v1/push", json, b"{}");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("missing field"), "{answer}");
    receiver.with(|state| {
        assert_eq!((state.requests, state.accepted, state.undecodable.len()), (2, 0, 2));
    });
}

#[test]
fn a_script_goes_before_the_standing_fault() {
    let receiver = Receiver::local();
    receiver.set_fault(Fault::Status(503, None));
    receiver.script([Fault::Status(429, Some(7)), Fault::None]);
    let answer = push(&receiver, &["a"]);
    assert!(
        answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 7\r\n"),
        "{answer}"
    );
    assert!(push(&receiver, &["b"]).starts_with("HTTP/1.1 204 "));
    assert!(push(&receiver, &["c"]).starts_with("HTTP/1.1 503 "));
    receiver.set_fault(Fault::None);
    assert!(push(&receiver, &["d"]).starts_with("HTTP/1.1 204 "));
    assert_eq!(receiver.with(State::texts), ["b", "d"]);
    let statuses: Vec<_> = receiver.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(429), Some(204), Some(503), Some(204)]);
}

#[test]
fn a_connection_is_closed_without_an_answer() {
    let receiver = Receiver::local();
    receiver.script([Fault::Close, Fault::Stored(Box::new(Fault::Close))]);
    assert_eq!(push(&receiver, &["lost"]), "");
    assert_eq!(push(&receiver, &["kept"]), "");
    assert_eq!(receiver.with(State::texts), ["kept"]);
    assert_eq!(receiver.requests()[1].entries, 1);
}

#[test]
fn an_early_answer_comes_before_the_body() {
    let receiver = Receiver::local();
    receiver.script([Fault::Early(Box::new(Fault::Status(413, None)))]);
    let mut stream = TcpStream::connect(receiver.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        .unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[test]
fn silence_lasts_until_the_receiver_is_dropped() {
    let receiver = Receiver::local();
    receiver.set_fault(Fault::Silence);
    let mut stream = TcpStream::connect(receiver.address()).unwrap();
    write!(stream, "POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    assert!(receiver.wait_for(PATIENCE, |state| !state.recent_requests.is_empty()));
    assert_eq!(receiver.requests()[0].status, None);
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let address = receiver.address();
    drop(receiver);
    stream.set_nonblocking(false).unwrap();
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)), "the connection is closed");
    // the port is free again
    drop(Receiver::start(address, Options::default()));
}

#[test]
fn faults_are_ordered_over_http() {
    let receiver = Receiver::local();
    let both = r#"{"standing": {"status": 500}, "script": [{"close": true}]}"#;
    assert!(order(&receiver, both).starts_with("HTTP/1.1 204 "));
    assert_eq!(push(&receiver, &["a"]), "");
    assert!(push(&receiver, &["a"]).starts_with("HTTP/1.1 500 "));
    assert!(order(&receiver, "{}").starts_with("HTTP/1.1 204 "));
    assert!(push(&receiver, &["a"]).starts_with("HTTP/1.1 204 "));
    let refused = order(&receiver, r#"{"state": 500}"#);
    assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("unknown field"), "{refused}");
}

#[test]
fn limits_refuse_a_part_and_say_which() {
    let options = Options { limits: Some(Limits::default()), ..Options::default() };
    let receiver = Receiver::start(SocketAddr::from(([127, 0, 0, 1], 0)), options);
    let answer = push(&receiver, &["from 1970"]);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains(r#"entry for stream '{job="a", pod="p"}' has timestamp too old"#),
        "{answer}"
    );
    let name =
        "loki_discarded_samples_total{reason=\"greater_than_max_sample_age\",tenant=\"fake\"} 1\n";
    assert!(get(&receiver, "/metrics").contains(name));
}

#[test]
fn a_condition_that_never_holds_ends_with_the_patience() {
    let receiver = Receiver::local();
    assert!(!receiver.wait_for(Duration::ZERO, |state| state.requests > 0));
}

#[test]
fn a_push_wakes_those_who_wait_for_it() {
    let receiver = Receiver::local();
    let (looked, first_look) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let started = Instant::now();
            let arrived = receiver.wait_for(PATIENCE, |state| {
                let _ = looked.send(());
                state.requests == 1
            });
            (arrived, started.elapsed())
        });
        // it has looked once in vain and waits, or holds the lock until it does
        first_look.recv().unwrap();
        push(&receiver, &["x"]);
        let (arrived, took) = waiting.join().unwrap();
        assert!(arrived && took < PATIENCE, "{took:?}");
    });
}
