//! `${VAR}` in the configuration, expanded before YAML is parsed (`-config.expand-env`).
//!
//! The grammar is that of Go's drone/envsubst, which resembles a shell and is none: a bare `$VAR`
//! stays, `:+` and `:?` are defaults like `:-`, and empty counts as unset. Comments are expanded
//! too, so an open brace in one is an error.

mod functions;
mod pattern;
#[cfg(test)]
mod tests;

use functions::Function;

/// Knows the value of a variable; `None` where it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The longest result: as large as a configuration file may be.
pub const MAX_EXPANDED_BYTES: usize = 16 << 20;

/// How deep defaults may be nested.
const MAX_DEPTH: usize = 64;

/// A text with its variables replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The result.
    pub text: String,
    /// Expansions that were hardly meant, with their place in the original text.
    pub warnings: Vec<ExpansionWarning>,
}

/// `${1}` replaced by nothing: in a relabelling rule a reference to a group was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpansionWarning {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The digits between the braces.
    pub name: String,
}

/// Why a text cannot be expanded, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ExpansionError {
    /// Line of the `${`, from 1.
    pub line: usize,
    /// Column of the `${`, from 1.
    pub column: usize,
    /// What is wrong with it.
    pub problem: ExpansionProblem,
}

/// What is wrong with an expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpansionProblem {
    /// Something else than an operator or a brace after the name.
    #[error(
        "missing closing brace: accepted is `${{NAME}}` or `${{NAME:-default}}`; write `$${{` for `${{`"
    )]
    MissingClosingBrace,
    /// No name after `${`.
    #[error(
        "unable to parse variable name: letters, digits and `_` are accepted; write `$${{` for `${{`"
    )]
    NoName,
    /// An operand is missing or has no end.
    #[error(
        "unable to parse substitution within function: an operand and a closing brace are expected"
    )]
    BadOperand,
    /// Something after the operand that does not belong there.
    #[error("bad substitution")]
    BadSubstitution,
    /// Defaults within defaults, too many of them.
    #[error("defaults are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// The offset or length of `${NAME:offset:length}` is inside a character.
    #[error("offset or length cuts a character in two: both count bytes")]
    CutsCharacter,
    /// The result is too long.
    #[error("the expanded text is larger than {} MiB", MAX_EXPANDED_BYTES >> 20)]
    TooLarge,
}

/// Replaces the variables of `text` by what `lookup` knows; `None` counts as empty.
///
/// # Errors
/// When an expansion is malformed, or the result would be larger than [`MAX_EXPANDED_BYTES`].
pub fn expand(text: &str, lookup: Lookup<'_>) -> Result<Expanded, ExpansionError> {
    let mut expander = Expander { text, at: 0, lookup, warnings: Vec::new() };
    let mut out = String::with_capacity(text.len());
    while let Some(c) = expander.next() {
        let start = expander.at - c.len_utf8();
        match c {
            '$' if expander.take('{') => {
                let value = expander.variable(0).map_err(|problem| {
                    let (line, column) = place(text, start);
                    ExpansionError { line, column, problem }
                })?;
                out.push_str(&value);
            }
            _ => {
                expander.unescaped(c, &mut out);
            }
        }
        if out.len() > MAX_EXPANDED_BYTES {
            let (line, column) = place(text, start);
            return Err(ExpansionError { line, column, problem: ExpansionProblem::TooLarge });
        }
    }
    Ok(Expanded { text: out, warnings: expander.warnings })
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

struct Expander<'a> {
    text: &'a str,
    at: usize,
    lookup: Lookup<'a>,
    warnings: Vec<ExpansionWarning>,
}

