//! A text to be searched, as the engine needs it.
//!
//! A repaired text has U+FFFD, three bytes, for each byte that is not part of a character: offsets
//! in it are too large by two for each one before them.

use std::borrow::Cow;

/// What one invalid byte grows by.
const GROWTH: usize = char::REPLACEMENT_CHARACTER.len_utf8() - 1;

/// A text that was checked to be UTF-8, or repaired.
#[derive(Debug, Clone)]
pub struct Haystack<'h> {
    text: Cow<'h, str>,
    /// Offsets in the text as given of the bytes that were replaced.
    replaced: Vec<usize>,
}

impl<'h> Haystack<'h> {
    /// Checks a text; only one that is not UTF-8 is copied.
    pub fn new(bytes: &'h [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: Cow::Borrowed(text), replaced: Vec::new() },
            Err(_) => Self::repair(bytes),
        }
    }

    #[cold]
    fn repair(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len() + 64);
        let (mut replaced, mut at) = (Vec::new(), 0);
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            at += chunk.valid().len();
            for _ in chunk.invalid() {
                text.push(char::REPLACEMENT_CHARACTER);
                replaced.push(at);
                at += 1;
            }
        }
        Self { text: Cow::Owned(text), replaced }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_repaired(&self) -> bool {
        !self.replaced.is_empty()
    }

    /// The offset in the searched text of one in the text as given, moved up to a character; `None`
    /// behind the end.
    pub(super) fn position_of(&self, offset: usize) -> Option<usize> {
        let before = self.replaced.partition_point(|replaced| *replaced < offset);
        let position = offset + before * GROWTH;
        (position <= self.text.len()).then(|| self.text.ceil_char_boundary(position))
    }

    /// The offset in the text as given of one in the searched text.
    pub(super) fn offset_of(&self, position: usize) -> usize {
        // the replaced byte of index i begins at replaced[i] + 2 * i in the searched text
        let (mut low, mut high) = (0, self.replaced.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.replaced[middle] + middle * GROWTH < position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        position - low * GROWTH
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn valid_text_is_borrowed() {
        let haystack = Haystack::new("é".as_bytes());
        assert!(matches!(haystack.text, Cow::Borrowed("é")));
        assert_eq!(haystack.position_of(1), Some(2), "moved up to a character");
        assert_eq!(haystack.position_of(3), None);
    }

    #[test]
    fn each_invalid_byte_is_a_character() {
        let haystack = Haystack::new(b"a\xe2\x82b\xff");
        assert_eq!(haystack.text(), "a\u{fffd}\u{fffd}b\u{fffd}");
        let positions: Vec<_> = (0..=5).filter_map(|offset| haystack.position_of(offset)).collect();
        assert_eq!(positions, [0, 1, 4, 7, 8, 11]);
        assert_eq!(haystack.position_of(6), None);
    }

    proptest! {
        #[test]
        fn offsets_map_there_and_back(bytes in prop::collection::vec(prop_oneof![Just(b'a'), Just(0xc3), Just(0xa9), any::<u8>()], 0..24)) {
            let haystack = Haystack::new(&bytes);
            let mut offset = 0;
            for chunk in bytes.utf8_chunks() {
                let widths = chunk.valid().chars().map(char::len_utf8);
                for width in widths.chain(chunk.invalid().iter().map(|_| 1)) {
                    let position = haystack.position_of(offset).unwrap();
                    prop_assert!(haystack.text().is_char_boundary(position));
                    prop_assert_eq!(haystack.offset_of(position), offset);
                    offset += width;
                }
            }
            prop_assert_eq!(haystack.offset_of(haystack.text().len()), bytes.len());
        }
    }
}
