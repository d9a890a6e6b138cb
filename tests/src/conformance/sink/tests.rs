use std::io::Read;

use super::*;
use crate::patience::PATIENCE;

const BODY: &str = r#"{"streams":[{"stream":{"a":"b"},"values":[["1","one"],["2","two"]]}]}"#;

/// Pushes [`BODY`] and returns everything that comes back until the connection is closed.
fn push(sink: &Sink) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", sink.port())).unwrap();
    write!(
        stream,
        "POST {PUSH_PATH}?client=c HTTP/1.1\r\nContent-Type: application/json\r\n\
         X-Scope-OrgID: t\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
    .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_accepted_push_is_recorded() {
    let sink = Sink::start(SinkOptions::default()).unwrap();
    assert!(push(&sink).starts_with("HTTP/1.1 204 "));
    assert!(sink.wait(PATIENCE, |state| state.entries.len() == 2));
    sink.read(|state| {
        let entry = &state.entries[1];
        assert_eq!((entry.client.as_str(), entry.tenant.as_deref()), ("c", Some("t")));
        assert_eq!((entry.line.as_slice(), state.batches.as_slice()), (&b"two"[..], &[2][..]));
    });
}

#[test]
fn the_script_comes_first_and_refused_pushes_are_not_recorded() {
    let options = SinkOptions { script: vec![500], ..SinkOptions::default() };
    let sink = Sink::start(options).unwrap();
    assert!(push(&sink).starts_with("HTTP/1.1 500 "));
    assert!(push(&sink).starts_with("HTTP/1.1 204 "));
    assert_eq!(sink.read(|state| (state.requests, state.entries.len())), (2, 2));
}

#[test]
fn an_undecodable_push_is_an_error() {
    let sink = Sink::start(SinkOptions::default()).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", sink.port())).unwrap();
    write!(stream, "POST {PUSH_PATH} HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    assert!(sink.wait(PATIENCE, |state| state.errors.len() == 1));
}
