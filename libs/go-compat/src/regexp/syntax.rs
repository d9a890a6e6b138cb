//! Go's pattern syntax, translated to that of the `regex` crate.
//!
//! Every element is written in a form that means the same under any flag: a literal as itself or as
//! the class of its cases, `.` and the anchors with their flags attached. So flags are followed here
//! only, and the engine sees no group names (Go allows one name twice).

mod element;

use std::ops::Range;
use std::sync::Arc;

use super::class;

/// Largest count in `{n,m}`, also for nested repetitions multiplied.
const MAX_REPEAT: u32 = 1_000;

/// Groups within groups. Go allows a syntax tree of height 1000; the engine compiles recursively.
const MAX_DEPTH: usize = 250;

const UNSUPPORTED: &str = "invalid or unsupported Perl syntax";

/// What the engine compiles, and the names that it does not see, by group index.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    pub(super) names: Vec<Option<Arc<str>>>,
}

/// What is wrong, in Go's words, and the part of the pattern that is at fault.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) problem: &'static str,
    pub(super) at: Range<usize>,
}

/// Translates a pattern; `None` where that takes more than `limit` bytes. A class is written as its
/// ranges, so that three bytes of a pattern may become ten thousand.
pub(super) fn translate(pattern: &str, limit: usize) -> Result<Option<Translated>, SyntaxError> {
    let mut translator = Translator {
        source: pattern,
        at: 0,
        out: String::with_capacity(limit.min(pattern.len() * 2)),
        limit,
        names: vec![None],
        flags: Flags::default(),
        groups: Vec::new(),
        last: None,
        weight: 1,
    };
    translator.run()?;
    let Translator { out: pattern, names, .. } = translator;
    Ok((pattern.len() <= limit).then_some(Translated { pattern, names }))
}

#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the four flags of the syntax, independent")]
struct Flags {
    /// `i`
    fold_case: bool,
    /// `m`: `^` and `$` match at lines too
    multi_line: bool,
    /// `s`: `.` matches a newline
    dot_newline: bool,
    /// `U`: repetitions are lazy, and `?` makes them greedy
    lazy: bool,
}

/// What a repetition operator would apply to.
#[derive(Debug, Clone, Copy)]
struct Element {
    /// where it begins in the output
    start: usize,
    /// the largest product of nested `{n,m}`
    weight: u32,
    is_repetition: bool,
}

/// A group that is open, with the state around it.
#[derive(Debug)]
struct Group {
    start: usize,
    flags: Flags,
    weight: u32,
}

