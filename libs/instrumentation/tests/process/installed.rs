//! A logger installed for the whole process, which a unit test cannot have.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use instrumentation::json_log::{self, Format};
use serde_json::Value;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs while it is shown.
struct Logs;

impl fmt::Debug for Logs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::info!(depth = 1, "inner");
        out.write_str("shown")
    }
}

/// One test, since a process has one logger.
#[test]
fn the_first_logger_stays_and_stands_fields_that_log() {
    let captured = Captured::default();
    let first = json_log::builder("first").writer(captured.clone()).init().unwrap();
    json_log::builder("second").writer(io::stderr()).init().unwrap_err();
    let second = json_log::init("second", Format::Text, "trace".parse().unwrap());
    assert_eq!(second.level(), first.level());
    second.set_level("debug".parse().unwrap());
    assert_eq!(first.level().to_string(), "debug");

    let span = tracing::info_span!("request", value = ?Logs);
    span.in_scope(|| tracing::debug!(before = 0, logs = ?Logs, after = 2, "outer"));
    span.record("value", tracing::field::debug(Logs));

    let lines = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let messages: Vec<&Value> = lines.iter().map(|line| &line["message"]).collect();
    assert_eq!(messages, ["inner", "inner", "outer", "inner"]);
    let (inner, outer) = (&lines[1], &lines[2]);
    assert!(inner["before"].is_null() && inner["depth"] == 1, "{inner}");
    assert!(outer["logs"] == "shown" && outer["after"] == 2, "{outer}");
    assert_eq!(outer["service"], "first");
}
