//! Pieces of one stream to lines with their times.
//!
//! A part of a line begins with its time and a space. A line over 16 KiB comes in several parts,
//! all with the same time, of which only the last ends with a newline; so another time begins
//! another line. What is longer than the limit is cut there, and the rest of the line discarded, so
//! that a line without an end takes no memory.

use go_compat::time_layout::{Layout, Zone};
use memchr::{memchr, memchr2, memmem};

/// Bytes of a time with its space; `2006-01-02T15:04:05.999999999+07:00 ` has 36.
const MAX_TIME: usize = 40;

/// The engine cuts lines at this size, in bytes.
const PART: usize = 16 << 10;

/// A line of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// Without its end of line.
    pub text: Vec<u8>,
    /// It was longer than the limit.
    pub is_cut: bool,
}

/// What comes out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One line.
    Line(Line),
    /// A line without a time, left out.
    Malformed,
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Time,
    Text,
    /// Up to the end of the line: it has no time.
    Nothing,
}

/// Reads times as the engine writes them.
#[derive(Debug)]
pub(super) struct Clock {
    layout: Layout,
    zone: Zone,
}

impl Clock {
    pub(super) fn new() -> Self {
        let layout = Layout::named("RFC3339Nano").expect("Go has a layout of this name");
        Self { layout, zone: Zone::utc() }
    }

    /// Nanoseconds since 1970.
    pub(super) fn parse(&self, text: &[u8]) -> Option<i64> {
        self.layout.parse(text, &self.zone).ok()?.unix_ns()
    }
}

/// Puts the lines of one stream together.
#[derive(Debug)]
pub struct Assembler {
    clock: Clock,
    /// Bytes of a line that are kept.
    limit: usize,
    expected: Expected,
    /// The time of the part, as it was sent; complete unless a time is expected.
    time: Vec<u8>,
    time_ns: i64,
    /// What has come of a line that has begun.
    text: Vec<u8>,
    has_begun: bool,
    /// There are no frames.
    is_text: bool,
    /// The line was too long: it has been passed on, and the rest of it is discarded.
    is_over: bool,
}

impl Assembler {
    /// Lines keep at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            clock: Clock::new(),
            limit,
            expected: Expected::Time,
            time: Vec::new(),
            time_ns: 0,
            text: Vec::new(),
            has_begun: false,
            is_text: false,
            is_over: false,
        }
    }

    /// The next bytes; `begins` when a part begins with them, `is_text` when they have no frames.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        begins: bool,
        is_text: bool,
        found: &mut impl FnMut(Found),
    ) {
        self.is_text = is_text;
        if begins {
            if self.expected == Expected::Time && !self.time.is_empty() {
                // a part that was shorter than a time
                found(Found::Malformed);
            }
            self.expect_time();
        }
        while !bytes.is_empty() {
            match self.expected {
                Expected::Time => bytes = self.push_time(bytes, found),
                Expected::Text => {
                    let end = memchr(b'\n', bytes);
                    self.append(&bytes[..end.unwrap_or(bytes.len())], found);
                    let Some(end) = end else { return };
                    self.end(found);
                    bytes = &bytes[end + 1..];
                }
                Expected::Nothing => {
                    let Some(end) = memchr(b'\n', bytes) else { return };
                    self.expect_time();
                    bytes = &bytes[end + 1..];
                }
            }
        }
    }

    /// No more will come: passes on what has no newline.
    pub fn finish(&mut self, found: &mut impl FnMut(Found)) {
        if self.has_begun {
            self.end(found);
        }
    }

    fn expect_time(&mut self) {
        self.expected = Expected::Time;
        self.time.clear();
    }

    /// Takes what belongs to the time, and returns the rest.
    fn push_time<'a>(&mut self, bytes: &'a [u8], found: &mut impl FnMut(Found)) -> &'a [u8] {
        let room = MAX_TIME - self.time.len();
        let end = memchr2(b' ', b'\n', &bytes[..bytes.len().min(room)]);
        let taken = end.map_or(bytes.len().min(room), |end| end);
        self.time.extend_from_slice(&bytes[..taken]);
        if end.is_none() && self.time.len() < MAX_TIME {
            return &bytes[taken..];
        }
        // A newline ends the line as well, so it is looked at again.
        let rest = match end {
            Some(end) if bytes[end] == b' ' => &bytes[end + 1..],
            Some(end) => &bytes[end..],
            None => &bytes[taken..],
        };
        let Some(time_ns) = self.clock.parse(&self.time) else {
            if self.has_begun || self.is_over {
                // a part without a time goes on with the line
                let text = std::mem::take(&mut self.time);
                self.expected = Expected::Text;
                self.append(&text, found);
                if rest.len() < bytes.len() - taken {
                    self.append(b" ", found);
                }
            } else {
                self.expected = Expected::Nothing;
                found(Found::Malformed);
            }
            return rest;
        };
        if time_ns != self.time_ns {
            if self.has_begun {
                self.pass_on(false, found);
            }
            self.is_over = false;
        }
        self.time_ns = time_ns;
        self.has_begun = !self.is_over;
        self.expected = Expected::Text;
        rest
    }

    fn append(&mut self, bytes: &[u8], found: &mut impl FnMut(Found)) {
        if self.is_over {
            return;
        }
        let times = if self.is_text { self.limit / PART + 1 } else { 0 };
        let limit = self.limit.saturating_add(times * (self.time.len() + 1));
        let room = limit - self.text.len();
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.is_over = true;
            self.pass_on(true, found);
        }
    }

    /// The line has its newline, or will not get one.
    fn end(&mut self, found: &mut impl FnMut(Found)) {
        if !self.is_over {
            self.pass_on(false, found);
        }
        self.is_over = false;
        self.has_begun = false;
        self.expect_time();
    }

    fn pass_on(&mut self, mut is_cut: bool, found: &mut impl FnMut(Found)) {
        let mut text = std::mem::take(&mut self.text);
        self.has_begun = false;
        if self.is_text && text.len() > PART {
            text = without_times(&text, &self.time);
        }
        if !is_cut {
            while let Some(b'\r' | b'\n') = text.last() {
                text.pop();
            }
        }
        is_cut |= text.len() > self.limit;
        text.truncate(self.limit);
        text.shrink_to_fit();
        found(Found::Line(Line { time_ns: self.time_ns, text, is_cut }));
    }
}

/// Where there are no frames, the times of further parts stand in the middle of the line: the very
/// same nanosecond, which no text has by chance.
fn without_times(text: &[u8], time: &[u8]) -> Vec<u8> {
    let time = [time, b" "].concat();
    let mut rest = text;
    let mut joined = Vec::with_capacity(text.len());
    while let Some(at) = memmem::find(rest, &time) {
        joined.extend_from_slice(&rest[..at]);
        rest = &rest[at + time.len()..];
    }
    joined.extend_from_slice(rest);
    joined
}

#[cfg(test)]
mod tests;
