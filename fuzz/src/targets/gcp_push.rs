//! A push of Pub/Sub. What follows a line `---` is the log entry, which takes the place of `DATA` in
//! what stands before it.
//!
//! Whatever is asked for, the labels are the same, and the line is a part of the entry or all of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use log_shipper::intake::gcp_push::log_entry::parse;

use super::{Check, Shape, Target};

const SEPARATOR: &[u8] = b"\n---\n";

/// Prefixes of the names of 512 labels, and the five that are always there.
const NAMES_BYTES: usize = 32 * 520;

pub(super) const TARGET: Target = Target {
    name: "gcp_push",
    about: "a push of Pub/Sub with DATA and, behind a line `---`, its log entry",
    seeds,
    words: &[
        "{",
        "}",
        "\"message\":",
        "\"attributes\":",
        "\"data\":\"DATA\"",
        "\"messageId\":\"7\"",
        "\"message_id\":\"7\"",
        "\"subscription\":\"s\"",
        "\"logName\":",
        "\"resource\":",
        "\"type\":",
        "\"labels\":",
        "\"timestamp\":",
        "\"receiveTimestamp\":",
        "\"textPayload\":",
        "\"2022-01-27T19:08:06.5Z\"",
        "\"aB\":\"c\",",
        "\"\u{130}\":\"\"",
        "DATA",
        "==",
        "null",
        ",",
        ":",
        "\"",
        "[",
        "]",
        "\n---\n",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let push = r#"{"message":{"attributes":{"logging.googleapis.com/x":"y"},"data":"DATA","messageId":"7","message_id":"7"},"subscription":"projects/p/subscriptions/s"}"#;
    [
        r#"{"insertId":"1","logName":"projects/p/logs/l","resource":{"type":"gcs_bucket","labels":{"bucketName":"b","location":"eu"}},"timestamp":"2022-01-27T19:08:06.5Z","severity":"INFO","labels":{"k8s-pod/app":"web"},"textPayload":"hello"}"#,
        r#"{"receiveTimestamp":"1970-01-01T00:00:01Z"}"#,
        r#"{"jsonPayload":{"a":1},"textPayload":" "}"#,
        "no entry",
    ]
    .map(|entry| format!("{push}\n---\n{entry}").into_bytes())
    .into_iter()
    .chain([b"{}".to_vec()])
    .collect()
}

fn start() -> Check {
    Box::new(|input| {
        let end = input.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        let entry = end.map_or(&b""[..], |end| &input[end + SEPARATOR.len()..]);
        let push = String::from_utf8_lossy(&input[..end.unwrap_or(input.len())]);
        let body = push.replacen("DATA", &STANDARD.encode(entry), 1).into_bytes();
        let text = match parse(&body, false, false) {
            Ok(text) => text,
            Err(error) => return Shape::of_message(&error.to_string()),
        };
        let full = parse(&body, false, true).expect("it was read before");
        assert_eq!(full.known, text.known);
        assert!(text.line.len() <= full.line.len() && full.line.len() <= body.len());
        if let Ok(timed) = parse(&body, true, false) {
            assert_eq!((&timed.known, &timed.line), (&text.known, &text.line));
            assert!(timed.timestamp_ns.is_some());
        }
        let bytes: usize = text.known.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes <= 4 * body.len() + NAMES_BYTES, "{bytes} bytes of labels");
        let is_whole = text.line == full.line;
        Shape::of((text.known.len().min(16), is_whole, parse(&body, true, false).is_ok()))
    })
}
