//! Files as writers, rotation and broken programs leave them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

struct Fixture {
    _dir: TempDir,
    path: PathBuf,
    reader: LineReader,
    buffer: Vec<u8>,
}

impl Fixture {
    fn new(content: &[u8], limit: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, content).unwrap();
        let reader = LineReader::new(File::open(&path).unwrap(), 0, Newline::Byte, limit);
        Self { _dir: dir, path, reader, buffer: Vec::new() }
    }

    fn append(&self, bytes: &[u8]) {
        append(&self.path, bytes);
    }

    /// Lines until the end, or `None` when the file turned out to be another one.
    fn read(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        loop {
            let mut on_line = |line: Line<'_>| {
                lines.push(line.bytes.to_vec());
                ControlFlow::Continue(())
            };
            match self.reader.read(&mut self.buffer, &mut on_line).unwrap() {
                Outcome::More => {}
                Outcome::AtEnd => return Some(lines),
                Outcome::Truncated => return None,
            }
        }
    }
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn lines_keep_their_bytes_and_an_unfinished_one_waits() {
    let mut file = Fixture::new(b"crlf\r\n\n\xff\x00 bytes\nno newl", 1_000);
    let lines = file.read().unwrap();
    assert_eq!(lines, [b"crlf\r".to_vec(), b"".to_vec(), b"\xff\x00 bytes".to_vec()]);
    assert_eq!(file.reader.position(), 16);
    file.append(b"ine\nnext\n");
    assert_eq!(file.read().unwrap(), [b"no newline".to_vec(), b"next".to_vec()]);
    assert_eq!(file.reader.position(), 32);
}

#[test]
fn a_file_that_an_earlier_run_began_goes_on_and_is_still_checked() {
    let mut file = Fixture::new(b"one\ntwo\n", 1_000);
    file.reader = LineReader::new(File::open(&file.path).unwrap(), 4, Newline::Byte, 1_000);
    assert_eq!(file.read().unwrap(), [b"two".to_vec()]);
    assert!(file.read().unwrap().is_empty());
    file.append(b"three\n");
    assert_eq!(file.read().unwrap(), [b"three".to_vec()]);
    fs::write(&file.path, b"xxx\nyyy\nzzzzz\nnew\n").unwrap();
    assert_eq!(file.read(), None);
}

#[test]
fn a_stop_in_the_middle_goes_on_with_the_next_line() {
    let mut file = Fixture::new(b"one\ntwo\nthree\n", 1_000);
    let mut seen = Vec::new();
    let mut on_line = |line: Line<'_>| {
        seen.push(line.begin);
        ControlFlow::Break(())
    };
    assert_eq!(file.reader.read(&mut file.buffer, &mut on_line).unwrap(), Outcome::More);
    assert_eq!(seen, [0]);
    assert_eq!(file.reader.position(), 4);
    assert_eq!(file.read().unwrap(), [b"two".to_vec(), b"three".to_vec()]);
}

#[test]
fn a_truncated_file_hands_out_nothing_until_it_is_begun_anew() {
    let mut file = Fixture::new(b"before 1\nbefore 2\n", 1_000);
    file.read().unwrap();
    fs::write(&file.path, b"after 1\n").unwrap();
    assert_eq!(file.read(), None);
    file.reader.restart();
    assert_eq!(file.read().unwrap(), [b"after 1".to_vec()]);
}

#[test]
fn a_file_truncated_and_grown_beyond_its_old_size_is_noticed() {
    let mut file = Fixture::new(b"before 1\n", 1_000);
    file.read().unwrap();
    fs::write(&file.path, b"after 1\nafter 2\nafter 3\n").unwrap();
    assert_eq!(file.read(), None);
}

#[test]
fn a_file_rewritten_behind_an_equal_beginning_is_noticed() {
    let banner = "=".repeat(FINGERPRINT_BYTES);
    let mut file = Fixture::new(format!("{banner}\nold line\n").as_bytes(), 1_000);
    file.read().unwrap();
    fs::write(&file.path, format!("{banner}\nnew line\nnewer line\n")).unwrap();
    assert_eq!(file.read(), None);
}

