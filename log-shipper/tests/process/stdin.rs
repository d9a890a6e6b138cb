//! Standard input that stays open: lines arrive while nothing more comes, and at a stop.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use stack_tests::loki::Receiver;

use crate::fixture::PATIENCE;

fn start(receiver: &Receiver, batch_wait: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_log-shipper"))
        .args(["-stdin", "-server.disable=true", "-client.batch-wait", batch_wait])
        .args(["-client.url", &receiver.push_url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn lines_are_sent_while_standard_input_is_quiet() {
    let receiver = Receiver::local();
    let mut shipper = start(&receiver, "50ms");
    let mut input = shipper.stdin.take().unwrap();
    input.write_all(b"seq=0\nseq=1\n").unwrap();
    let came = receiver.wait_for(PATIENCE, |state| state.sequence.count() == 2);
    drop(input);
    assert!(shipper.wait().unwrap().success());
    assert!(came, "they waited for the next line");
}

#[test]
fn a_stop_delivers_what_was_read() {
    let receiver = Receiver::local();
    let mut shipper = start(&receiver, "1h");
    let mut input = shipper.stdin.take().unwrap();
    // More than a batch: when that has come, the rest has been read as well.
    let line = format!("{}\n", "x".repeat(1000));
    input.write_all(line.repeat(1_100).as_bytes()).unwrap();
    assert!(receiver.wait_for(PATIENCE, |state| state.lines() > 0));
    input.write_all(b"seq=0\n").unwrap();
    drop(input);
    assert!(shipper.wait().unwrap().success());
    assert_eq!(receiver.with(|state| (state.lines(), state.sequence.count())), (1_101, 1));
}

#[test]
fn a_signal_delivers_what_was_read_although_standard_input_stays_open() {
    let receiver = Receiver::local();
    let mut shipper = start(&receiver, "1h");
    let mut input = shipper.stdin.take().unwrap();
    let line = format!("{}\n", "x".repeat(1000));
    // The first batch has room for 1,048 of these; the others wait in the next one.
    input.write_all(line.repeat(1_100).as_bytes()).unwrap();
    assert!(receiver.wait_for(PATIENCE, |state| state.lines() > 0));
    let killed = Command::new("kill").args(["-TERM", &shipper.id().to_string()]).status();
    assert!(killed.unwrap().success());
    assert!(shipper.wait().unwrap().success());
    drop(input);
    // What the pipe still held when the signal came was not read, and is nobody's promise.
    assert!(receiver.with(stack_tests::loki::State::lines) > 1_048);
}
