//! Characters in bytes that need not be UTF-8: each invalid byte counts as one U+FFFD, as in Go.

/// The characters of `bytes` in order.
pub(super) fn characters(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let replaced = std::iter::repeat_n(char::REPLACEMENT_CHARACTER, chunk.invalid().len());
        chunk.valid().chars().chain(replaced)
    })
}

/// Go's `strings.Map` with a function that keeps every character.
pub(super) fn map(bytes: &[u8], mut change: impl FnMut(char) -> char) -> Vec<u8> {
    let mut out = String::with_capacity(bytes.len());
    out.extend(characters(bytes).map(&mut change));
    out.into_bytes()
}

/// Go's `unicode.ToUpper`, which knows no character that becomes two.
pub(super) fn upper(character: char) -> char {
    single(character, character.to_uppercase())
}

/// Go's `unicode.ToLower`.
pub(super) fn lower(character: char) -> char {
    single(character, character.to_lowercase())
}

fn single(character: char, mut changed: impl Iterator<Item = char>) -> char {
    match (changed.next(), changed.next()) {
        (Some(only), None) => only,
        _ => character,
    }
}

/// Without the characters at the start that `cut` accepts. Invalid bytes stay as they are.
pub(super) fn trim_start(mut bytes: &[u8], cut: impl Fn(char) -> bool) -> &[u8] {
    while let Some((character, length)) = first(bytes)
        && cut(character)
    {
        bytes = &bytes[length..];
    }
    bytes
}

/// Without the characters at the end that `cut` accepts.
pub(super) fn trim_end(mut bytes: &[u8], cut: impl Fn(char) -> bool) -> &[u8] {
    while let Some((character, length)) = last(bytes)
        && cut(character)
    {
        bytes = &bytes[..bytes.len() - length];
    }
    bytes
}

/// The first character and its length in bytes.
pub(super) fn first(bytes: &[u8]) -> Option<(char, usize)> {
    let chunk = bytes.get(..bytes.len().min(4))?.utf8_chunks().next()?;
    match chunk.valid().chars().next() {
        Some(character) => Some((character, character.len_utf8())),
        None => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

fn last(bytes: &[u8]) -> Option<(char, usize)> {
    let longest = bytes.len().min(4);
    for length in 1..=longest {
        if let Ok(text) = std::str::from_utf8(&bytes[bytes.len() - length..])
            && let Some(character) = text.chars().next()
        {
            return Some((character, length));
        }
    }
    (longest > 0).then_some((char::REPLACEMENT_CHARACTER, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invalid_byte_is_one_replacement_character() {
        let seen: Vec<char> = characters(b"a\xe2\x82b\xff").collect();
        assert_eq!(seen, ['a', '\u{fffd}', '\u{fffd}', 'b', '\u{fffd}']);
    }

    #[test]
    fn trimming_stops_at_bytes_that_are_no_character() {
        assert_eq!(trim_start(b" \xff ", char::is_whitespace), b"\xff ");
        assert_eq!(trim_end(b" \xff ", char::is_whitespace), b" \xff");
        assert_eq!(trim_end("aä".as_bytes(), |character| character == 'ä'), b"a");
    }

    #[test]
    fn a_character_never_becomes_two() {
        assert_eq!(map("straße".as_bytes(), upper), "STRAßE".as_bytes());
    }
}
