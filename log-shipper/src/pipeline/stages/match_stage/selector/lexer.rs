//! Tokens of a selector.
//!
//! Splits as Go's `text/scanner` does for Promtail: blanks, newlines and Go comments separate, and
//! the two characters of an operator stand together.

use std::fmt;

use super::SelectorError;

/// One token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    OpenBrace,
    CloseBrace,
    Comma,
    Equal,
    NotEqual,
    Match,
    NotMatch,
    Contains,
    LineMatch,
    Name(&'a str),
    /// A double-quoted string, unescaped.
    Text(Vec<u8>),
    /// Anything else, by its first character.
    Other(char),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::OpenBrace => "{",
            Self::CloseBrace => "}",
            Self::Comma => ",",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
            Self::Contains => "|=",
            Self::LineMatch => "|~",
            Self::Name(name) => name,
            Self::Text(_) => "a text",
            Self::Other(character) => return write!(f, "{character}"),
            Self::End => "the end",
        };
        f.write_str(text)
    }
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    /// In bytes.
    offset: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    /// The next token and the character, counted from 1, at which it begins.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), SelectorError> {
        self.skip_blanks()?;
        let position = self.position();
        let rest = &self.text[self.offset..];
        let Some(first) = rest.chars().next() else { return Ok((position, Token::End)) };
        let (length, token) = match first {
            '{' => (1, Token::OpenBrace),
            '}' => (1, Token::CloseBrace),
            ',' => (1, Token::Comma),
            '=' if rest.starts_with("=~") => (2, Token::Match),
            '=' => (1, Token::Equal),
            '!' if rest.starts_with("!=") => (2, Token::NotEqual),
            '!' if rest.starts_with("!~") => (2, Token::NotMatch),
            '|' if rest.starts_with("|=") => (2, Token::Contains),
            '|' if rest.starts_with("|~") => (2, Token::LineMatch),
            '"' => {
                let error = |problem| SelectorError::Text { position, problem };
                let length =
                    string_length(rest).ok_or_else(|| error("the closing quote is missing"))?;
                let text = go_compat::strconv::unquote(&rest[..length])
                    .ok_or_else(|| error("an escape sequence that Go does not know"))?;
                (length, Token::Text(text))
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let name = &rest[..end.unwrap_or(rest.len())];
                (name.len(), Token::Name(name))
            }
            other => (other.len_utf8(), Token::Other(other)),
        };
        self.offset += length;
        Ok((position, token))
    }

    fn position(&self) -> usize {
        self.text[..self.offset].chars().count() + 1
    }

    fn skip_blanks(&mut self) -> Result<(), SelectorError> {
        loop {
            let rest = &self.text[self.offset..];
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            let rest = &rest[blanks..];
            let comment = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(inner) = rest.strip_prefix("/*") {
                let end = inner.find("*/").ok_or_else(|| SelectorError::Text {
                    position: self.position() + blanks,
                    problem: "the comment has no end",
                })?;
                end + 4
            } else {
                0
            };
            self.offset += blanks + comment;
            if comment == 0 {
                return Ok(());
            }
        }
    }
}

/// Length in bytes of the double-quoted string at the start, quotes included; `None` where the line
/// or the text ends first.
fn string_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut index = 1;
    loop {
        match bytes.get(index)? {
            b'"' => return Some(index + 1),
            b'\n' => return None,
            b'\\' => index += 2,
            _ => index += 1,
        }
    }
}
