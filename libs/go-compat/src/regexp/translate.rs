//! A pattern in Go's syntax to the syntax of the `regex` crate. Groups lose their names, because Go
//! allows one name twice; the names are returned by index.

use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::Arc;

/// Go's limit of `{n,m}`.
const MAX_REPEAT: u32 = 1_000;

/// What the engine compiles, and the names that it does not see.
pub(super) struct Translated {
    pub(super) pattern: String,
    pub(super) names: Vec<Option<Arc<str>>>,
}

pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut translator = Translator {
        source: pattern,
        chars: pattern.char_indices().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        names: vec![None],
        open: 0,
    };
    translator.run()?;
    Ok(Translated { pattern: translator.out, names: translator.names })
}

struct Translator<'a> {
    source: &'a str,
    chars: Peekable<CharIndices<'a>>,
    out: String,
    names: Vec<Option<Arc<str>>>,
    open: usize,
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), String> {
        let mut repeated_at: Option<usize> = None;
        while let Some((at, char)) = self.chars.next() {
            let is_repeat = match char {
                '*' | '+' | '?' => {
                    self.out.push(char);
                    true
                }
                '{' => self.repeat(at)?,
                '\\' => {
                    self.escape(at)?;
                    false
                }
                '[' => {
                    self.class(at)?;
                    false
                }
                '(' => {
                    self.group(at)?;
                    false
                }
                ')' => {
                    self.open = self
                        .open
                        .checked_sub(1)
                        .ok_or_else(|| format!("unexpected ): `{}`", self.source))?;
                    self.out.push(')');
                    false
                }
                '#' | '&' | '~' | '-' | ' ' => {
                    self.out.push(char);
                    false
                }
                char => {
                    self.out.push(char);
                    false
                }
            };
            if !is_repeat {
                repeated_at = None;
                continue;
            }
            if let Some(first) = repeated_at {
                let end = self.position();
                return Err(format!(
                    "invalid nested repetition operator: `{}`",
                    &self.source[first..end]
                ));
            }
            repeated_at = Some(at);
            if self.chars.next_if(|(_, next)| *next == '?').is_some() {
                self.out.push('?');
            }
        }
        if self.open > 0 {
            return Err(format!("missing closing ): `{}`", self.source));
        }
        Ok(())
    }

    fn position(&mut self) -> usize {
        self.chars.peek().map_or(self.source.len(), |(at, _)| *at)
    }

    fn skip(&mut self, bytes: usize) {
        let end = self.position() + bytes;
        while self.chars.next_if(|(at, _)| *at < end).is_some() {}
    }

    /// `{2}`, `{2,}`, `{2,5}`; any other brace is a literal.
    fn repeat(&mut self, at: usize) -> Result<bool, String> {
        let rest = &self.source[at + 1..];
        let parsed = rest.find('}').map(|end| (end, &rest[..end])).filter(|(_, inner)| {
            let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            !low.is_empty() && is_number(low) && is_number(high)
        });
        let Some((end, inner)) = parsed else {
            self.out.push_str("\\{");
            return Ok(false);
        };
        let bounds = inner.split(',').filter(|bound| !bound.is_empty()).map(str::parse::<u32>);
        let bounds: Vec<u32> = bounds.map(|bound| bound.unwrap_or(u32::MAX)).collect();
        let is_descending = bounds.len() == 2 && bounds[0] > bounds[1];
        if is_descending || bounds.iter().any(|bound| *bound > MAX_REPEAT) {
            return Err(format!("invalid repeat count: `{{{inner}}}`"));
        }
        self.out.push_str(&self.source[at..=at + 1 + end]);
        self.skip(end + 1);
        Ok(true)
    }

    /// What follows a backslash, outside of a class.
    fn escape(&mut self, at: usize) -> Result<(), String> {
        let (_, char) = self.chars.next().ok_or("trailing backslash at end of expression: ``")?;
        match char {
            'Q' => self.quoted(),
            'b' | 'B' => self.out.push_str(&format!("(?-u:\\{char})")),
            'A' | 'z' => self.out.extend(['\\', char]),
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                let negated = if char.is_ascii_uppercase() { "^" } else { "" };
                self.out.push_str(&format!("[{negated}{}]", perl_class(char)));
            }
            'p' | 'P' => self.property(at, char)?,
            char => {
                let literal = self.literal(at, char)?;
                self.out.push_str(&regex_syntax::escape(&literal.to_string()));
            }
        }
        Ok(())
    }

    /// `\Q...\E`; without its end it goes to the end of the pattern.
    fn quoted(&mut self) {
        let begin = self.position();
        let rest = &self.source[begin..];
        let (literal, length) =
            rest.find("\\E").map_or((rest, rest.len()), |end| (&rest[..end], end + 2));
        self.out.push_str(&regex_syntax::escape(literal));
        self.skip(length);
    }

    /// `\pN`, `\p{Greek}`, `\p{^Greek}`
    fn property(&mut self, at: usize, char: char) -> Result<(), String> {
        let begin = self.position();
        let rest = &self.source[begin..];
        let (name, length) = if let Some(inner) = rest.strip_prefix('{') {
            let end = inner.find('}');
            let end = end.ok_or_else(|| format!("invalid character class range: `{}`", &self.source[at..]))?;
            (&inner[..end], end + 2)
        } else {
            let first = rest.chars().next().ok_or_else(|| format!("invalid character class range: `\\{char}`"))?;
            (&rest[..first.len_utf8()], first.len_utf8())
        };
        let (name, is_negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let letter = if (char == 'P') == is_negated { 'p' } else { 'P' };
        self.out.push_str(&format!("\\{letter}{{{name}}}"));
        self.skip(length);
        Ok(())
    }

    /// An escape that stands for one character.
    fn literal(&mut self, at: usize, char: char) -> Result<char, String> {
        let invalid = |end: usize| format!("invalid escape sequence: `{}`", &self.source[at..end]);
        let end = at + 1 + char.len_utf8();
        match char {
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            'x' => {
                let rest = &self.source[end..];
                let (digits, length) = match rest.strip_prefix('{') {
                    Some(inner) => {
                        let close = inner.find('}').ok_or_else(|| invalid(self.source.len()))?;
                        (&inner[..close], close + 2)
                    }
                    None => (rest.get(..2).ok_or_else(|| invalid(self.source.len()))?, 2),
                };
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
                let found = code.and_then(char::from_u32).ok_or_else(|| invalid(end + length))?;
                self.skip(length);
                Ok(found)
            }
            '0'..='7' => {
                let digits: String = self.source[at + 1..]
                    .chars()
                    .take(3)
                    .take_while(|digit| ('0'..='7').contains(digit))
                    .collect();
                // One digit that is not 0 would be a backreference.
                if char != '0' && digits.len() == 1 {
                    return Err(invalid(end));
                }
                self.skip(digits.len() - 1);
                let code = u32::from_str_radix(&digits, 8).expect("octal digits");
                Ok(char::from_u32(code).expect("three octal digits are at most U+01FF"))
            }
            char if char.is_ascii() && !char.is_ascii_alphanumeric() => Ok(char),
            _ => Err(invalid(end)),
        }
    }

    fn group(&mut self, at: usize) -> Result<(), String> {
        self.open += 1;
        let rest = &self.source[at + 1..];
        if !rest.starts_with('?') {
            self.names.push(None);
            self.out.push('(');
            return Ok(());
        }
        for prefix in ["?P<", "?<"] {
            if let Some(inner) = rest.strip_prefix(prefix)
                && !inner.starts_with(['=', '!'])
            {
                let end = inner.find('>').ok_or_else(|| format!("invalid named capture: `({rest}`"))?;
                let name = &inner[..end];
                let is_word = |char: char| char.is_alphanumeric() || char == '_';
                if name.is_empty() || !name.chars().all(is_word) {
                    return Err(format!("invalid named capture: `({prefix}{name}>`"));
                }
                self.names.push(Some(Arc::from(name)));
                self.out.push('(');
                self.skip(prefix.len() + end + 1);
                return Ok(());
            }
        }
        // (?flags) and (?flags:
        let end = rest.find([')', ':']).ok_or_else(|| format!("missing closing ): `{}`", self.source))?;
        let flags = &rest[1..end];
        let is_valid = flags.chars().all(|char| "imsU-".contains(char))
            && flags.matches('-').count() <= 1
            && !flags.ends_with('-')
            && (!flags.is_empty() || rest[end..].starts_with(':'));
        if !is_valid {
            let shown: String = rest.chars().take(2 + flags.chars().take(2).count()).collect();
            return Err(format!("invalid or unsupported Perl syntax: `({shown}`"));
        }
        self.out.push('(');
        self.out.push_str(&rest[..=end]);
        if rest[end..].starts_with(')') {
            self.open -= 1;
        }
        self.skip(end + 1);
        Ok(())
    }

    /// A class: every element is written anew, so that nothing is an operator that Go has not.
    fn class(&mut self, at: usize) -> Result<(), String> {
        let missing = format!("missing closing ]: `{}`", &self.source[at..]);
        self.out.push('[');
        if self.chars.next_if(|(_, char)| *char == '^').is_some() {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            let (begin, char) = self.chars.next().ok_or_else(|| missing.clone())?;
            if char == ']' && !is_first {
                self.out.push(']');
                return Ok(());
            }
            is_first = false;
            let rest = &self.source[begin..];
            if rest.starts_with("[:")
                && let Some(end) = rest.find(":]")
            {
                self.out.push_str(&rest[..end + 2]);
                self.skip(end + 1);
                continue;
            }
            let Some(low) = self.class_element(begin, char)? else { continue };
            let is_range = {
                let rest = &self.source[self.position()..];
                rest.starts_with('-') && !rest.starts_with("-]") && rest.len() > 1
            };
            push_literal(&mut self.out, low);
            if is_range {
                self.chars.next();
                let (second, char) = self.chars.next().ok_or_else(|| missing.clone())?;
                let high = self.class_element(second, char)?.filter(|high| *high >= low);
                let shown = &self.source[begin..self.position()];
                let high = high.ok_or_else(|| format!("invalid character class range: `{shown}`"))?;
                self.out.push('-');
                push_literal(&mut self.out, high);
            }
        }
    }

    /// One character of a class, or `None` for a set that has been written.
    fn class_element(&mut self, at: usize, char: char) -> Result<Option<char>, String> {
        if char != '\\' {
            return Ok(Some(char));
        }
        let (_, escaped) = self.chars.next().ok_or("trailing backslash at end of expression: ``")?;
        match escaped {
            'd' | 'w' | 's' => self.out.push_str(perl_class(escaped)),
            'D' | 'W' | 'S' => self.out.push_str(&format!("[^{}]", perl_class(escaped))),
            'p' | 'P' => self.property(at, escaped)?,
            escaped => return self.literal(at, escaped).map(Some),
        }
        Ok(None)
    }
}

/// Members of a Perl class, for use inside brackets.
fn perl_class(letter: char) -> &'static str {
    match letter.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\f\\r\\x20",
        _ => "0-9A-Za-z_",
    }
}

fn push_literal(out: &mut String, char: char) {
    if char.is_ascii_punctuation() || char.is_ascii_whitespace() || char.is_control() {
        out.push_str(&format!("\\x{{{:X}}}", u32::from(char)));
    } else {
        out.push(char);
    }
}
