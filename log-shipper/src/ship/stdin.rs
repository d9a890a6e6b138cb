//! `-stdin`: lines of standard input through the first pipeline, then the end.
//!
//! A thread of its own reads, because nothing can interrupt it: batches are sent in time while
//! standard input is quiet, and a stop delivers what was read.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use prometheus_model::label_set::LabelSet;
use tokio_util::sync::CancellationToken;

use super::line_shipper::LineShipper;
use crate::pipeline::entry::Origin;

/// Lines between the two threads: at the longest line some 256 MiB, usually some kilobytes.
const WAITING: usize = 64;

/// How often stages and the stop are looked at while no line comes.
const LOOK: Duration = Duration::from_millis(100);

/// Reads to the end and ships each line; a carriage return before the newline goes, empty lines
/// are skipped, a last line needs no newline. Lines over `limit` bytes are cut.
///
/// # Errors
/// What reading returned; what was read before has been shipped.
pub fn ship_all(
    input: impl Read + Send + 'static,
    labels: &Arc<LabelSet>,
    limit: usize,
    mut shipper: LineShipper,
    stop: &CancellationToken,
) -> io::Result<()> {
    let (sender, lines) = sync_channel(WAITING);
    // It is not waited for: it may hang in a read until the process ends.
    std::thread::Builder::new()
        .name("stdin reader".to_owned())
        .spawn(move || read_all(input, limit, &sender))?;
    let result = ship_lines(&lines, labels, &mut shipper, stop);
    shipper.flush_pipelines(true);
    shipper.flush_sinks(true);
    result
}

fn ship_lines(
    lines: &Receiver<io::Result<Vec<u8>>>,
    labels: &Arc<LabelSet>,
    shipper: &mut LineShipper,
    stop: &CancellationToken,
) -> io::Result<()> {
    let mut next_look = Instant::now() + LOOK;
    loop {
        let now = Instant::now();
        if now >= next_look {
            next_look = now + LOOK;
            shipper.flush_pipelines(false);
        }
        shipper.flush_sinks(false);
        let until = shipper.deadline().map_or(next_look, |due| due.min(next_look));
        // After a stop only what has been read is taken.
        let wait = if stop.is_cancelled() { Duration::ZERO } else { until.duration_since(now) };
        match lines.recv_timeout(wait) {
            Ok(line) => {
                shipper.set_clock();
                if let ControlFlow::Break(until) =
                    shipper.ship(0, labels, &line?, Origin::default())
                {
                    // Nobody else waits for this thread.
                    std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
                }
            }
            Err(RecvTimeoutError::Timeout) if !stop.is_cancelled() => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn read_all(input: impl Read, limit: usize, lines: &SyncSender<io::Result<Vec<u8>>>) {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    loop {
        let mut line = Vec::new();
        let read = match read_line(&mut input, &mut line, limit) {
            Ok(true) => {
                while matches!(line.last(), Some(b'\r' | b'\n')) {
                    line.pop();
                }
                if line.is_empty() {
                    continue;
                }
                Ok(line)
            }
            Ok(false) => return,
            Err(error) => Err(error),
        };
        let is_last = read.is_err();
        if lines.send(read).is_err() || is_last {
            return;
        }
    }
}

/// One line with its newline, at most `limit` bytes of it; false at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
    let mut is_empty = true;
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(!is_empty);
        }
        is_empty = false;
        let newline = memchr::memchr(b'\n', available);
        let used = newline.map_or(available.len(), |index| index + 1);
        let room = limit.saturating_sub(line.len());
        line.extend_from_slice(&available[..used.min(room)]);
        input.consume(used);
        if newline.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_the_last_needs_no_newline() {
        let mut input = BufReader::with_capacity(4, &b"0123456789\nnext\nlast"[..]);
        let mut lines = Vec::new();
        let mut line = Vec::new();
        while read_line(&mut input, &mut line, 6).unwrap() {
            lines.push(String::from_utf8(std::mem::take(&mut line)).unwrap());
        }
        assert_eq!(lines, ["012345", "next\n", "last"]);
    }
}
