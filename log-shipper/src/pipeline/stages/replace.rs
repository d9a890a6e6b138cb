//! `replace`: what the groups of a pattern match is replaced with a rendered template.
//!
//! Only groups are replaced, never a whole match. A group that begins before the end of the last
//! replacement, or right at it, is left out: of nested groups the outer one is replaced. That is
//! Promtail's rule, and which texts stay unredacted depends on it.

use std::sync::Arc;

use go_compat::regexp::{Haystack, Locations, Regexp};
use go_compat::template::Template;

use super::error::StageError;
use super::options::{Options, locate};
use super::regex::{Groups, compile};
use super::source::Source;
use super::template::{TemplateData, parse};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::{Extracted, Value};
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Longest result: a text that would become longer, 16 MiB, is left as it was.
const MAX_RESULT_BYTES: usize = 16 << 20;

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct ReplaceOptions {
    /// Pattern in Go's syntax, with groups around what is to be replaced.
    pub expression: String,
    /// Extracted value to change instead of the line.
    pub source: Option<String>,
    /// Go template of the replacement; the group's text is `.Value`.
    pub replace: String,
}

/// What a group becomes.
#[derive(Debug, Clone)]
enum Replacement {
    /// A template without actions.
    Fixed(Arc<[u8]>),
    Template(Template),
}

/// See the module.
#[derive(Debug, Clone)]
pub struct ReplaceStage {
    regexp: Regexp,
    groups: Groups,
    source: Source,
    replacement: Replacement,
    locations: Locations,
    /// Reused: the result, one rendered replacement, and what the first match's named groups became.
    result: Vec<u8>,
    rendered: Vec<u8>,
    named: Vec<Option<Vec<u8>>>,
}

impl ReplaceStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// No expression or one that does not compile, a template that does not parse, an empty source.
    pub fn new(options: ReplaceOptions) -> Result<Self, StageError> {
        let (regexp, groups) = compile("replace", &options.expression)?;
        let replacement = if options.replace.contains("{{") {
            Replacement::Template(parse("replace", "replace", &options.replace)?)
        } else {
            Replacement::Fixed(options.replace.into_bytes().into())
        };
        Ok(Self {
            locations: regexp.capture_locations(),
            source: Source::new("replace", options.source)?,
            regexp,
            groups,
            replacement,
            result: Vec::new(),
            rendered: Vec::new(),
            named: Vec::new(),
        })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::strict("replace", node)?;
        let decoded = ReplaceOptions {
            expression: options.text("expression")?.unwrap_or_default(),
            source: options.text("source")?,
            replace: options.text("replace")?.unwrap_or_default(),
        };
        let stage = Self::new(decoded).map_err(|error| locate(error, node))?;
        if stage.locations.len() == 1 {
            options.warn("the expression has no group, so nothing is replaced");
        }
        options.finish(warnings);
        Ok(stage)
    }
}

impl Stage for ReplaceStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let Self { regexp, groups, source, replacement, locations, result, rendered, named } = self;
        let Some(text) = source.text(&entry.line, &entry.extracted) else { return Verdict::Pass };
        if !regexp.captures_read(locations, text) {
            return Verdict::Pass;
        }
        let mut replacing = Replacing {
            text,
            extracted: &entry.extracted,
            now_ns: context.now_ns,
            replacement,
            result,
            rendered,
            replaced: 0,
        };
        replacing.result.clear();
        let first: Vec<&[u8]> = groups
            .iter()
            .map(|(group, _)| {
                locations.get(*group).map_or(&[][..], |(begin, end)| &text[begin..end])
            })
            .collect();
        named.clear();
        named.resize(first.len(), None);
        let done = for_each_match(regexp, text, locations, |locations| {
            for group in 1..locations.len() {
                let Some((begin, end)) = locations.get(group) else { continue };
                replacing.group(begin, end)?;
                for (name, becomes) in first.iter().zip(named.iter_mut()) {
                    if **name == text[begin..end] {
                        *becomes = Some(replacing.rendered.clone());
                    }
                }
            }
            Some(())
        });
        if done.is_none() {
            return Verdict::Pass;
        }
        replacing.result.extend_from_slice(&text[replacing.replaced..]);
        match source.name() {
            None => std::mem::swap(&mut entry.line, result),
            Some(name) => entry.extracted.set_text(name, result),
        }
        for ((_, name), becomes) in groups.iter().zip(named) {
            if let Some(text) = becomes.take() {
                entry.extracted.set(name, Value::Text(text));
            }
        }
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

/// A result that is being put together.
struct Replacing<'a> {
    text: &'a [u8],
    extracted: &'a Extracted,
    now_ns: i64,
    replacement: &'a Replacement,
    result: &'a mut Vec<u8>,
    rendered: &'a mut Vec<u8>,
    /// How much of the text is in the result.
    replaced: usize,
}

impl Replacing<'_> {
    /// Renders a group's replacement, and puts it into the result if it is the group's turn.
    fn group(&mut self, begin: usize, end: usize) -> Option<()> {
        self.rendered.clear();
        match self.replacement {
            Replacement::Fixed(text) => self.rendered.extend_from_slice(text),
            Replacement::Template(template) => {
                let data = TemplateData {
                    extracted: self.extracted,
                    value: Some(&self.text[begin..end]),
                    line: None,
                    now_ns: self.now_ns,
                };
                template.render(&data, self.rendered).ok()?;
            }
        }
        if self.replaced == 0 || self.replaced < begin {
            self.result.extend_from_slice(&self.text[self.replaced..begin]);
            self.result.extend_from_slice(self.rendered);
            self.replaced = end;
        }
        (self.result.len() <= MAX_RESULT_BYTES).then_some(())
    }
}

/// Calls `each` for every match, as Go's `FindAll` finds them: an empty match right behind another
/// one does not count. Ends early where `each` gives nothing.
fn for_each_match(
    regexp: &Regexp,
    text: &[u8],
    locations: &mut Locations,
    mut each: impl FnMut(&Locations) -> Option<()>,
) -> Option<()> {
    let haystack = Haystack::new(text);
    let mut at = 0;
    let mut last_end = None;
    while at <= text.len() && regexp.captures_read_in(locations, &haystack, at) {
        let (begin, end) = locations.get(0)?;
        let behind_another = begin == end && last_end == Some(begin);
        at = if end > at { end } else { at + character_length(&text[at..]) };
        last_end = Some(end);
        if !behind_another {
            each(locations)?;
        }
    }
    Some(())
}

/// Length of the first character; 1 for what is not UTF-8 and at the end.
fn character_length(text: &[u8]) -> usize {
    let Some(chunk) = text[..text.len().min(4)].utf8_chunks().next() else { return 1 };
    chunk.valid().chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests;
