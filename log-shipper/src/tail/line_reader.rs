//! Bytes of one open file to lines, with constant memory: the reader keeps offsets, not data.
//!
//! Before a line leaves, the file is checked to be the one that was read before (size, first bytes,
//! bytes before the position), so no torn line is made from a file that was truncated meanwhile.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use memchr::{memchr, memrchr};
use rustix::fs::SeekFrom;

use super::file_identity::{FINGERPRINT_BYTES, Fingerprint, Tail, read_full};

/// Bytes read at once: large enough that the checks per read (about 1 µs) do not show, small enough
/// to stay in the second-level cache.
const CHUNK: usize = 128 * 1024;

/// Default of the longest line, in bytes. Loki's default gRPC message limit is 4 MiB
/// (`server.grpc_server_max_recv_msg_size`), so a longer line could not be stored anyway.
pub const DEFAULT_LINE_LIMIT: usize = 4 * 1024 * 1024;

/// One line of a file.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Without the newline.
    pub bytes: &'a [u8],
    /// Offset of the first byte.
    pub begin: u64,
    /// The line was longer than the limit; the rest of it is skipped.
    pub is_cut: bool,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is more to read, or the callback asked to stop.
    More,
    /// The end of what is there; a line without its newline may be left.
    AtEnd,
    /// The file is not the one that was read before: it was truncated, or rewritten in place.
    /// Nothing was handed out.
    Truncated,
}

/// How lines end: depends on the encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Newline {
    /// The byte 0x0A.
    #[default]
    Byte,
    /// The code unit 0x000A, low byte first.
    Utf16Le,
    /// The code unit 0x000A, high byte first.
    Utf16Be,
}

impl Newline {
    fn width(self) -> usize {
        if self == Self::Byte { 1 } else { 2 }
    }

    /// Begin of the first newline at or after `from`; `bytes` begins with a line.
    fn first(self, bytes: &[u8], from: usize) -> Option<usize> {
        let (unit, odd) = match self {
            Self::Byte => return memchr(b'\n', &bytes[from..]).map(|index| from + index),
            Self::Utf16Le => ([b'\n', 0], 0),
            Self::Utf16Be => ([0, b'\n'], 1),
        };
        let mut at = from & !1;
        while let Some(found) = memchr(b'\n', &bytes[at.min(bytes.len())..]).map(|index| at + index)
        {
            let begin = found.wrapping_sub(odd);
            if found % 2 == odd && bytes.get(begin..begin + 2) == Some(&unit) {
                return Some(begin);
            }
            at = found + 1;
        }
        None
    }

    /// End of the last newline in `bytes`, which begins with a line.
    fn last_end(self, bytes: &[u8]) -> Option<usize> {
        let mut end = bytes.len();
        while let Some(found) = memrchr(b'\n', &bytes[..end]) {
            let begin = match self {
                Self::Byte => return Some(found + 1),
                Self::Utf16Le => found,
                Self::Utf16Be => found.wrapping_sub(1),
            };
            if self.first(&bytes[..(begin + 2).min(bytes.len())], begin) == Some(begin) {
                return Some(begin + 2);
            }
            end = found;
        }
        None
    }
}

/// Reads one generation of a file.
#[derive(Debug)]
pub struct LineReader {
    /// `None` while it is closed to save a descriptor.
    file: Option<File>,
    newline: Newline,
    limit: usize,
    /// Where the next line begins.
    offset: u64,
    /// No newline lies between `offset` and here.
    scanned: u64,
    /// Begin of a line over the limit whose end is not found yet.
    cut: Option<u64>,
    fingerprint: Fingerprint,
    tail: Tail,
}

impl LineReader {
    /// A reader that goes on at `offset`.
    ///
    /// `limit` is the longest line in bytes; longer ones are cut.
    pub fn new(file: File, offset: u64, newline: Newline, limit: usize) -> Self {
        Self {
            file: Some(file),
            newline,
            limit: limit.max(1),
            offset,
            scanned: offset,
            cut: None,
            fingerprint: Fingerprint::default(),
            tail: Tail::default(),
        }
    }

    /// What the position of the file is: the begin of the first line that was not handed out whole.
    pub fn position(&self) -> u64 {
        self.cut.unwrap_or(self.offset)
    }