#[derive(Debug)]
struct Translator<'a> {
    source: &'a str,
    at: usize,
    out: String,
    limit: usize,
    names: Vec<Option<Arc<str>>>,
    flags: Flags,
    groups: Vec<Group>,
    last: Option<Element>,
    /// the heaviest element of the innermost open group
    weight: u32,
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), SyntaxError> {
        // where the operator began that the next one would repeat
        let mut repeated_from = None;
        while let Some(next) = self.rest().chars().next() {
            if self.out.len() > self.limit {
                return Ok(());
            }
            let begin = self.at;
            let repetition = match next {
                '*' => Some((0, None)),
                '+' => Some((1, None)),
                '?' => Some((0, Some(1))),
                '{' => self.counts(),
                _ => None,
            };
            if let Some((min, max)) = repetition {
                if next != '{' {
                    self.at += 1;
                }
                self.repeat(begin, repeated_from, min, max)?;
                repeated_from = Some(begin);
                continue;
            }
            repeated_from = None;
            match next {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    self.at += 1;
                    self.out.push('|');
                    self.last = None;
                }
                '[' => self.bracket_class()?,
                '\\' => self.escape()?,
                '^' => self.assertion(1, if self.flags.multi_line { "(?m:^)" } else { r"\A" }),
                '$' => self.assertion(1, if self.flags.multi_line { "(?m:$)" } else { r"\z" }),
                '.' => {
                    self.at += 1;
                    self.element(if self.flags.dot_newline { "(?s:.)" } else { r"[^\n]" });
                }
                character => {
                    self.at += character.len_utf8();
                    self.literal(u32::from(character));
                }
            }
        }
        if self.groups.is_empty() { Ok(()) } else { self.refuse_all("missing closing )") }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn refuse<T>(&self, problem: &'static str, begin: usize) -> Result<T, SyntaxError> {
        Err(SyntaxError { problem, at: begin..self.at })
    }

    fn refuse_all<T>(&self, problem: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { problem, at: 0..self.source.len() })
    }

    fn element(&mut self, text: &str) {
        self.last = Some(Element { start: self.out.len(), weight: 1, is_repetition: false });
        self.out.push_str(text);
    }

    fn assertion(&mut self, length: usize, text: &str) {
        self.at += length;
        self.element(text);
    }

    fn class(&mut self, class: &regex_syntax::hir::ClassUnicode) {
        self.element("");
        class::write(class, &mut self.out);
    }

    /// A code point that stands for itself, in each of its cases under the flag `i`. A surrogate is
    /// accepted and matches nothing.
    fn literal(&mut self, code: u32) {
        match char::from_u32(code) {
            Some(character) if !self.flags.fold_case => {
                self.element("");
                class::write_literal(character, &mut self.out);
            }
            _ => self.class(&class::fold(class::range(code, code))),
        }
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`; `None` and no progress for a brace that is a literal. A
    /// number that does not fit becomes the largest one, which is over the limit.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        let (inner, after) = self.rest().strip_prefix('{')?.split_once('}')?;
        let (min, max) = match inner.split_once(',') {
            None => (count(inner)?, Some(count(inner)?)),
            Some((min, "")) => (count(min)?, None),
            Some((min, max)) => (count(min)?, Some(count(max)?)),
        };
        self.at = self.source.len() - after.len();
        Some((min, max))
    }

    /// Applies an operator that began at `begin` and ends here, but for a `?`.
    fn repeat(
        &mut self,
        begin: usize,
        repeated_from: Option<usize>,
        min: u32,
        max: Option<u32>,
    ) -> Result<(), SyntaxError> {
        let is_counted = self.source[begin..].starts_with('{');
        let most = max.unwrap_or(min);
        if is_counted && (min > MAX_REPEAT || most > MAX_REPEAT || min > most) {
            return self.refuse("invalid repeat count", begin);
        }
        let operator = begin..self.at;
        let question_mark = self.rest().starts_with('?');
        self.at += usize::from(question_mark);
        if let Some(first) = repeated_from {
            return self.refuse("invalid nested repetition operator", first);
        }
        let Some(element) = self.last else {
            return self.refuse("missing argument to repetition operator", begin);
        };
        let factor = if max.is_some() { most } else { most.max(1) };
        let weight =
            if is_counted { element.weight.saturating_mul(factor) } else { element.weight };
        if is_counted && most >= 2 && weight > MAX_REPEAT {
            return self.refuse("invalid repeat count", begin);
        }
        if element.is_repetition {
            // only flags can stand between two operators; without a group the second one would
            // change the first
            self.out.insert_str(element.start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(&self.source[operator]);
        if question_mark != self.flags.lazy {
            self.out.push('?');
        }
        self.last = Some(Element { weight, is_repetition: true, ..element });
        self.weight = self.weight.max(weight);
        Ok(())
    }

    fn open_group(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest();
        if rest.starts_with("(?<=") || rest.starts_with("(?<!") {
            let begin = self.at;
            self.at += "(?<=".len();
            return self.refuse(UNSUPPORTED, begin);
        }
        let name_at =
            ["(?P<", "(?<"].into_iter().find(|prefix| rest.starts_with(prefix)).map(str::len);
        if let Some(name_at) = name_at {
            let name = self.group_name(name_at)?;
            self.names.push(Some(name));
        } else if rest.starts_with("(?") {
            return self.flag_group();
        } else {
            self.at += 1;
            self.names.push(None);
        }
        self.enter("(")
    }

    /// Reads `(?P<name>`, whose name begins after `prefix` bytes.
    fn group_name(&mut self, prefix: usize) -> Result<Arc<str>, SyntaxError> {
        const PROBLEM: &str = "invalid named capture";
        let begin = self.at;
        let Some(length) = self.rest()[prefix..].find('>') else {
            self.at = self.source.len();
            return self.refuse(PROBLEM, begin);
        };
        self.at += prefix + length + 1;
        let name = &self.source[begin + prefix..self.at - 1];
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_word) {
            return self.refuse(PROBLEM, begin);
        }
        Ok(Arc::from(name))
    }

    /// Reads `(?flags)`, which lasts to the end of the group around it, or `(?flags:`.
    fn flag_group(&mut self) -> Result<(), SyntaxError> {
        let begin = self.at;
        self.at += "(?".len();
        let (mut flags, mut value, mut is_complete) = (self.flags, true, true);
        while let Some(next) = self.rest().chars().next() {
            self.at += next.len_utf8();
            match next {
                'i' => flags.fold_case = value,
                'm' => flags.multi_line = value,
                's' => flags.dot_newline = value,
                'U' => flags.lazy = value,
                '-' if value => {
                    (value, is_complete) = (false, false);
                    continue;
                }
                ')' if is_complete => {
                    self.flags = flags;
                    return Ok(());
                }
                ':' if is_complete => {
                    self.enter("(?:")?;
                    self.flags = flags;
                    return Ok(());
                }
                _ => return self.refuse(UNSUPPORTED, begin),
            }
            is_complete = true;
        }
        self.refuse_all("missing closing )")
    }

    fn enter(&mut self, opening: &str) -> Result<(), SyntaxError> {
        if self.groups.len() >= MAX_DEPTH {
            return self.refuse_all("expression nests too deeply");
        }
        let group = Group { start: self.out.len(), flags: self.flags, weight: self.weight };
        self.groups.push(group);
        self.out.push_str(opening);
        (self.last, self.weight) = (None, 1);
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), SyntaxError> {
        let Some(group) = self.groups.pop() else {
            return self.refuse_all("unexpected )");
        };
        self.at += 1;
        self.out.push(')');
        self.flags = group.flags;
        let weight = self.weight;
        self.last = Some(Element { start: group.start, weight, is_repetition: false });
        self.weight = weight.max(group.weight);
        Ok(())
    }
}

fn count(digits: &str) -> Option<u32> {
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !has_leading_zero).then(|| digits.parse().unwrap_or(u32::MAX))
}
