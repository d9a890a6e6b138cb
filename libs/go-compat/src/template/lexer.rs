//! Splits a template into text and the tokens of its actions.
//!
//! White space inside actions is no token; each token says whether some came before it, because
//! `$x.y` is a field of `$x` and `$x .y` are two arguments.

use super::error::TemplateError;
use super::value::Value;

/// One token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Counted from 1.
    pub(super) line: usize,
    /// White space, or the start of the action, came right before.
    pub(super) spaced: bool,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Text outside of actions, trimmed as its neighbours ask.
    Text(String),
    Open,
    Close,
    /// A keyword, function name, `true`, `false` or `nil`.
    Word(String),
    /// `.name`, without the dot.
    Field(String),
    /// `$name` or `$`, with the dollar sign.
    Variable(String),
    Literal(Value),
    Dot,
    LeftParen,
    RightParen,
    Pipe,
    Comma,
    Declare,
    Assign,
    End,
}

impl Kind {
    /// The token in an error message.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text(_) => "text".to_owned(),
            Self::Open => "\"{{\"".to_owned(),
            Self::Close => "\"}}\"".to_owned(),
            Self::Word(word) => format!("\"{word}\""),
            Self::Field(name) => format!("\".{name}\""),
            Self::Variable(name) => format!("\"{name}\""),
            Self::Literal(value) => {
                let printed = value.clone().into_printed();
                format!("constant \"{}\"", String::from_utf8_lossy(&printed))
            }
            Self::Dot => "\".\"".to_owned(),
            Self::LeftParen => "\"(\"".to_owned(),
            Self::RightParen => "\")\"".to_owned(),
            Self::Pipe => "\"|\"".to_owned(),
            Self::Comma => "\",\"".to_owned(),
            Self::Declare => "\":=\"".to_owned(),
            Self::Assign => "\"=\"".to_owned(),
            Self::End => "end of the template".to_owned(),
        }
    }
}

/// The tokens of `source`, the last one being [`Kind::End`].
pub(super) fn tokens(source: &str) -> Result<Vec<Token>, TemplateError> {
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

struct Lexer<'s> {
    rest: &'s str,
    line: usize,
    tokens: Vec<Token>,
}

impl<'s> Lexer<'s> {
    fn run(&mut self) -> Result<(), TemplateError> {
        let mut trim_start = false;
        loop {
            let (text, in_action) = match self.rest.find("{{") {
                Some(at) => (&self.rest[..at], true),
                None => (self.rest, false),
            };
            let trims_before = in_action && starts_trimming(&self.rest[text.len() + 2..]);
            self.text(text, trim_start, trims_before);
            if !in_action {
                self.push(Kind::End, true);
                return Ok(());
            }
            self.advance(2 + if trims_before { 2 } else { 0 });
            trim_start = if self.rest.starts_with("/*") { self.comment()? } else { self.action()? };
        }
    }

    fn text(&mut self, text: &'s str, trim_start: bool, trim_end: bool) {
        let mut shown = text;
        if trim_start {
            shown = shown.trim_start_matches(SPACE);
        }
        if trim_end {
            shown = shown.trim_end_matches(SPACE);
        }
        if !shown.is_empty() {
            self.push(Kind::Text(shown.to_owned()), false);
        }
        self.advance(text.len());
    }

    /// Skips a comment; whether it trims the text after it.
    fn comment(&mut self) -> Result<bool, TemplateError> {
        let Some(end) = self.rest.find("*/") else {
            return self.malformed("comment does not end, \"*/}}\" is missing");
        };
        self.advance(end + 2);
        match self.closing() {
            Some((length, trims)) => {
                self.advance(length);
                Ok(trims)
            }
            None => self.malformed("a comment must end with \"*/}}\" and fill its action"),
        }
    }

    /// The length of a closing delimiter here, if there is one, and whether it trims.
    fn closing(&self) -> Option<(usize, bool)> {
        if self.rest.starts_with("}}") {
            return Some((2, false));
        }
        let after_space = self.rest.strip_prefix(SPACE)?;
        after_space.starts_with("-}}").then_some((4, true))
    }

