//! Go's `regexp`: RE2 syntax with ASCII classes, leftmost-first, linear time.
//!
//! Go reads a text character by character and takes every byte that belongs to none for U+FFFD. The
//! engine here works on valid UTF-8 only, so other texts are searched in a repaired copy; offsets
//! always refer to the text as given.

mod class;
mod error;
mod expansion;
mod haystack;
mod syntax;

use std::sync::Arc;

use regex::{CaptureLocations, Regex, RegexBuilder};

pub use self::error::RegexpError;
pub use self::haystack::Haystack;

/// Memory for one compiled pattern, in bytes.
const SIZE_LIMIT: usize = 16 << 20;

/// The same for a pattern that a template makes out of a log line: it is compiled for that line, and
/// that must not take long.
const SMALL_SIZE_LIMIT: usize = 512 << 10;

/// A translated pattern has at most a quarter of the bytes that its program may have: the engine's
/// syntax tree is larger than either.
const TEXT_SHARE: usize = 4;

/// Nesting that the engine accepts; it counts up to four levels for a group that the translator
/// counts once.
const ENGINE_NEST_LIMIT: u32 = 1_100;

const ANCHORED_START: &str = "^(?s:";
const ANCHORED_END: &str = ")$";

/// A compiled pattern. A clone shares the program and has its own scratch memory, so that threads
/// with a clone each do not wait for one another.
#[derive(Debug, Clone)]
pub struct Regexp {
    source: Arc<str>,
    regex: Regex,
    names: Arc<[Option<Arc<str>>]>,
}

/// Where the groups of a match are; made once per thread and used for every call.
#[derive(Debug, Clone)]
pub struct Locations {
    found: CaptureLocations,
    /// Offsets in the text as given, if that is not the one that was searched; else empty.
    mapped: Vec<Option<(usize, usize)>>,
    /// The engine forgets groups at the end that are repeated zero times.
    groups: usize,
}

impl Locations {
    /// Begin and end of a group in bytes; `None` if it took no part. Group 0 is the whole match.
    pub fn get(&self, group: usize) -> Option<(usize, usize)> {
        if self.mapped.is_empty() {
            self.found.get(group)
        } else {
            self.mapped.get(group).copied().flatten()
        }
    }

    /// How many groups there are, the whole match included.
    pub fn len(&self) -> usize {
        self.groups
    }

    /// Always false: the whole match is a group.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl Regexp {
    /// Compiles a pattern in Go's syntax.
    ///
    /// # Errors
    ///
    /// [`RegexpError::Syntax`] for what Go refuses too, look-around and backreferences among it;
    /// [`RegexpError::TooLarge`] if the program would need more than 16 MiB.
    pub fn new(pattern: &str) -> Result<Self, RegexpError> {
        Self::compile(pattern, "", "", SIZE_LIMIT)
    }

