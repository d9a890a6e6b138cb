//! Shell patterns over a whole prefix: `*`, `?`, `[a-z]`, `[^x]` and backslashes.

/// A pattern; a slash is a character like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Any number of characters.
    Star,
    /// One character.
    Any,
    /// This character.
    Literal(char),
    /// One character inside, or outside, of the ranges.
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Star | Self::Any => true,
            Self::Literal(literal) => *literal == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

impl Pattern {
    /// `None` where a class has no end or a backslash nothing to escape.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut characters = text.chars().peekable();
        let mut tokens = Vec::new();
        while let Some(c) = characters.next() {
            tokens.push(match c {
                '*' if tokens.last() == Some(&Token::Star) => continue,
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => Token::Literal(characters.next()?),
                '[' => {
                    let negated = characters.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    while ranges.is_empty() || characters.next_if_eq(&']').is_none() {
                        let low = class_character(&mut characters)?;
                        let high = match characters.next_if_eq(&'-') {
                            Some(_) => class_character(&mut characters)?,
                            None => low,
                        };
                        ranges.push((low, high));
                    }
                    Token::Class { negated, ranges }
                }
                literal => Token::Literal(literal),
            });
        }
        Some(Self(tokens))
    }

    /// How many characters the shortest or longest prefix has that matches, at least one.
    ///
    /// Work is the product of both lengths: all ways to match advance together.
    pub(super) fn prefix_of(&self, text: &[char], longest: bool) -> Option<usize> {
        let tokens = &self.0;
        // reached[i]: the first i tokens match what was read so far
        let mut reached = vec![false; tokens.len() + 1];
        reached[0] = true;
        skip_stars(tokens, &mut reached);
        let mut found = None;
        for (at, &c) in text.iter().enumerate() {
            let mut next = vec![false; tokens.len() + 1];
            for (i, token) in tokens.iter().enumerate() {
                if reached[i] && token.accepts(c) {
                    next[if *token == Token::Star { i } else { i + 1 }] = true;
                }
            }
            skip_stars(tokens, &mut next);
            reached = next;
            if reached[tokens.len()] {
                found = Some(at + 1);
                if !longest {
                    break;
                }
            }
        }
        found
    }
}

/// A star may match nothing.
fn skip_stars(tokens: &[Token], reached: &mut [bool]) {
    for (i, token) in tokens.iter().enumerate() {
        if reached[i] && *token == Token::Star {
            reached[i + 1] = true;
        }
    }
}

fn class_character(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match characters.next()? {
        '-' | ']' => None,
        '\\' => characters.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pattern: &str, text: &str, longest: bool) -> Option<usize> {
        Pattern::parse(pattern)?.prefix_of(&text.chars().collect::<Vec<_>>(), longest)
    }

    #[test]
    fn a_star_matches_as_little_or_as_much_as_asked() {
        assert_eq!(cut("*/", "a/b/c", false), Some(2));
        assert_eq!(cut("*/", "a/b/c", true), Some(4));
        assert_eq!(cut("*", "abc", false), Some(1));
        assert_eq!(cut("*", "abc", true), Some(3));
        assert_eq!(cut("x*", "abc", true), None);
    }

    #[test]
    fn classes_questions_and_escapes_match_one_character() {
        assert_eq!(cut("[a-c]?", "bzz", true), Some(2));
        assert_eq!(cut("[^a-c]", "bzz", true), None);
        assert_eq!(cut("\\*", "*b", true), Some(1));
        assert_eq!(cut("\\*", "ab", true), None);
    }

    #[test]
    fn malformed_patterns_are_none() {
        for pattern in ["[", "[]", "[a", "[a-]", "\\", "[-a]"] {
            assert_eq!(Pattern::parse(pattern), None, "{pattern}");
        }
    }
}