    /// Reads the tokens up to the closing delimiter; whether that trims the text after it.
    fn action(&mut self) -> Result<bool, TemplateError> {
        self.push(Kind::Open, true);
        let mut spaced = true;
        loop {
            if let Some((length, trims)) = self.closing() {
                self.push(Kind::Close, spaced);
                self.advance(length);
                return Ok(trims);
            }
            let Some(first) = self.rest.chars().next() else {
                return self.malformed("action does not end, \"}}\" is missing");
            };
            if SPACE.contains(&first) {
                self.advance(1);
                spaced = true;
                continue;
            }
            self.token(first, spaced)?;
            spaced = false;
        }
    }

    fn token(&mut self, first: char, spaced: bool) -> Result<(), TemplateError> {
        let second = self.rest[first.len_utf8()..].chars().next().unwrap_or(' ');
        let (kind, length) = match first {
            '(' => (Kind::LeftParen, 1),
            ')' => (Kind::RightParen, 1),
            '|' => (Kind::Pipe, 1),
            ',' => (Kind::Comma, 1),
            '=' => (Kind::Assign, 1),
            ':' if second == '=' => (Kind::Declare, 2),
            '"' => self.quoted()?,
            '`' => self.raw()?,
            '\'' => self.character()?,
            '$' => {
                let length = 1 + name_length(&self.rest[1..]);
                (Kind::Variable(self.rest[..length].to_owned()), length)
            }
            '.' if second.is_ascii_digit() => self.number()?,
            '.' => match name_length(&self.rest[1..]) {
                0 => (Kind::Dot, 1),
                length => (Kind::Field(self.rest[1..=length].to_owned()), length + 1),
            },
            '+' | '-' if second.is_ascii_digit() || second == '.' => self.number()?,
            digit if digit.is_ascii_digit() => self.number()?,
            letter if is_name_char(letter) => {
                let length = name_length(self.rest);
                (Kind::Word(self.rest[..length].to_owned()), length)
            }
            other => return self.malformed(format!("unexpected character {other:?} in an action")),
        };
        let names = matches!(kind, Kind::Variable(_) | Kind::Field(_) | Kind::Word(_));
        self.push(kind, spaced);
        self.advance(length);
        if names && !self.at_terminator() {
            let next = self.rest.chars().next().unwrap_or(' ');
            return self.malformed(format!("bad character {next:?} after a name"));
        }
        Ok(())
    }

    fn at_terminator(&self) -> bool {
        self.rest.is_empty()
            || self.rest.starts_with("}}")
            || self.rest.starts_with([' ', '\t', '\r', '\n', '.', ',', '|', ':', '(', ')', '='])
    }

    fn quoted(&self) -> Result<(Kind, usize), TemplateError> {
        let length = self.quoted_length('"')?;
        match crate::strconv::unquote(&self.rest[..length]) {
            Some(bytes) => Ok((Kind::Literal(Value::Text(bytes)), length)),
            None => self.malformed(format!("bad escape in string {}", &self.rest[..length])),
        }
    }

    fn quoted_length(&self, quote: char) -> Result<usize, TemplateError> {
        let mut escaped = false;
        for (index, character) in self.rest.char_indices().skip(1) {
            match character {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if character == quote => return Ok(index + 1),
                _ => {}
            }
        }
        self.malformed(format!("string or character without its closing {quote}"))
    }

    fn raw(&self) -> Result<(Kind, usize), TemplateError> {
        match self.rest[1..].find('`') {
            Some(length) => {
                let text = &self.rest[1..=length];
                Ok((Kind::Literal(Value::text(text)), length + 2))
            }
            None => self.malformed("raw string without its closing `"),
        }
    }

    fn character(&self) -> Result<(Kind, usize), TemplateError> {
        let length = self.quoted_length('\'')?;
        let body = &self.rest[1..length - 1];
        let text = match body {
            "\\'" => Some(b"'".to_vec()),
            "\"" => Some(b"\"".to_vec()),
            _ => crate::strconv::unquote(&format!("\"{body}\"")),
        };
        let code = text.and_then(|bytes| {
            // '\xff' and '\377' are the number itself, not a part of a character
            if let [byte] = *bytes.as_slice() {
                return Some(i64::from(byte));
            }
            let text = String::from_utf8(bytes).ok()?;
            let mut characters = text.chars();
            let only = characters.next().filter(|_| characters.next().is_none())?;
            Some(i64::from(u32::from(only)))
        });
        match code {
            Some(code) => Ok((Kind::Literal(Value::Int(code)), length)),
            None => self.malformed(format!("bad character constant {}", &self.rest[..length])),
        }
    }

