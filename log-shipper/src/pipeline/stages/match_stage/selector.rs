//! The selector of a `match` stage: the part of Loki's query language that Promtail
//! understands.
//!
//! `{name op "text", ...}` with `=`, `!=`, `=~`, `!~` and at least one matcher, followed by any
//! number of line filters `|=`, `!=`, `|~`, `!~` with a text. Only double-quoted Go strings. A
//! regular expression on a label must match all of its value, one on the line any part. A missing
//! label is an empty one.

mod lexer;

use go_compat::regexp::{Regexp, RegexpError};

use crate::pipeline::entry::Entry;
use lexer::{Lexer, Token};

/// What is accepted, for messages.
pub const ACCEPTED: &str = r#"{label="value", ...} with the operators = != =~ !~, then line filters |= != |~ !~, all texts in double quotes"#;

/// Why a text is no selector. Positions are characters, counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// Something else stands where one of a few things must.
    #[error("{found} at character {position} of the selector where {expected} is expected")]
    Unexpected {
        /// Where.
        position: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A text without end or with an escape that Go does not know.
    #[error("bad text at character {position} of the selector: {problem}")]
    Text {
        /// Where the text begins.
        position: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A regular expression that does not compile.
    #[error("bad regular expression at character {position} of the selector")]
    Regexp {
        /// Where it begins.
        position: usize,
        /// Why.
        #[source]
        cause: RegexpError,
    },
}

#[derive(Debug)]
enum ValueTest {
    Equal(Vec<u8>),
    NotEqual(Vec<u8>),
    Match(Regexp),
    NotMatch(Regexp),
}

#[derive(Debug)]
enum LineTest {
    Contains(memchr::memmem::Finder<'static>),
    Lacks(memchr::memmem::Finder<'static>),
    Match(Regexp),
    NotMatch(Regexp),
}

/// A compiled selector.
#[derive(Debug)]
pub struct Selector {
    labels: Vec<(String, ValueTest)>,
    line: Vec<LineTest>,
}

impl Selector {
    /// Compiles a selector.
    ///
    /// # Errors
    ///
    /// Text outside of the grammar, with the position; regular expressions that do not compile.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { lexer: Lexer::new(text) };
        let labels = parser.matchers()?;
        let line = parser.filters()?;
        Ok(Self { labels, line })
    }

    /// Whether it selects this entry.
    pub fn selects(&self, entry: &Entry) -> bool {
        self.labels
            .iter()
            .all(|(name, test)| test.holds(entry.labels.get(name).unwrap_or_default().as_bytes()))
            && self.line.iter().all(|test| test.holds(&entry.line))
    }
}

impl ValueTest {
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Equal(text) => text == value,
            Self::NotEqual(text) => text != value,
            Self::Match(regexp) => regexp.is_match(value),
            Self::NotMatch(regexp) => !regexp.is_match(value),
        }
    }
}

impl LineTest {
    fn holds(&self, line: &[u8]) -> bool {
        match self {
            Self::Contains(finder) => finder.find(line).is_some(),
            Self::Lacks(finder) => finder.find(line).is_none(),
            Self::Match(regexp) => regexp.is_match(line),
            Self::NotMatch(regexp) => !regexp.is_match(line),
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
}

impl Parser<'_> {
    fn matchers(&mut self) -> Result<Vec<(String, ValueTest)>, SelectorError> {
        let mut matchers = Vec::new();
        match self.lexer.next()? {
            (_, Token::OpenBrace) => {}
            found => return Err(unexpected(found, "{")),
        }
        loop {
            let name = match self.lexer.next()? {
                (_, Token::Name(name)) => name.to_owned(),
                found => return Err(unexpected(found, "a label name")),
            };
            let (position, operator) = self.lexer.next()?;
            let test: fn(Vec<u8>, usize) -> Result<ValueTest, SelectorError> = match operator {
                Token::Equal => |text, _| Ok(ValueTest::Equal(text)),
                Token::NotEqual => |text, _| Ok(ValueTest::NotEqual(text)),
                Token::Match => {
                    |text, at| Ok(ValueTest::Match(compile(text, at, Regexp::anchored)?))
                }
                Token::NotMatch => {
                    |text, at| Ok(ValueTest::NotMatch(compile(text, at, Regexp::anchored)?))
                }
                found => return Err(unexpected((position, found), "= != =~ or !~")),
            };
            let (position, text) = self.text()?;
            matchers.push((name, test(text, position)?));
            match self.lexer.next()? {
                (_, Token::Comma) => {}
                (_, Token::CloseBrace) => return Ok(matchers),
                found => return Err(unexpected(found, ", or }")),
            }
        }
    }

    fn filters(&mut self) -> Result<Vec<LineTest>, SelectorError> {
        let finder = |text: Vec<u8>| memchr::memmem::Finder::new(&text).into_owned();
        let mut filters = Vec::new();
        loop {
            let (position, operator) = self.lexer.next()?;
            if !matches!(
                operator,
                Token::End | Token::Contains | Token::NotEqual | Token::LineMatch | Token::NotMatch
            ) {
                return Err(unexpected((position, operator), "|= != |~ !~ or the end"));
            }
            if operator == Token::End {
                return Ok(filters);
            }
            let (position, text) = self.text()?;
            filters.push(match operator {
                Token::Contains => LineTest::Contains(finder(text)),
                Token::NotEqual => LineTest::Lacks(finder(text)),
                Token::LineMatch => LineTest::Match(compile(text, position, Regexp::new)?),
                _ => LineTest::NotMatch(compile(text, position, Regexp::new)?),
            });
        }
    }

    fn text(&mut self) -> Result<(usize, Vec<u8>), SelectorError> {
        match self.lexer.next()? {
            (position, Token::Text(text)) => Ok((position, text)),
            found => Err(unexpected(found, "a text in double quotes")),
        }
    }
}

fn unexpected((position, found): (usize, Token<'_>), expected: &'static str) -> SelectorError {
    SelectorError::Unexpected { position, found: found.to_string(), expected }
}

fn compile(
    pattern: Vec<u8>,
    position: usize,
    compile: fn(&str) -> Result<Regexp, RegexpError>,
) -> Result<Regexp, SelectorError> {
    let pattern = String::from_utf8(pattern).map_err(|_| SelectorError::Text {
        position,
        problem: "a regular expression must be UTF-8",
    })?;
    compile(&pattern).map_err(|cause| SelectorError::Regexp { position, cause })
}

#[cfg(test)]
mod tests;
