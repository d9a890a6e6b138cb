//! Go's `regexp`: RE2 syntax with ASCII classes, leftmost-first, on bytes.
//!
//! Patterns are translated for the `regex` crate, which has the same engine family: linear time,
//! no look-around, no backreferences.

use std::borrow::Cow;
use std::sync::Arc;

use regex::bytes::{CaptureLocations, Regex, RegexBuilder};

mod translate;

/// Memory of one compiled pattern, in bytes.
const SIZE_LIMIT: usize = 10 * 1024 * 1024;

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp `{pattern}`: {message}")]
pub struct RegexpError {
    /// The pattern as given.
    pub pattern: String,
    /// What is wrong, in Go's words where they are known.
    pub message: String,
}

/// A compiled pattern; a clone shares it.
#[derive(Debug, Clone)]
pub struct Regexp {
    source: Arc<str>,
    regex: Regex,
    names: Arc<[Option<Arc<str>>]>,
}

/// Where groups matched; used again for every call.
#[derive(Debug, Clone)]
pub struct Locations(CaptureLocations);

impl Locations {
    /// Begin and end of a group in bytes; group 0 is the whole match.
    pub fn get(&self, group: usize) -> Option<(usize, usize)> {
        self.0.get(group)
    }

    /// How many groups there are, the whole match included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: the whole match is always a group.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl Regexp {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The pattern is wrong, uses what Go does not have, or needs more than 10 MiB.
    pub fn new(pattern: &str) -> Result<Self, RegexpError> {
        Self::compile(pattern, "", "")
    }