    fn number(&self) -> Result<(Kind, usize), TemplateError> {
        let hexadecimal = self
            .rest
            .trim_start_matches(['+', '-'])
            .get(..2)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
        let exponents = if hexadecimal { ['p', 'P'] } else { ['e', 'E'] };
        let mut length = 0;
        let mut before = ' ';
        for character in self.rest.chars() {
            let sign = matches!(character, '+' | '-');
            let belongs = if sign {
                length == 0 || exponents.contains(&before)
            } else {
                character == '.' || is_name_char(character)
            };
            if !belongs {
                break;
            }
            length += character.len_utf8();
            before = character;
        }
        let text = &self.rest[..length];
        match super::numbers::constant(text) {
            Some(value) => Ok((Kind::Literal(value), length)),
            None => self.malformed(format!("bad number syntax: {text:?}")),
        }
    }

    fn push(&mut self, kind: Kind, spaced: bool) {
        self.tokens.push(Token { kind, line: self.line, spaced });
    }

    fn advance(&mut self, length: usize) {
        let (passed, rest) = self.rest.split_at(length);
        self.line += passed.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
    }

    fn malformed<T>(&self, reason: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError::Malformed { line: self.line, reason: reason.into() })
    }
}

/// Whether an action that begins with `text` trims what stands before it.
fn starts_trimming(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(SPACE))
}

fn is_name_char(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn name_length(text: &str) -> usize {
    text.find(|character| !is_name_char(character)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<Kind> {
        tokens(source).unwrap().into_iter().map(|token| token.kind).collect()
    }

    fn text(text: &str) -> Kind {
        Kind::Text(text.to_owned())
    }

    #[test]
    fn dashes_trim_the_text_around_an_action() {
        let expected = vec![text("a"), Kind::Open, Kind::Dot, Kind::Close, text("b"), Kind::End];
        assert_eq!(kinds("a \n{{- . -}}\t b"), expected);
        assert_eq!(kinds("a{{- /* gone */ -}} b"), vec![text("a"), text("b"), Kind::End]);
    }

    #[test]
    fn a_dash_before_a_digit_is_a_sign() {
        let expected = vec![Kind::Open, Kind::Literal(Value::Int(-3)), Kind::Close, Kind::End];
        assert_eq!(kinds("{{-3}}"), expected);
    }

    #[test]
    fn literals_are_read_as_go_reads_them() {
        for (source, value) in [
            (r#""a\tb\"""#, Value::text("a\tb\"")),
            ("`a\\n`", Value::text("a\\n")),
            ("'a'", Value::Int(97)),
            (r"'\''", Value::Int(39)),
            (r"'\n'", Value::Int(10)),
            ("'ä'", Value::Int(0xe4)),
            ("0x1F", Value::Int(31)),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("1_000", Value::Int(1000)),
            ("-1.5e-3", Value::Float(-0.0015)),
        ] {
            let expected = vec![Kind::Open, Kind::Literal(value), Kind::Close, Kind::End];
            assert_eq!(kinds(&format!("{{{{ {source} }}}}")), expected, "{source}");
        }
    }

    #[test]
    fn lines_are_counted_through_text_comments_and_raw_strings() {
        let all = tokens("a\n{{/*\n*/}}{{ `\n` }}\n{{ . }}").unwrap();
        let dot = all.iter().find(|token| token.kind == Kind::Dot).unwrap();
        assert_eq!(dot.line, 5);
    }

    #[test]
    fn what_does_not_end_is_refused_with_its_line() {
        for source in
            ["\n{{ .a", "\n{{ \"a }}", "\n{{ `a }}", "\n{{/* a }}", "\n{{ 1x }}", "\n{{ a$ }}"]
        {
            let refused = tokens(source).unwrap_err();
            assert!(refused.to_string().starts_with("line 2: "), "{source}: {refused}");
        }
    }
}
