//! Hashes, as lower-case hex.

use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use sha3::{Digest, Sha3_256};

use super::{Arguments, Builtin, Outcome, exactly};
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    exactly("Hash", 2, salted::<Sha3_256>),
    exactly("Sha2Hash", 2, salted::<Sha256>),
    exactly("sha1sum", 1, plain::<Sha1>),
    exactly("sha256sum", 1, plain::<Sha256>),
    exactly("sha512sum", 1, plain::<Sha512>),
    exactly("md5sum", 1, plain::<Md5>),
    exactly("adler32sum", 1, |call| {
        let sum = adler32(call.bytes(0)?);
        Ok(Value::text(sum.to_string()))
    }),
];

/// Salt first, text second, as the hashes of Promtail take them.
fn salted<D: Digest>(call: &mut Arguments<'_>) -> Outcome {
    let mut digest = D::new();
    digest.update(call.bytes(0)?);
    digest.update(call.bytes(1)?);
    Ok(Value::Text(hex(&digest.finalize())))
}

fn plain<D: Digest>(call: &mut Arguments<'_>) -> Outcome {
    Ok(Value::Text(hex(&D::digest(call.bytes(0)?))))
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| DIGITS[usize::from(half)])
        .collect()
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adler_sums_match_the_definition() {
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
        assert_eq!(adler32(b""), 1);
    }
}