    /// Compiles a pattern that has to match the whole text, newlines included: `^(?s:pattern)$`, as
    /// in Prometheus' label matchers and relabelling.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn anchored(pattern: &str) -> Result<Self, RegexpError> {
        Self::compile(pattern, ANCHORED_START, ANCHORED_END, SIZE_LIMIT)
    }

    /// As [`Self::new`], for a pattern that is compiled for one text: its program has at most 512 KiB.
    pub(crate) fn small(pattern: &str) -> Result<Self, RegexpError> {
        Self::compile(pattern, "", "", SMALL_SIZE_LIMIT)
    }

    fn compile(
        pattern: &str,
        before: &str,
        after: &str,
        size_limit: usize,
    ) -> Result<Self, RegexpError> {
        let whole = format!("{before}{pattern}{after}");
        let translated = syntax::translate(&whole, size_limit / TEXT_SHARE).map_err(|error| {
            // what was put around the pattern does not concern its author
            let within =
                |at: usize| at.clamp(before.len(), before.len() + pattern.len()) - before.len();
            let (begin, end) = (within(error.at.start), within(error.at.end));
            RegexpError::Syntax {
                problem: error.problem,
                fragment: pattern[begin..end].to_owned(),
                position: begin,
                pattern: pattern.to_owned(),
            }
        })?;
        let Some(translated) = translated else {
            return Err(RegexpError::TooLarge {
                pattern: pattern.to_owned(),
                limit_bytes: size_limit,
            });
        };
        let regex = RegexBuilder::new(&translated.pattern)
            .size_limit(size_limit)
            .nest_limit(ENGINE_NEST_LIMIT)
            .build()
            .map_err(|cause| match cause {
                regex::Error::CompiledTooBig(limit_bytes) => {
                    RegexpError::TooLarge { pattern: pattern.to_owned(), limit_bytes }
                }
                cause => RegexpError::Engine { pattern: pattern.to_owned(), cause },
            })?;
        Ok(Self { source: Arc::from(pattern), regex, names: translated.names.into() })
    }

    /// The pattern as given.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Names of the groups by index; the whole match and unnamed groups have none, and one name may
    /// occur several times.
    pub fn group_names(&self) -> &[Option<Arc<str>>] {
        &self.names
    }

    /// Whether the pattern matches anywhere.
    pub fn is_match(&self, haystack: &[u8]) -> bool {
        self.regex.is_match(Haystack::new(haystack).text())
    }

    /// Memory for the groups of a match.
    pub fn capture_locations(&self) -> Locations {
        let found = self.regex.capture_locations();
        Locations { found, mapped: Vec::new(), groups: self.names.len() }
    }

    /// Finds the first match and its groups.
    pub fn captures_read(&self, locations: &mut Locations, haystack: &[u8]) -> bool {
        self.captures_read_at(locations, haystack, 0)
    }

    /// Finds the first match that begins at byte `start` or later. What stands before `start` still
    /// counts for `^` and `\b`. To go through all matches of a text, see [`Self::captures_read_in`].
    pub fn captures_read_at(
        &self,
        locations: &mut Locations,
        haystack: &[u8],
        start: usize,
    ) -> bool {
        self.captures_read_in(locations, &Haystack::new(haystack), start)
    }

    /// As [`Self::captures_read_at`], for a text that is searched many times: it is checked once.
    pub fn captures_read_in(
        &self,
        locations: &mut Locations,
        haystack: &Haystack<'_>,
        start: usize,
    ) -> bool {
        locations.mapped.clear();
        let Some(start) = haystack.position_of(start) else {
            return false;
        };
        let found = self.regex.captures_read_at(&mut locations.found, haystack.text(), start);
        if found.is_some() && haystack.is_repaired() {
            let groups = (0..locations.found.len()).map(|group| locations.found.get(group));
            locations.mapped.extend(groups.map(|group| {
                group.map(|(begin, end)| (haystack.offset_of(begin), haystack.offset_of(end)))
            }));
        }
        found.is_some()
    }

    /// Appends a template with the groups of a match filled in, as Go's `Expand`.
    ///
    /// `$1`, `${1}`, `$name` and `${name}` stand for groups, `$$` for a dollar sign. A name is as
    /// long as there are letters, digits and underscores, so `$1x` is the group `1x`. A group that
    /// does not exist or took no part is empty; of several with one name, the first that took part
    /// counts. The offsets must be those of a match in `haystack`.
    pub fn expand(
        &self,
        template: &str,
        locations: &Locations,
        haystack: &[u8],
        out: &mut Vec<u8>,
    ) {
        expansion::expand(template, &self.names, locations, haystack, out);
    }

    /// Go's `ReplaceAllString`: the replacement is a template as for [`Self::expand`].
    pub fn replace_all(&self, haystack: &str, replacement: &str) -> String {
        if !replacement.contains('$') {
            return self.replace_all_literal(haystack, replacement);
        }
        self.replace_with(haystack, |locations, out| {
            self.expand(replacement, locations, haystack.as_bytes(), out);
        })
    }

    /// Go's `ReplaceAllLiteralString`: the replacement is taken as it is.
    pub fn replace_all_literal(&self, haystack: &str, replacement: &str) -> String {
        self.replace_with(haystack, |_, out| out.extend_from_slice(replacement.as_bytes()))
    }

    fn replace_with(
        &self,
        haystack: &str,
        mut replace: impl FnMut(&Locations, &mut Vec<u8>),
    ) -> String {
        let mut out = Vec::with_capacity(haystack.len());
        let mut locations = self.capture_locations();
        let (mut copied, mut from) = (0, 0);
        while from <= haystack.len()
            && let Some(found) = self.regex.captures_read_at(&mut locations.found, haystack, from)
        {
            out.extend_from_slice(&haystack.as_bytes()[copied..found.start()]);
            // an empty match right after another match is none
            if found.end() > copied || found.start() == 0 {
                replace(&locations, &mut out);
            }
            copied = found.end();
            from = copied.max(from + width_at(haystack, from));
        }
        out.extend_from_slice(&haystack.as_bytes()[copied..]);
        String::from_utf8(out).expect("pieces of texts, cut at characters")
    }

    /// Go's `FindString`: the first match, empty if there is none.
    pub fn find<'h>(&self, haystack: &'h str) -> &'h str {
        self.regex.find(haystack).map_or("", |found| found.as_str())
    }

    /// Go's `FindAllString`: the matches that do not overlap, at most `count`, all if `count` is
    /// negative.
    pub fn find_all<'h>(&self, haystack: &'h str, count: i64) -> Vec<&'h str> {
        self.ranges(haystack, count).map(|(begin, end)| &haystack[begin..end]).collect()
    }

    /// Go's `Split`: what stands between the matches, in at most `count` pieces, of which the last
    /// holds the rest; all if `count` is negative, none if it is 0.
    pub fn split<'h>(&self, haystack: &'h str, count: i64) -> Vec<&'h str> {
        if count == 0 {
            return Vec::new();
        }
        if haystack.is_empty() && !self.source.is_empty() {
            return vec![""];
        }
        let limit = usize::try_from(count).unwrap_or(usize::MAX);
        let mut pieces = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for found in self.ranges(haystack, count) {
            if pieces.len() + 1 >= limit {
                break;
            }
            end = found.0;
            // an empty match at the start separates nothing
            if found.1 != 0 {
                pieces.push(&haystack[begin..end]);
            }
            begin = found.1;
        }
        if end != haystack.len() {
            pieces.push(&haystack[begin..]);
        }
        pieces
    }

    /// The matches that do not overlap; an empty one right after another match is none.
    fn ranges<'h>(
        &'h self,
        haystack: &'h str,
        count: i64,
    ) -> impl Iterator<Item = (usize, usize)> + 'h {
        let (mut from, mut previous_end) = (0, None);
        let found = std::iter::from_fn(move || {
            while from <= haystack.len() {
                let found = self.regex.find_at(haystack, from)?;
                let is_repeated = found.is_empty() && previous_end == Some(found.start());
                from =
                    if found.end() == from { from + width_at(haystack, from) } else { found.end() };
                previous_end = Some(found.end());
                if !is_repeated {
                    return Some((found.start(), found.end()));
                }
            }
            None
        });
        found.take(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// Length of the character at a byte offset; 1 at the end, so that a search gets past it.
fn width_at(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests;
