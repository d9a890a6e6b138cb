//! The wire form of protobuf, read field by field without a tree of messages.
//!
//! Lenient on purpose: whoever asks takes the fields it knows in the wire type it expects and passes
//! over the rest, so that a newer kubelet never costs more than the field that it changed. Texts are
//! repaired rather than refused.

use std::borrow::Cow;

/// Bytes that are no protobuf: a number of more than 64 bits, a wire type that does not exist, or a
/// length beyond the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bytes that are no protobuf message")]
pub struct Malformed;

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A varint.
    Number(u64),
    /// A text, bytes or message.
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no message here has.
    Fixed,
}

impl<'a> Value<'a> {
    /// The bytes; none of a value of another type.
    pub(super) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) | Self::Fixed => &[],
        }
    }

    /// As a text, with U+FFFD for what is no UTF-8.
    pub(super) fn text(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes())
    }
}

/// What stands at the begin of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A whole field, of so many bytes.
    Field { number: u64, value: Value<'a>, length: usize },
    /// A part of a field; it takes at least so many bytes.
    Incomplete { needed: usize },
}

/// Reads the first field of `input`.
pub(super) fn step(input: &[u8]) -> Result<Step<'_>, Malformed> {
    let incomplete = Ok(Step::Incomplete { needed: input.len().saturating_add(1) });
    let Some((tag, tag_length)) = varint(input)? else { return incomplete };
    let number = tag >> 3;
    if number == 0 {
        return Err(Malformed);
    }
    let rest = &input[tag_length..];
    let (value_begin, value_length) = match tag & 7 {
        0 => {
            let Some((value, length)) = varint(rest)? else { return incomplete };
            let length = tag_length + length;
            return Ok(Step::Field { number, value: Value::Number(value), length });
        }
        1 => (tag_length, 8),
        2 => {
            let Some((value, length)) = varint(rest)? else { return incomplete };
            (tag_length + length, usize::try_from(value).map_err(|_| Malformed)?)
        }
        5 => (tag_length, 4),
        _ => return Err(Malformed),
    };
    let end = value_begin.checked_add(value_length).ok_or(Malformed)?;
    let Some(bytes) = input.get(value_begin..end) else {
        return Ok(Step::Incomplete { needed: end });
    };
    let value = if tag & 7 == 2 { Value::Bytes(bytes) } else { Value::Fixed };
    Ok(Step::Field { number, value, length: end })
}

/// The fields of a whole message.
pub(super) fn fields(
    mut message: &[u8],
) -> impl Iterator<Item = Result<(u64, Value<'_>), Malformed>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let Ok(Step::Field { number, value, length }) = step(message) else {
            message = &[];
            return Some(Err(Malformed));
        };
        message = &message[length..];
        Some(Ok((number, value)))
    })
}

/// A number and its length; `None` if it does not end here.
fn varint(input: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    let mut value = 0;
    for (index, &byte) in input.iter().take(10).enumerate() {
        // the tenth byte holds the last of 64 bits
        if index == 9 && byte > 1 {
            return Err(Malformed);
        }
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return Ok(Some((value, index + 1)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_every_wire_type_are_read() {
        let message = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x12, 2, b'h', 0xFF, // 2: a text that is no UTF-8
            0x19, 0, 0, 0, 0, 0, 0, 0, 0, // 3: eight bytes
            0x25, 0, 0, 0, 0, // 4: four bytes
        ];
        let read: Vec<_> = fields(&message).map(Result::unwrap).collect();
        assert_eq!(read[0], (1, Value::Number(150)));
        assert_eq!(read[1].1.text(), "h\u{FFFD}");
        assert_eq!(read[2..], [(3, Value::Fixed), (4, Value::Fixed)]);
    }

    #[test]
    fn what_is_cut_off_says_how_much_it_needs() {
        assert_eq!(step(&[0x0A, 5, 1, 2]), Ok(Step::Incomplete { needed: 7 }));
        assert_eq!(step(&[0x0A]), Ok(Step::Incomplete { needed: 2 }));
        assert_eq!(fields(&[0x0A, 5, 1]).collect::<Vec<_>>(), [Err(Malformed)]);
    }

    #[test]
    fn groups_field_zero_and_endless_numbers_are_refused() {
        assert_eq!(step(&[0x0B]), Err(Malformed));
        assert_eq!(step(&[0x02, 0]), Err(Malformed));
        assert_eq!(step(&[0xFF; 11]), Err(Malformed));
        let mut too_long = vec![0x0A];
        too_long.extend([0xFF; 9]);
        too_long.push(1);
        assert_eq!(step(&too_long), Err(Malformed), "no address space is that large");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let read = fields(&bytes).count();
            prop_assert!(read <= bytes.len());
        }
    }
}
