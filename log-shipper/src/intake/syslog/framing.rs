//! Cuts a stream or a datagram into syslog messages, by octet counts or by lines.
//!
//! What comes out depends on the bytes only, not on how they were cut into reads; what is held is at
//! most one message of the permitted length and one read.

use bytes::{Buf, Bytes, BytesMut};

/// Digits of an octet count: more is no count that anybody means.
const MAX_DIGITS: usize = 10;

/// What is wrong with a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The first byte of all.
    #[error(
        "a stream cannot begin with byte {0:#04x}: a digit begins a message with an octet count, `<` \
         a message that ends with its line"
    )]
    Begin(u8),
    /// Something else where an octet count is due. Where the next message begins is unknown.
    #[error("byte {0:#04x} in an octet count: up to {MAX_DIGITS} digits and a space are accepted")]
    Count(u8),
    /// Its end is known, the next message is read.
    #[error("a message is longer than max_message_length, {limit} bytes")]
    TooLong {
        /// Bytes.
        limit: usize,
    },
    /// The stream ended inside a counted message.
    #[error("the stream ended within a message")]
    Truncated,
}

impl FrameError {
    /// Whether nothing that follows can be read.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Begin(_) | Self::Count(_))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No byte was seen.
    Begin,
    /// A count is due.
    Count,
    /// A message of so many bytes is due.
    Octets(usize),
    /// So many bytes are left out.
    SkipOctets(u64),
    /// A line that begins a message, and those that continue it.
    Lines,
    /// The same, left out.
    SkipLines,
    /// After a fatal error.
    Broken,
}

/// Takes bytes, gives messages.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    /// Bytes of the buffer in which no end of a message is.
    scanned: usize,
    state: State,
    limit: usize,
}

impl Framer {
    /// For messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, state: State::Begin, limit }
    }

    /// Where the next bytes are appended. All messages are to be taken before.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next message that is complete; errors stand where their messages would.
    pub fn next_frame(&mut self) -> Option<Result<Bytes, FrameError>> {
        loop {
            match self.state {
                State::Begin => {
                    self.state = match *self.buffer.first()? {
                        b'<' => State::Lines,
                        b'0'..=b'9' => State::Count,
                        other => return Some(Err(self.broken(FrameError::Begin(other)))),
                    };
                }
                State::Count => {
                    if let Err(error) = self.count()? {
                        return Some(Err(error));
                    }
                }
                State::Octets(length) => {
                    if self.buffer.len() < length {
                        return None;
                    }
                    self.state = State::Count;
                    return Some(Ok(self.buffer.split_to(length).freeze()));
                }
                State::SkipOctets(left) => {
                    let here = usize::try_from(left)
                        .map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
                    self.buffer.advance(here);
                    let left = left - here as u64;
                    if left > 0 {
                        self.state = State::SkipOctets(left);
                        return None;
                    }
                    self.state = State::Count;
                }
                State::Lines | State::SkipLines => return self.lines(),
                State::Broken => {
                    self.buffer.clear();
                    return None;
                }
            }
        }
    }

    /// Whether only the next message, or silence, says that the one held is complete.
    pub fn holds_whole_lines(&self) -> bool {
        self.state == State::Lines && self.buffer.ends_with(b"\n")
    }

    /// What is held, as if the next message had begun. After the end of a stream nothing follows.
    pub fn flush(&mut self, is_end: bool) -> Option<Result<Bytes, FrameError>> {
        let held = self.buffer.split();
        self.scanned = 0;
        match self.state {
            State::Lines => self.line(held.freeze()),
            State::Octets(_) if is_end => Some(Err(FrameError::Truncated)),
            State::Count if is_end && !held.is_empty() => Some(Err(FrameError::Truncated)),
            _ => None,
        }
    }

    fn broken(&mut self, error: FrameError) -> FrameError {
        self.state = State::Broken;
        self.buffer.clear();
        error
    }

    /// Reads an octet count. Line ends between messages are none of RFC 6587, but some senders
    /// write them.
    fn count(&mut self) -> Option<Result<(), FrameError>> {
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        self.buffer.advance(blank);
        let digits = self
            .buffer
            .iter()
            .take(MAX_DIGITS + 1)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits > MAX_DIGITS {
            let extra = self.buffer[MAX_DIGITS];
            return Some(Err(self.broken(FrameError::Count(extra))));
        }
        let end = *self.buffer.get(digits)?;
        if digits == 0 || end != b' ' {
            return Some(Err(self.broken(FrameError::Count(end))));
        }
        let mut length: u64 = 0;
        for digit in &self.buffer[..digits] {
            length = length * 10 + u64::from(digit - b'0');
        }
        self.buffer.advance(digits + 1);
        match usize::try_from(length) {
            Ok(length) if length <= self.limit => {
                self.state = State::Octets(length);
                Some(Ok(()))
            }
            _ => {
                self.state = State::SkipOctets(length);
                Some(Err(FrameError::TooLong { limit: self.limit }))
            }
        }
    }

    /// A message ends where the next line begins with `<`.
    fn lines(&mut self) -> Option<Result<Bytes, FrameError>> {
        loop {
            let end = memchr::memmem::find(&self.buffer[self.scanned..], b"\n<");
            if let Some(end) = end {
                let line = self.buffer.split_to(self.scanned + end).freeze();
                self.buffer.advance(1);
                self.scanned = 0;
                if self.state == State::SkipLines {
                    self.state = State::Lines;
                    continue;
                }
                match self.line(line) {
                    Some(found) => return Some(found),
                    None => continue,
                }
            }
            let has_line_end = self.buffer.ends_with(b"\n");
            let length = self.buffer.len() - usize::from(has_line_end);
            self.scanned = length;
            let is_too_long = self.state == State::Lines && length > self.limit;
            if is_too_long || self.state == State::SkipLines {
                self.state = State::SkipLines;
                self.buffer.advance(length);
                self.scanned = 0;
            }
            return is_too_long.then_some(Err(FrameError::TooLong { limit: self.limit }));
        }
    }

    /// Without its last line end; nothing when nothing is left.
    fn line(&self, mut line: Bytes) -> Option<Result<Bytes, FrameError>> {
        if line.len() > self.limit + usize::from(line.ends_with(b"\n")) {
            return Some(Err(FrameError::TooLong { limit: self.limit }));
        }
        if line.ends_with(b"\n") {
            line.truncate(line.len() - 1);
        }
        (!line.is_empty()).then_some(Ok(line))
    }
}

#[cfg(test)]
mod tests;