    /// Compiles a pattern that matches whole texts, with `.` matching newlines, as in Prometheus'
    /// matchers and relabelling.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn anchored(pattern: &str) -> Result<Self, RegexpError> {
        Self::compile(pattern, "^(?s:", ")$")
    }

    fn compile(pattern: &str, before: &str, after: &str) -> Result<Self, RegexpError> {
        let error = |message: String| RegexpError { pattern: pattern.to_owned(), message };
        let translated = translate::translate(pattern).map_err(error)?;
        let regex = RegexBuilder::new(&format!("{before}{}{after}", translated.pattern))
            .size_limit(SIZE_LIMIT)
            .build()
            .map_err(|cause| error(last_line(&cause.to_string())))?;
        Ok(Self { source: Arc::from(pattern), regex, names: translated.names.into() })
    }

    /// The pattern as given.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Names of groups by index; the whole match and unnamed groups have none.
    pub fn group_names(&self) -> &[Option<Arc<str>>] {
        &self.names
    }

    /// Whether it matches anywhere.
    pub fn is_match(&self, haystack: &[u8]) -> bool {
        self.regex.is_match(&valid(haystack))
    }

    /// Memory for [`Self::captures_read`].
    pub fn capture_locations(&self) -> Locations {
        Locations(self.regex.capture_locations())
    }

    /// Finds the first match and its groups.
    pub fn captures_read(&self, locations: &mut Locations, haystack: &[u8]) -> bool {
        self.captures_read_at(locations, haystack, 0)
    }

    /// Finds the first match that begins at `start` or later; what stands before still counts for
    /// `^` and `\b`.
    pub fn captures_read_at(&self, locations: &mut Locations, haystack: &[u8], start: usize) -> bool {
        if start > haystack.len() {
            return false;
        }
        self.regex.captures_read_at(&mut locations.0, &valid(haystack), start).is_some()
    }

    /// Go's `Expand`: `$1`, `${1}`, `$name`, `${name}`, `$$`. Unknown groups are empty; a name takes
    /// as many letters, digits and underscores as there are.
    pub fn expand(&self, template: &str, locations: &Locations, haystack: &[u8], out: &mut Vec<u8>) {
        let mut rest = template;
        while let Some(dollar) = rest.find('$') {
            out.extend_from_slice(&rest.as_bytes()[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push(b'$');
                rest = after;
                continue;
            }
            let Some((name, after)) = reference(rest) else {
                out.push(b'$');
                continue;
            };
            rest = after;
            if let Some((begin, end)) = self.find_group(name, locations) {
                out.extend_from_slice(&haystack[begin..end]);
            }
        }
        out.extend_from_slice(rest.as_bytes());
    }

    fn find_group(&self, name: &str, locations: &Locations) -> Option<(usize, usize)> {
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return locations.get(name.parse().ok()?);
        }
        // Of several groups of one name, the first that took part.
        let named = self.names.iter().enumerate().filter(|(_, known)| known.as_deref() == Some(name));
        named.filter_map(|(group, _)| locations.get(group)).next()
    }

    /// Go's `ReplaceAllString`.
    pub fn replace_all(&self, haystack: &str, replacement: &str) -> String {
        self.replace_with(haystack, |locations, out| {
            self.expand(replacement, locations, haystack.as_bytes(), out);
        })
    }

    /// Go's `ReplaceAllLiteralString`.
    pub fn replace_all_literal(&self, haystack: &str, replacement: &str) -> String {
        self.replace_with(haystack, |_, out| out.extend_from_slice(replacement.as_bytes()))
    }

    fn replace_with(&self, haystack: &str, mut put: impl FnMut(&Locations, &mut Vec<u8>)) -> String {
        let mut out = Vec::with_capacity(haystack.len());
        let mut done = 0;
        let mut locations = self.capture_locations();
        for found in self.regex.find_iter(haystack.as_bytes()) {
            if !self.captures_read_at(&mut locations, haystack.as_bytes(), found.start()) {
                break;
            }
            out.extend_from_slice(&haystack.as_bytes()[done..found.start()]);
            put(&locations, &mut out);
            done = found.end();
        }
        out.extend_from_slice(&haystack.as_bytes()[done..]);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Go's `FindString`: empty where nothing matches.
    pub fn find<'h>(&self, haystack: &'h str) -> &'h str {
        self.regex.find(haystack.as_bytes()).map_or("", |found| &haystack[found.range()])
    }

    /// Go's `FindAllString`: at most `count` matches, all when that is negative.
    pub fn find_all<'h>(&self, haystack: &'h str, count: i64) -> Vec<&'h str> {
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let found = self.regex.find_iter(haystack.as_bytes()).take(most);
        found.map(|found| &haystack[found.range()]).collect()
    }

    /// Go's `Split`: at most `count` pieces, all when that is negative.
    pub fn split<'h>(&self, haystack: &'h str, count: i64) -> Vec<&'h str> {
        if count == 0 {
            return Vec::new();
        }
        if !self.source.is_empty() && haystack.is_empty() {
            return vec![""];
        }
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let (mut pieces, mut begin, mut end) = (Vec::new(), 0, 0);
        for found in self.regex.find_iter(haystack.as_bytes()) {
            if pieces.len() + 1 == most {
                break;
            }
            end = found.start();
            if found.end() != 0 {
                pieces.push(&haystack[begin..end]);
            }
            begin = found.end();
        }
        if end != haystack.len() {
            pieces.push(&haystack[begin..]);
        }
        pieces
    }
}

/// The name after a `$`, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let (name, after) = match text.strip_prefix('{') {
        Some(inner) => {
            let end = inner.find('}')?;
            (&inner[..end], &inner[end + 1..])
        }
        None => text.split_at(text.find(|char| !is_word(char)).unwrap_or(text.len())),
    };
    (!name.is_empty() && name.chars().all(is_word)).then_some((name, after))
}

/// Go reads an invalid byte as a character of its own that no class names. The engine would not
/// match it at all; a control character of the same length stands in for it.
fn valid(haystack: &[u8]) -> Cow<'_, [u8]> {
    const STAND_IN: u8 = 0x1A;
    if haystack.is_ascii() || std::str::from_utf8(haystack).is_ok() {
        return Cow::Borrowed(haystack);
    }
    let mut text = Vec::with_capacity(haystack.len());
    for chunk in haystack.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        text.extend(chunk.invalid().iter().map(|_| STAND_IN));
    }
    Cow::Owned(text)
}

/// The engine draws a picture of the pattern over several lines; its last line says what is wrong.
fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(text);
    line.trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests;