#[test]
fn long_lines_arrive_whole_up_to_the_limit_and_cut_beyond_it() {
    let whole = vec![b'w'; 3 * CHUNK + 7];
    let long = vec![b'l'; 5 * CHUNK];
    let content = [&whole[..], b"\nshort\n", &long[..], b"\nlast\n"].concat();
    let mut file = Fixture::new(&content, 4 * CHUNK);
    let lines = file.read().unwrap();
    assert_eq!(lines.len(), 4);
    assert!(lines[0] == whole);
    assert_eq!(lines[1], b"short");
    assert_eq!(lines[2].len(), 4 * CHUNK);
    assert_eq!(lines[3], b"last");
    assert!(file.buffer.capacity() <= 5 * CHUNK, "the scratch memory does not stay large");
}

#[test]
fn an_endless_line_keeps_its_position_until_its_end_is_found() {
    let mut file = Fixture::new(b"first\n", CHUNK);
    file.read().unwrap();
    let piece = vec![b'x'; CHUNK];
    let mut pieces = Vec::new();
    for _ in 0..4 {
        file.append(&piece);
        pieces.extend(file.read().unwrap());
        assert_eq!(file.reader.position(), 6);
    }
    assert_eq!(pieces.len(), 1, "the beginning is handed out once");
    file.append(b"end\nnext\n");
    assert_eq!(file.read().unwrap(), [b"next".to_vec()]);
    assert_eq!(file.reader.position(), 6 + 4 * CHUNK as u64 + 9);
}

#[test]
fn a_long_line_that_grows_is_not_searched_twice() {
    let mut file = Fixture::new(&vec![b'x'; 2 * CHUNK], 10 * CHUNK);
    assert!(file.read().unwrap().is_empty());
    assert_eq!(file.reader.scanned, 2 * CHUNK as u64);
    file.append(b"yz\n");
    let lines = file.read().unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].len(), 2 * CHUNK + 2);
}

#[test]
fn a_hole_of_a_sparse_file_is_no_line() {
    let mut file = Fixture::new(b"", 1_000_000);
    let handle = OpenOptions::new().write(true).open(&file.path).unwrap();
    handle.set_len(400 * 1024 * 1024).unwrap();
    append(&file.path, b"after the hole\n");
    let lines = file.read().unwrap();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with(b"after the hole"));
    assert!(lines[0].len() < 8_192);
}

#[test]
fn the_last_line_of_a_file_that_ended_needs_no_newline() {
    let mut file = Fixture::new(b"one\ntw", 1_000);
    file.read().unwrap();
    file.append(b"o");
    file.read().unwrap();
    let mut last = Vec::new();
    let mut on_line = |line: Line<'_>| {
        last.push((line.begin, line.bytes.to_vec()));
        ControlFlow::Continue(())
    };
    file.reader.finish(&mut file.buffer, &mut on_line).unwrap();
    file.reader.finish(&mut file.buffer, &mut on_line).unwrap();
    assert_eq!(last, [(4, b"two".to_vec())]);
    assert_eq!(file.reader.position(), 7);
}

#[test]
fn utf_16_lines_end_at_their_code_unit() {
    // U+0A41 and U+410A hold the byte 0x0A without being a newline.
    let text = "a\u{0a41}\u{410a}b\nnext\n";
    for (newline, bytes) in [
        (Newline::Utf16Le, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        (Newline::Utf16Be, text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ] {
        let mut file = Fixture::new(&bytes, 1_000);
        file.reader.newline = newline;
        let lines = file.read().unwrap();
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [8, 8], "{newline:?}");
    }
}

proptest! {
    /// Whatever pieces a writer writes in, the lines are those of the whole text.
    #[test]
    fn pieces_do_not_change_the_lines(
        text in prop::collection::vec(prop::sample::select(vec![b'a', b'\n', b'\r', 0]), 0..300),
        cuts in prop::collection::vec(0_usize..300, 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut file = Fixture::new(b"", 1_000);
        let mut lines = Vec::new();
        for piece in cuts.windows(2) {
            file.append(&text[piece[0]..piece[1]]);
            lines.extend(file.read().unwrap());
        }
        let mut expected: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        expected.pop();
        prop_assert_eq!(lines, expected);
    }
}
