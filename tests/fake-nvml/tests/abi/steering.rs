//! A simulation that is steered through files, as from another process.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use stack_tests::patience::await_condition;

use crate::fixture::Open;

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("opens");
    file.write_all(text.as_bytes()).expect("is written");
}

#[test]
fn commands_are_obeyed_once_and_calls_are_counted_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (control, log) = (folder.path().join("control"), folder.path().join("calls.json"));
    let scenario = serde_json::json!({
        "clock": "virtual", "gpus": [{}], "control": control, "call_log": log,
    });
    let open = Open::new(&scenario.to_string());
    let device = open.device(0).unwrap();
    let logged = || -> Value {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    };
    append(&control, "{\"advance_ms\": 2500}\n{\"gpu\": 0, \"state\": ");
    await_condition("time has moved", || open.simulation.now().as_millis() == 2_500);
    assert!(open.temperature(device).is_ok(), "half a line is no command");
    append(&control, "\"lost\"}\n");
    await_condition("the GPU is lost", || open.temperature(device) == Err(15));
    append(&control, "{\"gpu\": 9, \"xid\": 1}\n");
    await_condition("all commands are read", || logged()["commands"] == 3);
    assert_eq!(open.simulation.now().as_millis(), 2_500);
    let error = logged()["last_error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(error, "command 3: `gpu`: 9: accepted are 0 to 0");
    let calls = open.simulation.calls("nvmlDeviceGetTemperature");
    await_condition("the log is complete", || {
        logged()["calls"]["nvmlDeviceGetTemperature"] == calls
    });
}

#[test]
fn a_faster_clock_makes_the_same_history_sooner() {
    let open = Open::new(r#"{"speed": 10000, "gpus": [{}]}"#);
    let device = open.device(0).unwrap();
    await_condition("a minute has passed", || open.simulation.now().as_secs() >= 60);
    assert_eq!(open.samples(device, 1, 0, 120).unwrap().len(), 120);
}
