//! A forward walk over JSON text that checks the grammar and copies nothing.
//!
//! Accepts what Go's decoder accepts: RFC 8259 with any bytes above 0x1F inside strings, numbers
//! that fit a float, and nesting to a limit. Nothing here recurses, whatever the text.

/// How deep objects and arrays may be nested: Go's limit.
pub(crate) const MAX_DEPTH: usize = 10_000;

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What stands between the quotes of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawString {
    /// Behind the opening quote.
    pub(crate) start: usize,
    /// Where the closing quote stands.
    pub(crate) end: usize,
    /// Whether there is a backslash in it.
    pub(crate) escaped: bool,
}

/// The objects and arrays around the cursor; reused from line to line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open {
    depth: usize,
    /// One bit per level, set for an object.
    objects: Vec<u64>,
}

impl Open {
    /// Before the first level.
    pub(crate) fn reset(&mut self) {
        self.depth = 0;
    }

    /// Enters an object or an array.
    pub(crate) fn push(&mut self, object: bool) -> Result<(), Malformed> {
        if self.depth == MAX_DEPTH {
            return Err(Malformed);
        }
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        if word == self.objects.len() {
            self.objects.push(0);
        }
        if object {
            self.objects[word] |= bit;
        } else {
            self.objects[word] &= !bit;
        }
        self.depth += 1;
        Ok(())
    }

    /// Leaves it.
    pub(crate) fn pop(&mut self) {
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        let level = self.depth - 1;
        self.objects[level / 64] >> (level % 64) & 1 == 1
    }
}

/// A position in a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes were passed.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next byte, without passing it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Passes one byte.
    pub(crate) fn next(&mut self) -> Result<u8, Malformed> {
        let byte = self.peek().ok_or(Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    /// Passes this byte, if it is the next one.
    pub(crate) fn next_is(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Passes white space.
    #[inline]
    pub(crate) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes white space up to the end of the text.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(Malformed) }
    }

    /// Passes a key, the colon, and the space around it.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<RawString, Malformed> {
        if !self.next_is(b'"') {
            return Err(Malformed);
        }
        let key = self.string()?;
        self.space();
        if !self.next_is(b':') {
            return Err(Malformed);
        }
        self.space();
        Ok(key)
    }

    /// Passes the rest of a string, whose opening quote was passed.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<RawString, Malformed> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = special(self.text, self.at).ok_or(Malformed)?;
            match self.text[self.at] {
                b'"' => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(RawString { start, end, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(Malformed),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6).ok_or(Malformed)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(Malformed);
                }
                self.at += 6;
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// Passes one value.
    pub(crate) fn value(&mut self, open: &mut Open) -> Result<(), Malformed> {
        let outside = open.depth;
        loop {
            let first = self.next()?;
            match first {
                b'"' => {
                    self.string()?;
                }
                b'{' => {
                    open.push(true)?;
                    self.space();
                    if self.next_is(b'}') {
                        open.pop();
                    } else {
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    open.push(false)?;
                    self.space();
                    if self.next_is(b']') {
                        open.pop();
                    } else {
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => self.number(first)?,
                b't' => self.literal(b"rue")?,
                b'f' => self.literal(b"alse")?,
                b'n' => self.literal(b"ull")?,
                _ => return Err(Malformed),
            }
            loop {
                if open.depth == outside {
                    return Ok(());
                }
                self.space();
                match (self.next()?, open.in_object()) {
                    (b',', object) => {
                        self.space();
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => open.pop(),
                    _ => return Err(Malformed),
                }
            }
        }
    }

    /// Passes the rest of `null`, `true` or `false`.
    pub(crate) fn literal(&mut self, rest: &[u8]) -> Result<(), Malformed> {
        let end = self.at + rest.len();
        if self.text.get(self.at..end) != Some(rest) {
            return Err(Malformed);
        }
        self.at = end;
        Ok(())
    }

    /// Passes the rest of a number.
    fn number(&mut self, first: u8) -> Result<(), Malformed> {
        let start = self.at - 1;
        let first_digit = if first == b'-' { self.next()? } else { first };
        match first_digit {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return Err(Malformed),
        }
        if self.next_is(b'.') {
            self.some_digits()?;
        }
        let exponent = self.next_is(b'e') || self.next_is(b'E');
        if exponent {
            let _sign = self.next_is(b'-') || self.next_is(b'+');
            self.some_digits()?;
        }
        // Without an exponent it takes 309 digits to leave the range of a float.
        if exponent || self.at - start > 300 {
            return float(&self.text[start..self.at]).map(|_| ()).ok_or(Malformed);
        }
        Ok(())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.digits();
        if self.at == start { Err(Malformed) } else { Ok(()) }
    }
}

/// A JSON number; `None` beyond the range of a float.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    number.is_finite().then_some(number)
}

/// The first quote, backslash or control character from `from` on, eight bytes at a time.
#[inline]
fn special(text: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xFF;
    const HIGH: u64 = ONES * 0x80;
    let mut at = from;
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5C);
        // The high bit of each byte that is zero, or for the last one below 0x20. A borrow can set
        // bits too many, but only above a bit that is right, and the lowest one counts.
        let found = quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash
            | word.wrapping_sub(ONES * 0x20) & !word;
        if found & HIGH != 0 {
            return Some(at + (found & HIGH).trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = text.get(at..)?;
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).map(|index| at + index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_json(text: &[u8]) -> bool {
        let mut cursor = Cursor::new(text);
        cursor.space();
        cursor.value(&mut Open::default()).and_then(|()| cursor.end()).is_ok()
    }

    #[test]
    fn the_grammar_is_that_of_rfc_8259() {
        for good in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "-0.5e+10",
            "12E3",
            "1.25",
            "\"\"",
            "[]",
            "{}",
            " [ 1 , {\"a\" : [ ] } ] ",
            r#"{"a":{"b":[1,2,{"c":null}]},"d":"\u00e9\n\/"}"#,
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            " ",
            "nul",
            "truex",
            "01",
            "-",
            "+1",
            ".5",
            "1.",
            "1.e1",
            "1e",
            "1e+",
            "0x1",
            "NaN",
            "1e400",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u12",
            "\"a\tb\"",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "{1:1}",
            "[1}",
            "{\"a\":1]",
            "{}}",
            "[] []",
            "'a'",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn nesting_ends_at_the_limit_without_recursion() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(is_json(&nested(MAX_DEPTH)));
        assert!(!is_json(&nested(MAX_DEPTH + 1)));
        assert!(!is_json(&vec![b'['; 1 << 20]));
    }

    #[test]
    fn bytes_of_strings_need_not_be_utf_8() {
        assert!(is_json(b"[\"\xff\xfe\"]"));
    }

    proptest! {
        #[test]
        fn special_bytes_are_found_where_a_plain_search_finds_them(
            text in proptest::collection::vec(
                prop_oneof![8 => 0x20_u8..=0xFF, 1 => 0_u8..0x24, 1 => Just(b'\\')], 0..40),
            from in 0_usize..45,
        ) {
            let plain = (from..text.len()).find(|index| matches!(text[*index], b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(special(&text, from), plain);
        }

        #[test]
        fn arbitrary_text_is_accepted_exactly_when_serde_json_accepts_it(
            text in r#"[\[\]{}:,"0-9eE.+ \\untrfalse-]{0,24}"#,
        ) {
            // An escaped half of a surrogate pair becomes U+FFFD here, as in Go.
            prop_assume!(!text.contains("\\u"));
            let expected = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(is_json(text.as_bytes()), expected, "{}", text);
        }
    }
}
