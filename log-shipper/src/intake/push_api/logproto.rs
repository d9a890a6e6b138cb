//! Loki's push request in protobuf, read where it lies.
//!
//! ```text
//! PushRequest { 1: repeated Stream }
//! Stream      { 1: string labels  2: repeated Entry }
//! Entry       { 1: Timestamp { 1: int64 seconds  2: int32 nanos }  2: bytes line
//!               3: repeated LabelPair { 1: string name  2: string value } }
//! ```
//!
//! [`check`] goes through a whole request before any of it is passed on; what it accepts, the
//! readers read without an error. Fields that are not listed are skipped, as protobuf wants.

use std::borrow::Cow;

/// Pairs of an entry's structured metadata: a pair of two bytes takes some 70 in memory. Loki takes
/// 128 unless it is told otherwise.
pub const MAX_METADATA: usize = 1024;

/// Said of an entry with more.
pub const TOO_MUCH_METADATA: &str = "an entry has more than 1024 pairs of structured metadata";

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Bytes that are no push request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} at byte {at} of the unpacked request")]
pub struct ProtoError {
    /// From the begin.
    pub at: usize,
    wanted: &'static str,
}

/// An error of the format.
fn invalid(at: usize) -> ProtoError {
    ProtoError { at, wanted: "no valid protobuf" }
}

/// A field's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a width that no field has here.
    Other,
}

/// Reads the fields of one message.
#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    /// Of `bytes` in the request, for errors.
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        self.at += length;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn content(&mut self, wire_type: u64) -> Option<Content<'a>> {
        Some(match wire_type {
            0 => Content::Number(self.varint()?),
            1 => self.take(8).map(|_| Content::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Content::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Content::Other)?,
            // groups are not written since 2008
            _ => return None,
        })
    }

    /// The next field: its number and content; `None` at the end.
    fn field(&mut self) -> Result<Option<(u64, Content<'a>)>, ProtoError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let read = self.varint().and_then(|tag| match tag >> 3 {
            0 => None,
            number => Some((number, self.content(tag & 7)?)),
        });
        read.map(Some).ok_or(invalid(at))
    }

    /// A message that was just read as a field.
    fn inner(&self, bytes: &'a [u8]) -> Self {
        Self { bytes, at: self.at - bytes.len() }
    }
}

/// Goes through all fields that the readers go through. A field of another kind than is expected is
/// an error, as in Go.
///
/// # Errors
/// Where the request is no message of this form.
pub fn check(request: &[u8]) -> Result<(), ProtoError> {
    let mut streams = Reader { bytes: request, at: 0 };
    each(&mut streams, |field, content, streams| match (field, content) {
        (1, Content::Bytes(stream)) => {
            each(&mut streams.inner(stream), |field, content, stream| match (field, content) {
                (1, Content::Bytes(_)) => Ok(()),
                (2, Content::Bytes(entry)) => check_entry(stream.inner(entry)),
                (1 | 2, _) => Err(invalid(stream.at)),
                _ => Ok(()),
            })
        }
        (1, _) => Err(invalid(streams.at)),
        _ => Ok(()),
    })
}

fn check_entry(mut entry: Reader<'_>) -> Result<(), ProtoError> {
    let mut pairs = 0;
    each(&mut entry, |field, content, entry| {
        let (bytes, wants_bytes) = match (field, content) {
            (1, Content::Bytes(bytes)) => (bytes, false),
            (3, Content::Bytes(bytes)) => {
                pairs += 1;
                if pairs > MAX_METADATA {
                    return Err(ProtoError { at: entry.at, wanted: TOO_MUCH_METADATA });
                }
                (bytes, true)
            }
            (2, Content::Bytes(_)) => return Ok(()),
            (1..=3, _) => return Err(invalid(entry.at)),
            _ => return Ok(()),
        };
        each(&mut entry.inner(bytes), |field, content, inner| match (field, content) {
            (1 | 2, Content::Bytes(_)) if wants_bytes => Ok(()),
            (1 | 2, Content::Number(_)) if !wants_bytes => Ok(()),
            (1 | 2, _) => Err(invalid(inner.at)),
            _ => Ok(()),
        })
    })
}

fn each<'a>(
    message: &mut Reader<'a>,
    mut visit: impl FnMut(u64, Content<'a>, &Reader<'a>) -> Result<(), ProtoError>,
) -> Result<(), ProtoError> {
    while let Some((number, content)) = message.field()? {
        visit(number, content, message)?;
    }
    Ok(())
}

/// The messages under a field, in a message that was checked.
fn messages(bytes: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader { bytes, at: 0 };
    std::iter::from_fn(move || {
        while let Ok(Some((field, content))) = reader.field() {
            if let Content::Bytes(bytes) = content
                && field == number
            {
                return Some(bytes);
            }
        }
        None
    })
}

