//! How a batch stands on disk: length, checksum, tenant, counts, and the body of its request.

use std::io;
use std::sync::Arc;

use crate::batch::accumulator::Batch;

/// Length and checksum.
pub const HEADER: usize = 8;

/// A longer record is damage: batches have a size, and snappy adds a sixth at most.
pub const MAX_PAYLOAD: usize = 1 << 30;

/// What is known of a batch once its files need not be known any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Value of `X-Scope-OrgID`; empty = no header.
    pub tenant: Arc<str>,
    /// How many entries it holds.
    pub entries: u64,
    /// Bytes of lines and structured metadata in it.
    pub bytes: u64,
    /// The body of the request.
    pub body: Vec<u8>,
}

/// Appends a batch as a record.
pub fn put(out: &mut Vec<u8>, batch: &Batch) {
    let tenant = batch.tenant.as_bytes();
    let length = 4 + tenant.len() + 16 + batch.body.len();
    let begin = out.len();
    out.reserve(HEADER + length);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&u32::try_from(tenant.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(tenant);
    out.extend_from_slice(&batch.entries.to_le_bytes());
    out.extend_from_slice(&batch.bytes.to_le_bytes());
    out.extend_from_slice(&batch.body);
    let checksum = crc32fast::hash(&out[begin + HEADER..]);
    out[begin + 4..begin + HEADER].copy_from_slice(&checksum.to_le_bytes());
}

/// Length of the payload and its checksum.
///
/// # Errors
/// No record is that long.
pub fn header(bytes: [u8; HEADER]) -> io::Result<(usize, u32)> {
    let (length, checksum) = bytes.split_at(4);
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let length = usize::try_from(number(length)).unwrap_or(usize::MAX);
    if !(20..=MAX_PAYLOAD).contains(&length) {
        return Err(damaged("a length that no batch has"));
    }
    Ok((length, number(checksum)))
}

/// The record of a payload.
///
/// # Errors
/// The checksum differs, or the parts do not fit.
pub fn parse(payload: &[u8], checksum: u32) -> io::Result<Record> {
    if crc32fast::hash(payload) != checksum {
        return Err(damaged("its checksum differs"));
    }
    split(payload).ok_or_else(|| damaged("its parts do not fit"))
}

fn split(payload: &[u8]) -> Option<Record> {
    let (length, rest) = payload.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (tenant, rest) = rest.split_at_checked(length)?;
    let (entries, rest) = rest.split_first_chunk::<8>()?;
    let (bytes, body) = rest.split_first_chunk::<8>()?;
    Some(Record {
        tenant: Arc::from(std::str::from_utf8(tenant).ok()?),
        entries: u64::from_le_bytes(*entries),
        bytes: u64::from_le_bytes(*bytes),
        body: body.to_vec(),
    })
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a batch in it is damaged: {why}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn batch(tenant: &str, body: &[u8]) -> Batch {
        Batch {
            id: 1,
            tenant: Arc::from(tenant),
            body: body.to_vec(),
            entries: 3,
            bytes: 30,
            files: Vec::new(),
            receipt: None,
        }
    }

    fn read(bytes: &[u8]) -> io::Result<Record> {
        let (head, payload) = bytes.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        let (length, checksum) = header(*head)?;
        parse(payload.get(..length).ok_or(io::ErrorKind::UnexpectedEof)?, checksum)
    }

    proptest! {
        #[test]
        fn a_batch_is_read_as_it_was_written_and_any_flipped_bit_is_found(
            tenant in ".{0,20}",
            body in prop::collection::vec(any::<u8>(), 0..200),
            at: prop::sample::Index,
            bit in 0..8_u32,
        ) {
            let mut bytes = Vec::new();
            put(&mut bytes, &batch(&tenant, &body));
            let record = read(&bytes).unwrap();
            prop_assert_eq!((&*record.tenant, record.entries, record.bytes), (&*tenant, 3, 30));
            prop_assert_eq!(&record.body, &body);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(read(&bytes).is_err());
        }
    }
}
