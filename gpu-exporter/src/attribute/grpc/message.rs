//! A gRPC message as it arrives: whole fields are handed on at once, and forgotten.
//!
//! So memory is bounded by the largest field of a reply (one pod), not by the reply: a kubelet with
//! thousands of pods sends megabytes.

use super::super::protobuf::{self, Malformed, Step};

/// Five bytes before a message: whether it is compressed, and its length.
const PREFIX_LENGTH: usize = 5;

/// What is wrong with a reply's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It is compressed, which was not offered.
    #[error("the reply is compressed")]
    Compressed,
    /// It says that it is larger than what is accepted.
    #[error("the reply has {length} bytes, more than the {limit} that are accepted")]
    TooLarge {
        /// What it says.
        length: usize,
        /// What is accepted.
        limit: usize,
    },
    /// It ends too early.
    #[error("the reply ends in the middle")]
    CutOff,
    /// There is something behind it.
    #[error("more than one message in the reply")]
    MoreThanOne,
    /// It is no protobuf.
    #[error("the reply has a broken field")]
    Malformed(#[from] Malformed),
}

/// Reads one message.
#[derive(Debug)]
pub(super) struct MessageReader {
    limit: usize,
    prefix: Vec<u8>,
    /// Bytes of the message that have not come.
    left: usize,
    /// The begin of a field.
    buffer: Vec<u8>,
    /// Below this length the buffer holds no whole field.
    needed: usize,
}

impl MessageReader {
    /// Of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let prefix = Vec::with_capacity(PREFIX_LENGTH);
        Self { limit, prefix, left: 0, buffer: Vec::new(), needed: 0 }
    }

    /// Takes the next bytes, and hands on those fields that are texts, bytes or messages.
    pub(super) fn push(
        &mut self,
        mut chunk: &[u8],
        on_field: &mut (impl FnMut(u64, &[u8]) + ?Sized),
    ) -> Result<(), MessageError> {
        if self.prefix.len() < PREFIX_LENGTH {
            let (prefix, rest) = chunk.split_at(chunk.len().min(PREFIX_LENGTH - self.prefix.len()));
            self.prefix.extend_from_slice(prefix);
            chunk = rest;
            let [flag, length @ ..] = self.prefix.as_slice() else { return Ok(()) };
            let Ok(length) = <[u8; 4]>::try_from(length) else { return Ok(()) };
            if *flag != 0 {
                return Err(MessageError::Compressed);
            }
            self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            if self.left > self.limit {
                return Err(MessageError::TooLarge { length: self.left, limit: self.limit });
            }
        }
        if chunk.len() > self.left {
            return Err(MessageError::MoreThanOne);
        }
        self.left -= chunk.len();
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() >= self.needed {
            self.drain(on_field)?;
        }
        Ok(())
    }

    fn drain(
        &mut self,
        on_field: &mut (impl FnMut(u64, &[u8]) + ?Sized),
    ) -> Result<(), MessageError> {
        let mut begin = 0;
        loop {
            let rest = &self.buffer[begin..];
            match protobuf::step(rest)? {
                Step::Field { number, value, length } => {
                    on_field(number, value.bytes());
                    begin += length;
                }
                Step::Incomplete { needed } => {
                    // what it lacks must be among what is still to come
                    if !rest.is_empty() && needed - rest.len() > self.left {
                        return Err(MessageError::CutOff);
                    }
                    self.needed = needed;
                    break;
                }
            }
        }
        self.buffer.drain(..begin);
        Ok(())
    }

    /// The body has ended.
    pub(super) fn finish(self) -> Result<(), MessageError> {
        let is_whole =
            self.prefix.len() == PREFIX_LENGTH && self.left == 0 && self.buffer.is_empty();
        if is_whole { Ok(()) } else { Err(MessageError::CutOff) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend(message);
        frame
    }

    fn read(body: &[u8], chunk: usize) -> Result<Vec<(u64, Vec<u8>)>, MessageError> {
        let mut reader = MessageReader::new(1 << 20);
        let mut fields = Vec::new();
        for part in body.chunks(chunk) {
            reader.push(part, &mut |number, bytes: &[u8]| fields.push((number, bytes.to_vec())))?;
        }
        reader.finish().map(|()| fields)
    }

    #[test]
    fn fields_are_the_same_however_the_message_is_cut() {
        let body = framed(&[0x0A, 3, 1, 2, 3, 0x10, 7, 0x1A, 0]);
        let expected = vec![(1, vec![1, 2, 3]), (2, vec![]), (3, vec![])];
        for chunk in 1..=body.len() {
            assert_eq!(read(&body, chunk), Ok(expected.clone()), "{chunk} bytes at a time");
        }
    }

    #[test]
    fn an_empty_message_has_no_fields_and_a_missing_one_is_an_error() {
        assert_eq!(read(&framed(&[]), 1), Ok(vec![]));
        assert_eq!(read(&[], 1), Err(MessageError::CutOff));
    }

    #[test]
    fn only_what_is_being_read_is_kept() {
        let mut reader = MessageReader::new(1 << 30);
        let pod = [[0x0A, 100].as_slice(), &[7; 100]].concat();
        reader.push(&framed(&pod.repeat(1_000)), &mut |_, _: &[u8]| ()).unwrap();
        assert_eq!(reader.buffer.len(), 0);
        reader.finish().unwrap();
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(read(&framed(&[0x0A, 9, 1]), 3), Err(MessageError::CutOff));
        assert_eq!(read(&[framed(&[]), vec![1]].concat(), 9), Err(MessageError::MoreThanOne));
        assert_eq!(read(&[1, 0, 0, 0, 0], 5), Err(MessageError::Compressed));
        let too_large = MessageError::TooLarge { length: 0xFFFF_FFFF, limit: 1 << 20 };
        assert_eq!(read(&[0, 0xFF, 0xFF, 0xFF, 0xFF], 5), Err(too_large));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(message: Vec<u8>, chunk in 1_usize..40, is_framed: bool) {
            let body = if is_framed { framed(&message) } else { message };
            let whole = read(&body, body.len().max(1));
            let in_parts = read(&body, chunk);
            prop_assert_eq!(whole.is_ok(), in_parts.is_ok());
        }
    }
}
