//! Escapes and bracket expressions: the elements of a pattern that are not one plain character.
//!
//! Order matters: what a backslash means is decided by the first rule that fits, and a class reads
//! a POSIX name, a property and a Perl class before it reads a range.

use regex_syntax::hir::ClassUnicode;

use super::{SyntaxError, Translator};
use crate::regexp::class;

const BAD_RANGE: &str = "invalid character class range";
const BAD_ESCAPE: &str = "invalid escape sequence";

impl Translator<'_> {
    /// What begins with a backslash, outside of brackets.
    pub(super) fn escape(&mut self) -> Result<(), SyntaxError> {
        match self.source.as_bytes().get(self.at + 1) {
            Some(b'A') => self.assertion(2, r"\A"),
            Some(b'z') => self.assertion(2, r"\z"),
            Some(b'b') => self.assertion(2, r"(?-u:\b)"),
            Some(b'B') => self.assertion(2, r"(?-u:\B)"),
            Some(b'Q') => self.quoted(),
            _ => {
                if let Some(class) = self.named_class()? {
                    self.class(&class);
                } else {
                    let code = self.escaped_code()?;
                    self.literal(code);
                }
            }
        }
        Ok(())
    }

    /// `\Q...\E`: everything between is literal. Without its end it reaches to the pattern's.
    fn quoted(&mut self) {
        let text = &self.source[self.at + 2..];
        let (literal, after) = text.split_once(r"\E").unwrap_or((text, ""));
        self.at = self.source.len() - after.len();
        for character in literal.chars() {
            self.literal(u32::from(character));
        }
    }

    /// `\d` and its kin, `\pN`, `\p{Greek}`; `None` and no progress for another escape.
    fn named_class(&mut self) -> Result<Option<ClassUnicode>, SyntaxError> {
        let begin = self.at;
        let Some(&letter) =
            self.rest().strip_prefix('\\').and_then(|escape| escape.as_bytes().first())
        else {
            return Ok(None);
        };
        if let Some(class) = class::perl(letter, self.flags.fold_case) {
            self.at += 2;
            return Ok(Some(class));
        }
        if !matches!(letter, b'p' | b'P') {
            return Ok(None);
        }
        self.at += 2;
        let rest = self.rest();
        let (name, length) = if let Some(inner) = rest.strip_prefix('{') {
            let name = inner.split_once('}').map(|(name, _)| name);
            name.map_or(("", rest.len()), |name| (name, name.len() + 2))
        } else {
            // the name is one character
            let length = rest.chars().next().map_or(0, char::len_utf8);
            (&rest[..length], length)
        };
        let (name, is_inverted) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let is_negated = (letter == b'P') != is_inverted;
        let class = class::property(name, self.flags.fold_case, is_negated);
        self.at += length;
        if class.is_some() { Ok(class) } else { self.refuse(BAD_RANGE, begin) }
    }

    /// An escape that stands for one code point.
    fn escaped_code(&mut self) -> Result<u32, SyntaxError> {
        let begin = self.at;
        self.at += 1;
        let Some(selector) = self.rest().chars().next() else {
            self.at = begin;
            return Err(SyntaxError {
                problem: "trailing backslash at end of expression",
                at: self.source.len()..self.source.len(),
            });
        };
        self.at += selector.len_utf8();
        let code = match selector {
            // a single digit that is not 0 would be a backreference
            '1'..='7' if !self.rest().starts_with(|next| matches!(next, '0'..='7')) => None,
            '0'..='7' => Some(self.octal(selector)),
            'x' => self.hexadecimal(),
            'a' => Some(0x07),
            'f' => Some(0x0c),
            'n' => Some(0x0a),
            'r' => Some(0x0d),
            't' => Some(0x09),
            'v' => Some(0x0b),
            _ if selector.is_ascii() && !selector.is_ascii_alphanumeric() => {
                Some(u32::from(selector))
            }
            _ => None,
        };
        match code {
            Some(code) => Ok(code),
            None => self.refuse(BAD_ESCAPE, begin),
        }
    }

    /// One to three octal digits, of which the first is read.
    fn octal(&mut self, first: char) -> u32 {
        let mut code = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.rest().chars().next().and_then(|next| next.to_digit(8)) else {
                break;
            };
            self.at += 1;
            code = code * 8 + digit;
        }
        code
    }

    /// `\x41` or `\x{1F600}`, whose `\x` is read.
    fn hexadecimal(&mut self) -> Option<u32> {
        let is_braced = self.rest().starts_with('{');
        self.at += usize::from(is_braced);
        let (mut code, mut digits) = (0, 0);
        loop {
            let next = self.rest().chars().next()?;
            self.at += next.len_utf8();
            if is_braced && next == '}' {
                return (digits > 0).then_some(code);
            }
            code = code * 16 + next.to_digit(16)?;
            digits += 1;
            if code > u32::from(char::MAX) {
                return None;
            }
            if !is_braced && digits == 2 {
                return Some(code);
            }
        }
    }

    /// `[...]`. Nothing in it is an operator: no set operations, no brackets within brackets.
    pub(super) fn bracket_class(&mut self) -> Result<(), SyntaxError> {
        let open = self.at;
        self.at += 1;
        let is_negated = self.rest().starts_with('^');
        self.at += usize::from(is_negated);
        let mut class = ClassUnicode::empty();
        // a closing bracket is a member if it comes first
        let mut is_first = true;
        while is_first || !self.rest().starts_with(']') {
            is_first = false;
            if let Some(posix) = self.posix_class()? {
                class.union(&posix);
                continue;
            }
            if let Some(named) = self.named_class()? {
                class.union(&named);
                continue;
            }
            let begin = self.at;
            let low = self.class_code(open)?;
            let mut high = low;
            // in `[a-]` the hyphen is a member
            if self.rest().len() >= 2
                && self.rest().starts_with('-')
                && !self.rest().starts_with("-]")
            {
                self.at += 1;
                high = self.class_code(open)?;
                if high < low {
                    return self.refuse(BAD_RANGE, begin);
                }
            }
            let range = class::range(low, high);
            class.union(&if self.flags.fold_case { class::fold(range) } else { range });
        }
        self.at += 1;
        if is_negated {
            class.negate();
        }
        self.class(&class);
        Ok(())
    }

    /// `[:alpha:]`; `None` and no progress if it is none by its form.
    fn posix_class(&mut self) -> Result<Option<ClassUnicode>, SyntaxError> {
        let begin = self.at;
        let Some((name, _)) =
            self.rest().strip_prefix("[:").and_then(|inner| inner.split_once(":]"))
        else {
            return Ok(None);
        };
        let class = class::posix(name, self.flags.fold_case);
        self.at += name.len() + "[::]".len();
        if class.is_some() { Ok(class) } else { self.refuse(BAD_RANGE, begin) }
    }

    /// One member or one end of a range, of the class that opened at `open`.
    fn class_code(&mut self, open: usize) -> Result<u32, SyntaxError> {
        match self.rest().chars().next() {
            None => self.refuse("missing closing ]", open),
            Some('\\') => self.escaped_code(),
            Some(character) => {
                self.at += character.len_utf8();
                Ok(u32::from(character))
            }
        }
    }
}
