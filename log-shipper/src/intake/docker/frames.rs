//! Tells the streams of a log apart.
//!
//! An engine sends frames with a header of 8 bytes, each with one part of a line of one stream; or,
//! for a container with a terminal, the bare text. Which of both shows in the first byte, because
//! text begins with a time, and so with a digit. A frame is passed on in pieces as it arrives: its
//! header may announce 4 GiB.

/// Which stream a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// Standard output, and all of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl StreamKind {
    pub(super) const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// The value of the label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// Its place in arrays.
    pub fn index(self) -> usize {
        match self {
            Self::Stdout => 0,
            Self::Stderr => 1,
        }
    }
}

/// Not a log: a frame of an unknown kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("log has a frame of unknown kind {kind}")]
pub struct FrameError {
    kind: u8,
}

/// Some bytes of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Which one.
    pub stream: StreamKind,
    /// At least one.
    pub bytes: &'a [u8],
    /// A frame begins here, and so does a part of a line.
    pub begins: bool,
    /// It has no frames: text of a terminal.
    pub is_text: bool,
}

const HEADER: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// Nothing has arrived.
    #[default]
    Unknown,
    /// The text of a terminal.
    Text,
    /// So many bytes of a header.
    Header { bytes: [u8; HEADER], have: usize },
    /// So many bytes of a frame are to come; nobody wants those without a stream.
    Frame { stream: Option<StreamKind>, left: u32, begins: bool },
}

/// Splits one answer of the engine.
#[derive(Debug, Default)]
pub struct Demultiplexer {
    state: State,
}

impl Demultiplexer {
    /// Passes the pieces of these bytes on.
    ///
    /// # Errors
    /// A frame that no log has; where the next one begins is unknown.
    pub fn push<'a>(
        &mut self,
        mut bytes: &'a [u8],
        mut piece: impl FnMut(Piece<'a>),
    ) -> Result<(), FrameError> {
        const EMPTY: State = State::Header { bytes: [0; HEADER], have: 0 };
        while let Some(first) = bytes.first() {
            match &mut self.state {
                State::Unknown => {
                    self.state = if *first > 3 { State::Text } else { EMPTY };
                }
                State::Text => {
                    piece(Piece {
                        stream: StreamKind::Stdout,
                        bytes,
                        begins: false,
                        is_text: true,
                    });
                    return Ok(());
                }
                State::Header { bytes: header, have } => {
                    let taken = bytes.len().min(HEADER - *have);
                    header[*have..*have + taken].copy_from_slice(&bytes[..taken]);
                    *have += taken;
                    bytes = &bytes[taken..];
                    if *have == HEADER {
                        self.state = frame(*header)?;
                    }
                }
                State::Frame { stream, left, begins } => {
                    let taken =
                        usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let (own, rest) = bytes.split_at(taken);
                    if let Some(stream) = *stream {
                        piece(Piece { stream, bytes: own, begins: *begins, is_text: false });
                    }
                    *begins = false;
                    bytes = rest;
                    *left -= u32::try_from(taken).expect("not more than there were left");
                    if *left == 0 {
                        self.state = EMPTY;
                    }
                }
            }
        }
        Ok(())
    }
}

fn frame(header: [u8; HEADER]) -> Result<State, FrameError> {
    let [kind, _, _, _, length @ ..] = header;
    let stream = match kind {
        1 => Some(StreamKind::Stdout),
        2 => Some(StreamKind::Stderr),
        // standard input, which no log has, and errors of the engine itself
        0 | 3 => None,
        _ => return Err(FrameError { kind }),
    };
    match u32::from_be_bytes(length) {
        0 => Ok(State::Header { bytes: [0; HEADER], have: 0 }),
        left => Ok(State::Frame { stream, left, begins: true }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(kind: u8, text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0][..], &length, text].concat()
    }

    /// The parts of both streams, put together again.
    fn demultiplexed(chunks: &[&[u8]]) -> Result<Vec<(StreamKind, Vec<u8>)>, FrameError> {
        let mut parts: Vec<(StreamKind, Vec<u8>)> = Vec::new();
        let mut demultiplexer = Demultiplexer::default();
        for chunk in chunks {
            demultiplexer.push(chunk, |piece| match parts.last_mut() {
                Some((_, part)) if !piece.begins => part.extend_from_slice(piece.bytes),
                _ => parts.push((piece.stream, piece.bytes.to_vec())),
            })?;
        }
        Ok(parts)
    }

    #[test]
    fn a_terminal_has_no_frames() {
        let mut demultiplexer = Demultiplexer::default();
        let mut seen = Vec::new();
        demultiplexer.push(b"2024-", |piece| seen.push(piece)).unwrap();
        demultiplexer.push(b"\x01", |piece| seen.push(piece)).unwrap();
        let piece =
            |bytes| Piece { stream: StreamKind::Stdout, bytes, begins: false, is_text: true };
        assert_eq!(seen, [piece(b"2024-"), piece(b"\x01")]);
    }

    #[test]
    fn an_unknown_kind_is_an_error_and_the_engines_own_are_left_out() {
        let stream =
            [framed(3, b"oops"), framed(1, b""), framed(2, b"b"), framed(9, b"c")].concat();
        assert_eq!(demultiplexed(&[&stream]), Err(FrameError { kind: 9 }));
        let parts = demultiplexed(&[&stream[..stream.len() - 9]]).unwrap();
        assert_eq!(parts, [(StreamKind::Stderr, b"b".to_vec())]);
    }

    proptest! {
        /// However the bytes arrive, the frames are those that were sent.
        #[test]
        fn frames_survive_any_chunks(
            frames in prop::collection::vec((1_u8..3, prop::collection::vec(any::<u8>(), 1..40)), 1..8),
            sizes in prop::collection::vec(1_usize..12, 1..60),
        ) {
            let stream: Vec<u8> = frames.iter().flat_map(|(kind, text)| framed(*kind, text)).collect();
            let mut chunks = Vec::new();
            let mut rest = &stream[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            let expected: Vec<_> = frames
                .into_iter()
                .map(|(kind, text)| (StreamKind::ALL[usize::from(kind) - 1], text))
                .collect();
            prop_assert_eq!(demultiplexed(&chunks).unwrap(), expected);
        }
    }
}
