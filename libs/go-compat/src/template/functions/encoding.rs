//! Base64, base32 and percent encoding, on bytes.

use super::{Arguments, Builtin, MANY, Outcome, exactly};
use crate::template::value::Value;

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(super) const TABLE: &[Builtin] = &[
    exactly("b64enc", 1, |call| Ok(Value::Text(encode(call.bytes(0)?, BASE64)))),
    exactly("b64dec", 1, |call| Ok(decoded(call.bytes(0)?, BASE64))),
    exactly("b32enc", 1, |call| Ok(Value::Text(encode(call.bytes(0)?, BASE32)))),
    exactly("b32dec", 1, |call| Ok(decoded(call.bytes(0)?, BASE32))),
    Builtin { name: "urlquery", least: 0, most: MANY, run: url_query },
];

/// Digits per padded block and bits per digit of an alphabet of 64 or 32.
fn shape(alphabet: &[u8]) -> (usize, u32) {
    if alphabet.len() == 64 { (4, 6) } else { (8, 5) }
}

fn encode(bytes: &[u8], alphabet: &[u8]) -> Vec<u8> {
    let (block, bits) = shape(alphabet);
    let mask = alphabet.len() - 1;
    let mut out = Vec::with_capacity(bytes.len() * 8 / 5 + block);
    let (mut held, mut count) = (0_usize, 0);
    for byte in bytes {
        held = held << 8 | usize::from(*byte);
        count += 8;
        while count >= bits {
            count -= bits;
            out.push(alphabet[held >> count & mask]);
        }
        held &= mask;
    }
    if count > 0 {
        out.push(alphabet[held << (bits - count) & mask]);
    }
    out.resize(out.len().next_multiple_of(block), b'=');
    out
}

/// The decoded bytes. What is not encoded properly gives Go's error text, as in sprig, which has no
/// other way to report it.
fn decoded(text: &[u8], alphabet: &[u8]) -> Value {
    match decode(text, alphabet) {
        Ok(bytes) => Value::Text(bytes),
        Err(at) => {
            let bits = alphabet.len();
            Value::text(format!("illegal base{bits} data at input byte {at}"))
        }
    }
}

fn decode(text: &[u8], alphabet: &[u8]) -> Result<Vec<u8>, usize> {
    let (block, bits) = shape(alphabet);
    let digits: Vec<(usize, u8)> = text
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let padding = digits.iter().rev().take_while(|(_, byte)| *byte == b'=').count();
    let data = &digits[..digits.len() - padding];
    let mut out = Vec::with_capacity(text.len());
    let (mut held, mut count) = (0_usize, 0);
    for (at, byte) in data {
        let digit = alphabet.iter().position(|known| known == byte).ok_or(*at)?;
        held = held << bits | digit;
        count += bits;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(held >> count & 0xff).unwrap_or(0));
            held &= (1 << count) - 1;
        }
    }
    // a whole block, and no digit that carries no byte
    if !digits.len().is_multiple_of(block) || padding >= block || count >= bits {
        return Err(data.last().map_or(0, |(at, _)| *at));
    }
    Ok(out)
}

/// Go's `url.QueryEscape` of what `print` would print.
fn url_query(call: &mut Arguments<'_>) -> Outcome {
    let text = super::format::joined(&call.take_from(0))?;
    Ok(Value::Text(query_escaped(&text)))
}

fn query_escaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            other => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn decoding_reverses_encoding(bytes: Vec<u8>) {
            for alphabet in [BASE64, BASE32] {
                let encoded = encode(&bytes, alphabet);
                proptest::prop_assert_eq!(decode(&encoded, alphabet), Ok(bytes.clone()));
            }
        }
    }

    #[test]
    fn encodings_match_the_standard() {
        assert_eq!(encode(b"foobar", BASE32), b"MZXW6YTBOI======");
        assert_eq!(encode(b"foob", BASE64), b"Zm9vYg==");
        assert_eq!(decode(b"Zm9*", BASE64), Err(3));
        assert_eq!(decode(b"Zm9vY", BASE64), Err(4));
    }
}
