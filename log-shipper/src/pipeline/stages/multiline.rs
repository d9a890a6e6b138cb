//! `multiline`: joins a first line and the lines that follow it, per stream.
//!
//! A block leaves before the next first line, at `max_lines`, after `max_wait_time` without a line,
//! and at the end. Held are at most 4 MiB per block and 64 MiB in all; a stream without lines for
//! ten minutes is forgotten.

mod blocks;

use std::time::Duration;

use go_compat::regexp::Regexp;

use self::blocks::{BlockLimits, Blocks};
use super::error::StageError;
use super::options::{Options, locate};
use super::stream_key::StreamKeys;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::{Entry, FileId};
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Options as in the configuration.
#[derive(Debug, Clone)]
pub struct MultilineOptions {
    /// Matches the first line of a block; required.
    pub firstline: Option<String>,
    /// How long a block waits for another line, in nanoseconds; 3 s by default.
    pub max_wait_time_ns: i64,
    /// Lines of a block; 128 by default, 0 is no limit.
    pub max_lines: i64,
}

impl Default for MultilineOptions {
    fn default() -> Self {
        Self { firstline: None, max_wait_time_ns: 3_000_000_000, max_lines: 128 }
    }
}

/// See the module.
#[derive(Debug)]
pub struct MultilineStage {
    first_line: Regexp,
    keys: StreamKeys,
    blocks: Blocks,
}

impl MultilineStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// No `firstline` or one that does not compile, a negative number of lines.
    pub fn new(options: &MultilineOptions) -> Result<Self, StageError> {
        let error = |key, problem: String| StageError::new("multiline", problem).key(key);
        let Some(pattern) = &options.firstline else {
            let problem = "multiline stage config must define `firstline` regular expression";
            return Err(error("firstline", problem.to_owned())
                .accepted("a regular expression in Go (RE2) syntax that only first lines match"));
        };
        let first_line = Regexp::new(pattern).map_err(|cause| {
            error("firstline", "could not compile regular expression".to_owned())
                .accepted("Go (RE2) syntax")
                .cause(cause)
        })?;
        let lines = u64::try_from(options.max_lines).map_err(|_| {
            error("max_lines", format!("{} is negative", options.max_lines))
                .accepted("a number of lines; 0 for no limit")
        })?;
        // Less than nothing is nothing, as with Go's timers.
        let wait = Duration::from_nanos(u64::try_from(options.max_wait_time_ns).unwrap_or(0));
        Ok(Self {
            first_line,
            keys: StreamKeys::default(),
            blocks: Blocks::new(BlockLimits { wait, lines }),
        })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::weak("multiline", node)?;
        let defaults = MultilineOptions::default();
        let decoded = MultilineOptions {
            firstline: options.text("firstline")?,
            max_wait_time_ns: options
                .duration_ns("max_wait_time")?
                .unwrap_or(defaults.max_wait_time_ns),
            max_lines: options.int("max_lines")?.unwrap_or(defaults.max_lines),
        };
        options.finish(warnings);
        Self::new(&decoded).map_err(|error| locate(error, node))
    }
}

impl Stage for MultilineStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let is_first = self.first_line.is_match(&entry.line);
        if !is_first && self.blocks.is_empty() {
            return Verdict::Pass;
        }
        let stream = self.keys.key(&entry.labels);
        if is_first {
            self.blocks.begin(stream, entry, context)
        } else {
            self.blocks.append(stream, entry, context)
        }
    }

    fn flush(&mut self, end: bool, context: &mut Context) {
        self.blocks.flush(end, context);
    }

    fn held_since(&self, file: FileId) -> Option<u64> {
        self.blocks.held_since(file)
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(Self {
            first_line: self.first_line.clone(),
            keys: StreamKeys::default(),
            blocks: Blocks::new(self.blocks.limits()),
        })
    }
}

#[cfg(test)]
mod tests;
