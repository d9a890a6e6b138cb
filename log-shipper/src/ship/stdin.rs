//! `-stdin`: lines of standard input through the first pipeline, then the end.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;

use super::line_shipper::LineShipper;
use crate::pipeline::entry::Origin;

/// Reads to the end and ships each line; a carriage return before the newline goes, empty lines
/// are skipped, a last line needs no newline. Lines over `limit` bytes are cut.
///
/// # Errors
/// What reading returned; what was read before has been shipped.
pub fn ship_all(
    input: impl Read,
    labels: &Arc<LabelSet>,
    limit: usize,
    mut shipper: LineShipper,
) -> io::Result<()> {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    let mut line = Vec::new();
    let result = loop {
        line.clear();
        match read_line(&mut input, &mut line, limit) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.pop();
        }
        if line.is_empty() {
            continue;
        }
        shipper.set_clock();
        let flow = shipper.ship(0, labels, &line, Origin::default());
        if let std::ops::ControlFlow::Break(until) = flow {
            // Nobody else waits for this thread.
            std::thread::park_timeout(until.saturating_duration_since(std::time::Instant::now()));
        }
        shipper.flush_sinks(false);
    };
    shipper.flush_pipelines(true);
    shipper.flush_sinks(true);
    result
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