    /// The file, while it is open.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    fn open_file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("the file is closed"))
    }

    /// Gives up the descriptor; everything else is kept.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Goes on with the same file, opened again.
    pub fn reopen(&mut self, file: File) {
        self.file = Some(file);
    }

    /// The first bytes of the file, as far as they were read.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The bytes before the position.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// A reader of a copy that was made of this file: it goes on where this one is.
    #[must_use]
    pub fn at_same_position(&self, copy: File) -> Self {
        let position = self.position();
        Self {
            fingerprint: self.fingerprint,
            ..Self::new(copy, position, self.newline, self.limit)
        }
    }

    /// Begins anew, after [`Outcome::Truncated`].
    pub fn restart(&mut self) {
        self.offset = 0;
        self.scanned = 0;
        self.cut = None;
        self.fingerprint = Fingerprint::default();
        self.tail = Tail::default();
    }

    /// Reads about 128 KiB and hands out the complete lines in it.
    ///
    /// `buffer` is scratch memory; it may be shared by all readers of a thread. A line longer than
    /// a chunk makes it grow up to the limit for that read.
    ///
    /// # Errors
    /// What the file system returned. The position is unchanged then.
    pub fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> io::Result<Outcome> {
        if self.offset > 0 && self.fingerprint.length == 0 {
            // It goes on where an earlier run was: what stands before is what it was.
            self.remember_before(self.offset)?;
            self.extend_fingerprint(&[], self.offset)?;
        }
        // A long unfinished line is not read again and again: only its new part is searched.
        let from =
            if self.scanned - self.offset >= CHUNK as u64 { self.scanned } else { self.offset };
        buffer.resize(CHUNK, 0);
        let read = read_full(self.open_file()?, buffer, from)?;
        buffer.truncate(read);
        if !self.is_unchanged(from + read as u64)? {
            return Ok(Outcome::Truncated);
        }
        let is_full = read == CHUNK;
        let reached = from + read as u64;
        if reached == self.scanned {
            return Ok(Outcome::AtEnd);
        }
        if from != self.offset {
            return self.finish_long_line(buffer, from, is_full, on_line);
        }
        if self.cut.is_none() && is_full && buffer[0] == 0 && self.skip_hole(buffer)? {
            return Ok(Outcome::More);
        }
        let Some(end) = self.newline.last_end(buffer) else {
            self.scanned = from + (read / self.newline.width() * self.newline.width()) as u64;
            self.cut_if_too_long(buffer, on_line)?;
            return Ok(if is_full { Outcome::More } else { Outcome::AtEnd });
        };
        let stopped_at = self.hand_out(&buffer[..end], on_line);
        self.tail = Tail::of(&buffer[..stopped_at]);
        self.offset = from + stopped_at as u64;
        self.scanned = if stopped_at == end { reached } else { self.offset };
        self.scanned -= (self.scanned - self.offset) % self.newline.width() as u64;
        self.extend_fingerprint(buffer, from)?;
        Ok(if is_full || stopped_at < end { Outcome::More } else { Outcome::AtEnd })
    }

    /// Hands out a last line that has no newline: the file will not grow any more.
    ///
    /// # Errors
    /// What the file system returned.
    pub fn finish(
        &mut self,
        buffer: &mut Vec<u8>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> io::Result<()> {
        if self.cut.take().is_some() {
            self.offset = self.scanned;
            return Ok(());
        }
        buffer.resize(
            self.limit.min(usize::try_from(self.scanned - self.offset).unwrap_or(self.limit)),
            0,
        );
        let read = read_full(self.open_file()?, buffer, self.offset)?;
        if read > 0 {
            let _ = on_line(Line { bytes: &buffer[..read], begin: self.offset, is_cut: false });
            self.offset = self.scanned;
        }
        Ok(())
    }

    /// Whether the file still holds what was read before, and at least `reached` bytes.
    fn is_unchanged(&self, reached: u64) -> io::Result<bool> {
        if self.open_file()?.metadata()?.len() < reached.max(self.scanned) {
            return Ok(false);
        }
        if self.fingerprint.length > 0 && !self.fingerprint.is_of(self.open_file()?)? {
            return Ok(false);
        }
        self.tail.is_before(self.open_file()?, self.offset)
    }

    /// All lines of `bytes`, which ends with a newline; how many bytes were handed out.
    fn hand_out(
        &mut self,
        bytes: &[u8],
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> usize {
        let mut begin = 0;
        while begin < bytes.len() {
            let newline = begin
                + self.newline.first(&bytes[begin..], 0).expect("the last line has its newline");
            let next = newline + self.newline.width();
            // The end of a line that was handed out when it became too long is not a line.
            let was_cut = self.cut.take().is_some();
            let whole = &bytes[begin..newline];
            let line = Line {
                bytes: &whole[..whole.len().min(self.limit)],
                begin: self.offset + begin as u64,
                is_cut: whole.len() > self.limit,
            };
            begin = next;
            if !was_cut && on_line(line).is_break() {
                break;
            }
        }
        begin
    }

    /// The unfinished line was longer than a chunk; `buffer` is what follows the known part.
    fn finish_long_line(
        &mut self,
        buffer: &mut Vec<u8>,
        from: u64,
        is_full: bool,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> io::Result<Outcome> {
        let width = self.newline.width();
        let Some(newline) = self.newline.first(buffer, 0) else {
            self.scanned = from + (buffer.len() / width * width) as u64;
            self.cut_if_too_long(buffer, on_line)?;
            return Ok(if is_full { Outcome::More } else { Outcome::AtEnd });
        };
        let end = from + newline as u64;
        let length = usize::try_from(end - self.offset).unwrap_or(usize::MAX);
        buffer.clear();
        buffer.resize(length.min(self.limit), 0);
        let read = read_full(self.open_file()?, buffer, self.offset)?;
        if read < buffer.len() {
            return Ok(Outcome::Truncated);
        }
        let _ = on_line(Line { bytes: buffer, begin: self.offset, is_cut: length > self.limit });
        self.offset = end + width as u64;
        self.scanned = self.offset;
        self.remember_before(self.offset)?;
        self.extend_fingerprint(&[], self.offset)?;
        buffer.shrink_to(CHUNK);
        Ok(Outcome::More)
    }

    /// Hands out the beginning of a line over the limit and forgets the rest of what is there.
    fn cut_if_too_long(
        &mut self,
        buffer: &mut Vec<u8>,
        on_line: &mut dyn FnMut(Line<'_>) -> ControlFlow<()>,
    ) -> io::Result<()> {
        if self.scanned - self.offset <= self.limit as u64 && self.cut.is_none() {
            return Ok(());
        }
        if self.cut.is_none() {
            buffer.resize(self.limit, 0);
            let read = read_full(self.open_file()?, buffer, self.offset)?;
            buffer.truncate(read);
            self.cut = Some(self.offset);
            let _ = on_line(Line { bytes: buffer, begin: self.offset, is_cut: true });
            buffer.shrink_to(CHUNK);
        }
        self.offset = self.scanned;
        self.remember_before(self.offset)?;
        self.extend_fingerprint(&[], self.offset)
    }

    /// A writer without `O_APPEND` leaves a hole when its file is truncated. Zeros that were never
    /// written are not a line: goes on at the next page with data.
    fn skip_hole(&mut self, buffer: &[u8]) -> io::Result<bool> {
        if buffer.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        let Ok(data) = rustix::fs::seek(self.open_file()?, SeekFrom::Data(self.offset)) else {
            return Ok(false);
        };
        if data <= self.offset {
            return Ok(false);
        }
        self.offset = data;
        self.scanned = data;
        self.remember_before(data)?;
        self.extend_fingerprint(&[], data)?;
        Ok(true)
    }

    fn remember_before(&mut self, position: u64) -> io::Result<()> {
        let mut bytes = [0; 64];
        let begin = position.saturating_sub(64);
        let length = usize::try_from(position - begin).expect("at most 64");
        let read = read_full(self.open_file()?, &mut bytes[..length], begin)?;
        self.tail = Tail::of(&bytes[..read]);
        Ok(())
    }

    /// The fingerprint covers only what was handed out: the rest may still be rewritten.
    fn extend_fingerprint(&mut self, buffer: &[u8], from: u64) -> io::Result<()> {
        if usize::from(self.fingerprint.length) >= FINGERPRINT_BYTES {
            return Ok(());
        }
        let wanted = usize::try_from(self.offset).unwrap_or(usize::MAX).min(FINGERPRINT_BYTES);
        if from == 0 && buffer.len() >= wanted {
            self.fingerprint = Fingerprint::of(&buffer[..wanted]);
            return Ok(());
        }
        let mut bytes = [0; FINGERPRINT_BYTES];
        let read = read_full(self.open_file()?, &mut bytes[..wanted], 0)?;
        self.fingerprint = Fingerprint::of(&bytes[..read]);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
