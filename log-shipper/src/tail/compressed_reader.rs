//! Lines of a compressed file, read once from its beginning to its end. A position counts lines,
//! as in Promtail: offsets of compressed bytes would mean nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;

use bzip2::read::MultiBzDecoder;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::line_reader::{Line, Outcome};

/// Lines per turn: about as much as a chunk of a plain file.
const LINES_PER_TURN: usize = 1_000;

/// Bytes of decompressed text that are buffered.
const BUFFER: usize = 64 * 1024;

/// What the configuration calls `decompression.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `gz`
    Gzip,
    /// `z`
    Zlib,
    /// `bz2`
    Bzip2,
}

impl std::str::FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "gz" => Ok(Self::Gzip),
            "z" => Ok(Self::Zlib),
            "bz2" => Ok(Self::Bzip2),
            _ => Err(()),
        }
    }
}

/// Reads one compressed file.
pub struct CompressedReader {
    file: File,
    format: Format,
    /// The decoder, while there is something to read: it needs up to 4 MB.
    text: Option<BufReader<Box<dyn Read + Send>>>,
    /// Lines handed out or skipped.
    lines: u64,
    /// Lines that an earlier run handed out.
    skip: u64,
    limit: usize,
    line: Vec<u8>,
    has_ended: bool,
}

impl CompressedReader {
    /// A reader that goes on after `skip` lines; lines over `limit` bytes are cut.
    pub fn new(file: File, format: Format, skip: u64, limit: usize) -> Self {
        let (text, line) = (None, Vec::new());
        Self { file, format, text, lines: 0, skip, limit, line, has_ended: false }
    }

    fn text(&mut self) -> io::Result<&mut BufReader<Box<dyn Read + Send>>> {
        if self.text.is_none() {
            let raw = self.file.try_clone()?;
            let text: Box<dyn Read + Send> = match self.format {
                Format::Gzip => Box::new(MultiGzDecoder::new(raw)),
                Format::Zlib => Box::new(ZlibDecoder::new(raw)),
                Format::Bzip2 => Box::new(MultiBzDecoder::new(raw)),
            };
            self.text = Some(BufReader::with_capacity(BUFFER, text));
        }
        Ok(self.text.as_mut().expect("it was made just now"))
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.text = None;
        self.line = Vec::new();
    }

    /// How many lines are done.
    pub fn position(&self) -> u64 {
        self.lines.max(self.skip)
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Hands out the next lines; a last one needs no newline.
    ///
    /// # Errors
    /// Broken compressed data, or what the file system returned. The reader has ended then.
    pub fn read(
        &mut self,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> io::Result<Outcome> {
        for _ in 0..LINES_PER_TURN {
            if self.has_ended {
                return Ok(Outcome::AtEnd);
            }
            // Without a decoder nothing is known of the data yet: that may be tried again.
            self.text()?;
            let is_cut = match self.next_line() {
                Ok(Some(is_cut)) => is_cut,
                Ok(None) => {
                    self.end();
                    return Ok(Outcome::AtEnd);
                }
                Err(error) => {
                    self.end();
                    return Err(error);
                }
            };
            let begin = self.lines;
            self.lines += 1;
            let line = Line { bytes: &self.line, begin, is_cut };
            if self.lines > self.skip && on_line(line).is_break() {
                break;
            }
        }
        Ok(Outcome::More)
    }

    /// Fills `line`; whether it was cut, `None` at the end.
    fn next_line(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        self.line.shrink_to(BUFFER);
        let Some(text) = &mut self.text else { return Ok(None) };
        let (mut is_empty, mut is_cut) = (true, false);
        loop {
            let available = match text.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() && is_empty {
                return Ok(None);
            }
            let newline = memchr::memchr(b'\n', available);
            let piece = &available[..newline.unwrap_or(available.len())];
            let room = self.limit.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            is_cut |= piece.len() > room;
            let is_last = available.is_empty();
            is_empty = false;
            let used = piece.len() + usize::from(newline.is_some());
            text.consume(used);
            if newline.is_some() || is_last {
                if self.line.last() == Some(&b'\r') {
                    self.line.pop();
                }
                return Ok(Some(is_cut));
            }
        }
    }
}

impl std::fmt::Debug for CompressedReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressedReader")
            .field("file", &self.file)
            .field("lines", &self.lines)
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> File {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        file(&encoder.finish().unwrap())
    }

    fn file(bytes: &[u8]) -> File {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gz");
        std::fs::write(&path, bytes).unwrap();
        File::open(path).unwrap()
    }

    fn read(reader: &mut CompressedReader) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        loop {
            let outcome = reader.read(&mut |line| {
                lines.push(line.bytes.to_vec());
                ControlFlow::Continue(())
            })?;
            if outcome == Outcome::AtEnd {
                return Ok(lines);
            }
        }
    }

    #[test]
    fn lines_lose_their_carriage_return_and_the_last_needs_no_newline() {
        let mut reader = CompressedReader::new(gzip(b"one\r\n\ntwo"), Format::Gzip, 0, 1_000);
        assert_eq!(read(&mut reader).unwrap(), [&b"one"[..], b"", b"two"]);
        assert_eq!(reader.position(), 3);
        assert!(read(&mut reader).unwrap().is_empty());
    }

    #[test]
    fn lines_of_an_earlier_run_are_skipped_and_long_ones_cut() {
        let text = b"one\ntwo\nthree hundred\nfour\n";
        let mut reader = CompressedReader::new(gzip(text), Format::Gzip, 2, 5);
        assert_eq!(read(&mut reader).unwrap(), [&b"three"[..], b"four"]);
        assert_eq!(reader.position(), 4);
    }

    #[test]
    fn broken_data_is_an_error_once() {
        let mut reader = CompressedReader::new(file(b"no gzip"), Format::Gzip, 0, 100);
        assert!(read(&mut reader).is_err());
        assert!(read(&mut reader).unwrap().is_empty());
    }
}