/// The streams of a request that was checked.
pub fn streams(request: &[u8]) -> impl Iterator<Item = Stream<'_>> {
    messages(request, 1).map(Stream)
}

/// One stream.
#[derive(Debug, Clone, Copy)]
pub struct Stream<'a>(&'a [u8]);

impl<'a> Stream<'a> {
    /// The text of its labels.
    pub fn labels(&self) -> &'a [u8] {
        messages(self.0, 1).last().unwrap_or_default()
    }

    /// Its entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        messages(self.0, 2).map(Entry)
    }
}

/// One entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a>(&'a [u8]);

impl<'a> Entry<'a> {
    /// Nanoseconds since 1970; `None` where the entry has no time, or one that does not fit.
    pub fn timestamp_ns(&self) -> Option<i64> {
        let mut reader = Reader { bytes: messages(self.0, 1).last()?, at: 0 };
        let (mut seconds, mut nanos) = (0, 0);
        while let Ok(Some((field, content))) = reader.field() {
            match (field, content) {
                (1, Content::Number(number)) => seconds = number.cast_signed(),
                (2, Content::Number(number)) => nanos = number.cast_signed(),
                _ => {}
            }
        }
        seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)
    }

    /// Any bytes.
    pub fn line(&self) -> &'a [u8] {
        messages(self.0, 2).last().unwrap_or_default()
    }

    /// Structured metadata. Loki wants text: what is none is replaced.
    pub fn metadata(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        messages(self.0, 3).map(|pair| {
            let text =
                |number| String::from_utf8_lossy(messages(pair, number).last().unwrap_or_default());
            (text(1), text(2))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::logproto::{put_entry, put_stream};

    type Plain = (String, Vec<(i64, Vec<u8>, Vec<(String, String)>)>);

    fn written(streams: &[Plain]) -> Vec<u8> {
        let mut request = Vec::new();
        for (labels, entries) in streams {
            let mut bytes = Vec::new();
            for (time, line, metadata) in entries {
                let metadata: Vec<_> = metadata
                    .iter()
                    .map(|(name, value)| (Arc::from(name.as_str()), value.clone()))
                    .collect();
                put_entry(&mut bytes, *time, line, &metadata);
            }
            put_stream(&mut request, labels, &bytes);
        }
        request
    }

    fn read(request: &[u8]) -> Vec<Plain> {
        streams(request)
            .map(|stream| {
                let entries = stream.entries().map(|entry| {
                    let metadata = entry
                        .metadata()
                        .map(|(name, value)| (name.into_owned(), value.into_owned()))
                        .collect();
                    (entry.timestamp_ns().unwrap(), entry.line().to_vec(), metadata)
                });
                (String::from_utf8(stream.labels().to_vec()).unwrap(), entries.collect())
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            streams in prop::collection::vec(
                (".{0,8}", prop::collection::vec(
                    (any::<i64>(), prop::collection::vec(any::<u8>(), 0..200),
                     prop::collection::vec((".{0,4}", ".{0,4}"), 0..3)), 0..4)), 0..4)
        ) {
            let request = written(&streams);
            check(&request).unwrap();
            prop_assert_eq!(read(&request), streams);
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if check(&bytes).is_ok() {
                for stream in streams(&bytes) {
                    for entry in stream.entries() {
                        let _ = (entry.timestamp_ns(), entry.line(), entry.metadata().count());
                    }
                }
            }
        }

        #[test]
        fn a_request_that_is_cut_inside_its_stream_is_refused(cut in 1..30_usize) {
            let one = ("{a=\"b\"}".to_owned(), vec![(1, b"hello, world".to_vec(), vec![])]);
            let request = written(&[one]);
            prop_assume!(cut < request.len());
            prop_assert!(check(&request[..request.len() - cut]).is_err());
        }
    }

    #[test]
    fn unknown_fields_are_skipped_and_known_ones_of_another_kind_refused() {
        let one = ("{}".to_owned(), vec![(5, b"x".to_vec(), vec![])]);
        let mut request = written(std::slice::from_ref(&one));
        request.extend([0x18, 7, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x2D, 0, 0, 0, 0, 0x32, 1, b'z']);
        check(&request).unwrap();
        assert_eq!(read(&request), [one]);
        assert_eq!(check(&[0x08, 1]), Err(invalid(2)));
        assert!(check(&[0x0B]).is_err(), "a group");
        let pair = ("a".to_owned(), String::new());
        let pairs =
            |count| written(&[("{}".to_owned(), vec![(5, vec![], vec![pair.clone(); count])])]);
        assert_eq!(check(&pairs(MAX_METADATA)), Ok(()));
        let error = check(&pairs(MAX_METADATA + 1)).unwrap_err().to_string();
        assert!(error.starts_with(TOO_MUCH_METADATA), "{error}");
        assert!(check(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]).is_err());
    }
}
