//! Messages that come in several datagrams.
//!
//! What is incomplete is bounded in number, bytes and time; beyond it the oldest message is given up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What a chunk begins with.
pub const MAGIC: [u8; 2] = [0x1e, 0x0f];

/// Magic, id, number, count.
const HEADER: usize = 12;

/// As GELF says.
const MAX_CHUNKS: u8 = 128;

/// As GELF says: all chunks come within this time of the first.
const PATIENCE: Duration = Duration::from_secs(5);

/// Incomplete messages.
const MAX_OPEN: usize = 1024;

/// Bytes of incomplete messages.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What is wrong with a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chunk with a wrong header: 12 bytes with its number and a count of 1 to {MAX_CHUNKS}")]
pub struct ChunkError;

type Key = (IpAddr, [u8; 8]);

/// Incomplete messages of all senders.
#[derive(Debug, Default)]
pub struct Chunks {
    open: HashMap<Key, Parts>,
    bytes: usize,
}

#[derive(Debug)]
struct Parts {
    since: Instant,
    missing: u8,
    contents: Vec<Option<Vec<u8>>>,
    bytes: usize,
}

impl Chunks {
    /// Gives up what is too old: how many messages that were.
    pub fn expire(&mut self, now: Instant) -> u64 {
        let before = self.open.len();
        let bytes = &mut self.bytes;
        self.open.retain(|_, parts| {
            let is_fresh = now.saturating_duration_since(parts.since) < PATIENCE;
            if !is_fresh {
                *bytes -= parts.bytes;
            }
            is_fresh
        });
        (before - self.open.len()) as u64
    }

    /// Takes a chunk: the message when it is complete, and how many others had to be given up.
    ///
    /// # Errors
    /// It is no chunk.
    pub fn add(
        &mut self,
        from: IpAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(Option<Vec<u8>>, u64), ChunkError> {
        let (header, content) = datagram.split_at_checked(HEADER).ok_or(ChunkError)?;
        let (number, count) = (header[10], header[11]);
        if header[..2] != MAGIC || count == 0 || count > MAX_CHUNKS || number >= count {
            return Err(ChunkError);
        }
        let mut id = [0; 8];
        id.copy_from_slice(&header[2..10]);
        let key = (from, id);
        let parts = self.open.entry(key).or_insert_with(|| Parts {
            since: now,
            missing: count,
            contents: vec![None; usize::from(count)],
            bytes: 0,
        });
        // Another count under the same id is another message, or none.
        if parts.contents.len() != usize::from(count) {
            return Err(ChunkError);
        }
        let part = &mut parts.contents[usize::from(number)];
        if part.is_none() {
            *part = Some(content.to_vec());
            parts.missing -= 1;
            parts.bytes += content.len();
            self.bytes += content.len();
        }
        if parts.missing == 0 {
            let parts = self.take(key).map(|parts| parts.contents).unwrap_or_default();
            return Ok((Some(parts.into_iter().flatten().collect::<Vec<_>>().concat()), 0));
        }
        let mut given_up = 0;
        while self.open.len() > MAX_OPEN || self.bytes > MAX_BYTES {
            let oldest = self.open.iter().min_by_key(|(_, parts)| parts.since);
            let Some(oldest) = oldest.map(|(key, _)| *key) else { break };
            self.take(oldest);
            given_up += 1;
        }
        Ok((None, given_up))
    }

    fn take(&mut self, key: Key) -> Option<Parts> {
        let parts = self.open.remove(&key)?;
        self.bytes -= parts.bytes;
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn chunk(id: u64, number: u8, count: u8, content: &[u8]) -> Vec<u8> {
        [&MAGIC[..], &id.to_be_bytes(), &[number, count], content].concat()
    }

    #[test]
    fn chunks_of_several_messages_may_come_in_any_order_and_twice() {
        let mut chunks = Chunks::default();
        let now = Instant::now();
        let mut add = |chunk: Vec<u8>| chunks.add(FROM, &chunk, now).unwrap().0;
        assert_eq!(add(chunk(1, 2, 3, b"c")), None);
        assert_eq!(add(chunk(2, 0, 2, b"x")), None);
        assert_eq!(add(chunk(1, 0, 3, b"a")), None);
        assert_eq!(add(chunk(1, 0, 3, b"again")), None);
        assert_eq!(add(chunk(1, 1, 3, b"b")), Some(b"abc".to_vec()));
        assert_eq!(add(chunk(2, 1, 2, b"y")), Some(b"xy".to_vec()));
        assert_eq!((chunks.bytes, chunks.open.len()), (0, 0));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let mut chunks = Chunks::default();
        let now = Instant::now();
        for datagram in [
            &chunk(1, 0, 0, b"x")[..],
            &chunk(1, 0, 129, b"x"),
            &chunk(1, 2, 2, b"x"),
            &chunk(1, 0, 2, b"x")[..11],
            &[],
        ] {
            assert_eq!(chunks.add(FROM, datagram, now), Err(ChunkError));
        }
        chunks.add(FROM, &chunk(1, 0, 2, b"x"), now).unwrap();
        assert_eq!(chunks.add(FROM, &chunk(1, 1, 3, b"x"), now), Err(ChunkError));
    }

    #[test]
    fn incomplete_messages_are_given_up_after_five_seconds() {
        let mut chunks = Chunks::default();
        let now = Instant::now();
        chunks.add(FROM, &chunk(1, 0, 2, b"x"), now).unwrap();
        assert_eq!(chunks.expire(now + Duration::from_millis(4_999)), 0);
        assert_eq!(chunks.expire(now + PATIENCE), 1);
        assert_eq!((chunks.bytes, chunks.open.len()), (0, 0));
    }

    #[test]
    fn number_and_bytes_of_incomplete_messages_are_bounded() {
        let mut chunks = Chunks::default();
        let now = Instant::now();
        let mut given_up = 0;
        for id in 0..MAX_OPEN as u64 + 5 {
            let now = now + Duration::from_nanos(id);
            given_up += chunks.add(FROM, &chunk(id, 0, 2, b"x"), now).unwrap().1;
        }
        assert_eq!((given_up, chunks.open.len()), (5, MAX_OPEN));
        assert!(!chunks.open.contains_key(&(FROM, 0_u64.to_be_bytes())));
        let content = vec![0; 60_000];
        let now = now + Duration::from_secs(1);
        for id in 0..400_u64 {
            chunks.add(FROM, &chunk(id + 10_000, 0, 2, &content), now).unwrap();
            assert!(chunks.bytes <= MAX_BYTES);
        }
        assert!(chunks.bytes > MAX_BYTES - 60_000, "{}", chunks.bytes);
    }
}
