//! Payloads of compressed data objects, decompressed up to a limit.
//!
//! A small object can claim to be any size: no allocation follows from a claim alone.

use std::io::{self, Read};

use lz4_flex::block;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

/// Memory for the dictionary of a decoder, in bytes. systemd's own objects need at most 8 MiB.
const DICTIONARY: u32 = 16 * 1024 * 1024;

/// How a data object is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Xz,
    Lz4,
    Zstd,
}

impl Codec {
    /// From the flags of an object: `Ok(None)` for plain bytes.
    pub(super) fn from_flags(flags: u8) -> Result<Option<Self>, u8> {
        match flags {
            0 => Ok(None),
            1 => Ok(Some(Self::Xz)),
            2 => Ok(Some(Self::Lz4)),
            4 => Ok(Some(Self::Zstd)),
            other => Err(other),
        }
    }
}

/// At most the first `limit` bytes of what `stored` holds. An LZ4 block is all or nothing: one over
/// the limit is an error.
pub(super) fn decompress(codec: Codec, stored: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    match codec {
        Codec::Xz => begin(XzReader::new_mem_limit(stored, false, DICTIONARY / 1024), limit),
        Codec::Lz4 => lz4(stored, limit),
        Codec::Zstd => {
            let decoder = StreamingDecoder::new_with_max_window_size(stored, u64::from(DICTIONARY));
            begin(decoder.map_err(invalid)?, limit)
        }
    }
}

fn begin(decoder: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    decoder.take(limit as u64).read_to_end(&mut out)?;
    Ok(out)
}

/// systemd writes the size before the block, as 64 bits.
fn lz4(stored: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let (size, compressed) =
        stored.split_first_chunk().ok_or_else(|| invalid("the size is missing"))?;
    let size = usize::try_from(u64::from_le_bytes(*size)).map_err(invalid)?;
    // One byte of a block stands for at most 255.
    if size > limit || size / 255 > compressed.len() {
        return Err(invalid("the size is impossible, or over the limit"));
    }
    let mut out = vec![0; size];
    let written = block::decompress_into(compressed, &mut out).map_err(invalid)?;
    if written != size {
        return Err(invalid("the size is not that of the content"));
    }
    Ok(out)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> Vec<u8> {
        [b"MESSAGE=".as_slice(), &b"compress ".repeat(100)].concat()
    }

    fn lz4_of(text: &[u8]) -> Vec<u8> {
        [(text.len() as u64).to_le_bytes().to_vec(), block::compress(text)].concat()
    }

    #[test]
    fn lz4_has_its_size_in_front() {
        let stored = lz4_of(&text());
        assert_eq!(decompress(Codec::Lz4, &stored, 10_000).unwrap(), text());
        assert!(decompress(Codec::Lz4, &stored, 100).is_err());
        let mut huge = stored.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(decompress(Codec::Lz4, &huge, usize::MAX).is_err());
        let mut larger = stored;
        larger[0] += 1;
        assert!(decompress(Codec::Lz4, &larger, 10_000).is_err());
    }

    #[test]
    fn two_codecs_at_once_are_none() {
        assert_eq!(Codec::from_flags(0), Ok(None));
        assert_eq!(Codec::from_flags(4), Ok(Some(Codec::Zstd)));
        assert_eq!(Codec::from_flags(3), Err(3));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_pass_the_limit(
            mut stored: Vec<u8>, kind in 0_usize..3, magic: bool
        ) {
            let codec = [Codec::Xz, Codec::Lz4, Codec::Zstd][kind];
            if magic {
                let begin: &[u8] = match codec {
                    Codec::Xz => b"\xFD7zXZ\0\0\0\xFF\x12\xD9\x41",
                    Codec::Lz4 => &[200, 0, 0, 0, 0, 0, 0, 0],
                    Codec::Zstd => b"\x28\xB5\x2F\xFD",
                };
                stored.splice(..0, begin.iter().copied());
            }
            if let Ok(out) = decompress(codec, &stored, 300) {
                prop_assert!(out.len() <= 300);
            }
        }
    }
}
