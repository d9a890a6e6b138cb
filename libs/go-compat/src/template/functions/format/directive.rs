//! Reads the directives of a `printf` format and finds the value of each.

use crate::template::value::Value;

/// Widths and precisions beyond this are what Go calls too large.
const MOST: usize = 1_000_000;

/// One `%` with all that belongs to it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of printf's independent flags")]
pub(super) struct Directive<'v> {
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) verb: char,
    /// What Go writes in the parentheses where there is no value.
    pub(super) value: Result<&'v Value, &'static str>,
}

/// Walks through a format.
#[derive(Debug)]
pub(super) struct Directives<'f, 'v> {
    rest: &'f [u8],
    values: &'v [Value],
    next: usize,
    reordered: bool,
    good_index: bool,
}

impl<'f, 'v> Directives<'f, 'v> {
    pub(super) fn new(format: &'f [u8], values: &'v [Value]) -> Self {
        Self { rest: format, values, next: 0, reordered: false, good_index: true }
    }

    /// The next directive that takes a value; the text before it goes to `out`.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> Option<Directive<'v>> {
        loop {
            let text = self.rest.iter().take_while(|byte| **byte != b'%').count();
            out.extend_from_slice(&self.rest[..text]);
            self.rest = self.rest.get(text + 1..)?;
            self.good_index = true;
            let mut directive = self.flags();
            self.index();
            directive.width = self.number(out, &mut directive.minus, "%!(BADWIDTH)");
            directive.zero &= !directive.minus;
            if self.rest.first() == Some(&b'.') {
                self.rest = &self.rest[1..];
                self.index();
                let given = self.number(out, &mut false, "%!(BADPREC)");
                directive.precision = Some(given.unwrap_or(0));
            }
            self.index();
            let Some((verb, length)) = super::super::characters::first(self.rest) else {
                out.extend_from_slice(b"%!(NOVERB)");
                return None;
            };
            self.rest = &self.rest[length..];
            if verb == '%' {
                out.push(b'%');
                continue;
            }
            directive.verb = verb;
            directive.value = match self.values.get(self.next) {
                _ if !self.good_index => Err("BADINDEX"),
                None => Err("MISSING"),
                Some(value) => {
                    self.next += 1;
                    Ok(value)
                }
            };
            return Some(directive);
        }
    }

    /// The values that no directive asked for; `None` when there are none, or when indexes were
    /// used.
    pub(super) fn unused(&self) -> Option<&'v [Value]> {
        let unused = self.values.get(self.next..)?;
        (!self.reordered && !unused.is_empty()).then_some(unused)
    }

    fn flags(&mut self) -> Directive<'v> {
        let mut directive = Directive {
            plus: false,
            minus: false,
            sharp: false,
            space: false,
            zero: false,
            width: None,
            precision: None,
            verb: ' ',
            value: Err("MISSING"),
        };
        while let Some((flag, rest)) = self.rest.split_first() {
            match flag {
                b'+' => directive.plus = true,
                b'-' => directive.minus = true,
                b'#' => directive.sharp = true,
                b' ' => directive.space = true,
                b'0' => directive.zero = true,
                _ => break,
            }
            self.rest = rest;
        }
        directive
    }

    /// `[3]`: the next value is the third.
    fn index(&mut self) {
        let Some(inner) = self.rest.strip_prefix(b"[") else { return };
        self.reordered = true;
        let Some(end) = inner.iter().position(|byte| *byte == b']') else {
            self.good_index = false;
            self.rest = inner;
            return;
        };
        let number = std::str::from_utf8(&inner[..end]).ok().and_then(|text| text.parse().ok());
        match number.and_then(|number: usize| number.checked_sub(1)) {
            Some(index) if index < self.values.len() => self.next = index,
            _ => self.good_index = false,
        }
        self.rest = &inner[end + 1..];
    }

    /// Digits, or `*` for the next value; a negative one sets `minus`.
    fn number(&mut self, out: &mut Vec<u8>, minus: &mut bool, bad: &str) -> Option<usize> {
        if let Some(rest) = self.rest.strip_prefix(b"*") {
            self.rest = rest;
            let given = match self.values.get(self.next) {
                Some(Value::Int(number)) => Some(*number),
                _ => None,
            };
            self.next += 1;
            let size = given.and_then(|number| usize::try_from(number.unsigned_abs()).ok());
            if let Some(size) = size.filter(|size| *size <= MOST) {
                *minus |= given.is_some_and(i64::is_negative);
                return Some(size);
            }
            out.extend_from_slice(bad.as_bytes());
            return None;
        }
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (number <= MOST).then_some(number)
    }
}