impl Expander<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !accepts(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Copies a character that was read; `$$`, `\\` and `\/` lose their first half.
    fn unescaped(&mut self, c: char, out: &mut String) {
        let escaped = match (c, self.peek()) {
            ('$', Some('$')) => Some('$'),
            ('\\', Some(c @ ('\\' | '/'))) => Some(c),
            _ => None,
        };
        if let Some(escaped) = escaped {
            self.at += 1;
            out.push(escaped);
        } else {
            out.push(c);
        }
    }

    /// The value of what follows `${`, up to and with the closing brace.
    fn variable(&mut self, depth: usize) -> Result<String, ExpansionProblem> {
        if depth > MAX_DEPTH {
            return Err(ExpansionProblem::TooDeep);
        }
        let start = self.at;
        if self.take('#') {
            let name = self.name().ok_or(ExpansionProblem::BadSubstitution)?;
            self.close()?;
            return Ok(self.value(&name).len().to_string());
        }
        let name = self.name().ok_or(ExpansionProblem::NoName)?;
        let value = self.value(&name);
        let (function, operands) = match self.peek() {
            Some(':') if self.text[self.at + 1..].starts_with(['=', '-', '?', '+']) => {
                self.at += 2;
                return self.default(value, depth);
            }
            Some('=') => {
                self.at += 1;
                return self.default(value, depth);
            }
            Some(':') => (Function::Substring, self.offset_and_length(depth)?),
            Some(',' | '^') => {
                let function = Function::Case(self.operator(&[',', '^']));
                self.close()?;
                (function, Vec::new())
            }
            Some('/') => self.replacement(depth)?,
            Some(sign @ ('#' | '%')) => {
                let function = Function::trim(&self.operator(&[sign]));
                let operands = vec![self.operand(|c| c != '}', false, depth)?];
                self.close()?;
                (function, operands)
            }
            Some('}') => {
                self.at += 1;
                if value.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
                    let (line, column) = place(self.text, start - 2);
                    self.warnings.push(ExpansionWarning { line, column, name });
                }
                return Ok(value);
            }
            _ => return Err(ExpansionProblem::MissingClosingBrace),
        };
        function.apply(value, &operands).ok_or(ExpansionProblem::CutsCharacter)
    }

    fn name(&mut self) -> Option<String> {
        let name = self.take_while(|c| c.is_alphabetic() || c.is_numeric() || c == '_');
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn value(&self, name: &str) -> String {
        (self.lookup)(name).unwrap_or_default()
    }

    fn close(&mut self) -> Result<(), ExpansionProblem> {
        if self.take('}') { Ok(()) } else { Err(ExpansionProblem::BadSubstitution) }
    }

    /// One or two of `signs`.
    fn operator(&mut self, signs: &[char]) -> String {
        let rest = self.text[self.at..].chars();
        let operator: String = rest.take(2).take_while(|c| signs.contains(c)).collect();
        self.at += operator.len();
        operator
    }

    /// Any number of texts and variables up to the closing brace.
    fn default(&mut self, value: String, depth: usize) -> Result<String, ExpansionProblem> {
        let mut default = String::new();
        while !self.take('}') {
            default.push_str(&self.operand(|c| c != '}', false, depth)?);
            if default.len() > MAX_EXPANDED_BYTES {
                return Err(ExpansionProblem::TooLarge);
            }
        }
        Ok(if value.is_empty() { default } else { value })
    }

    /// `:offset` or `:offset:length`, with the brace.
    fn offset_and_length(&mut self, depth: usize) -> Result<Vec<String>, ExpansionProblem> {
        self.at += 1;
        let mut operands = vec![self.operand(|c| c != ':' && c != '}', false, depth)?];
        if self.take('}') {
            return Ok(operands);
        }
        if self.take_while(|c| c == ':').is_empty() {
            return Err(ExpansionProblem::BadSubstitution);
        }
        operands.push(self.operand(|c| c != '}', false, depth)?);
        self.close()?;
        Ok(operands)
    }

    /// `/old/new` in its four variants, with the brace; no `new` where it is empty.
    fn replacement(&mut self, depth: usize) -> Result<(Function, Vec<String>), ExpansionProblem> {
        self.at += 1;
        let function = match self.peek() {
            Some('/') => Function::ReplaceAll,
            Some('#') => Function::ReplacePrefix,
            Some('%') => Function::ReplaceSuffix,
            _ => Function::ReplaceFirst,
        };
        if function != Function::ReplaceFirst {
            self.at += 1;
        }
        let mut operands = vec![self.operand(|c| c != '/', true, depth)?];
        if self.take_while(|c| c == '/').is_empty() {
            return Err(ExpansionProblem::BadSubstitution);
        }
        if !self.take('}') {
            operands.push(self.operand(|c| c != '}', true, depth)?);
            self.close()?;
        }
        Ok((function, operands))
    }

    /// Either one variable or text up to the next `${` or the first character that is not accepted.
    fn operand(
        &mut self,
        accepts: impl Fn(char) -> bool,
        with_escapes: bool,
        depth: usize,
    ) -> Result<String, ExpansionProblem> {
        if self.text[self.at..].starts_with("${") {
            self.at += 2;
            return self.variable(depth + 1);
        }
        let mut out = String::new();
        let start = self.at;
        while let Some(c) = self.peek() {
            let escaped = with_escapes
                && ["$$", "\\\\", "\\/"].iter().any(|pair| self.text[self.at..].starts_with(pair));
            if !escaped && (!accepts(c) || self.text[self.at..].starts_with("${")) {
                break;
            }
            self.at += c.len_utf8();
            if with_escapes {
                self.unescaped(c, &mut out);
            } else {
                out.push(c);
            }
        }
        if self.at == start { Err(ExpansionProblem::BadOperand) } else { Ok(out) }
    }
}
