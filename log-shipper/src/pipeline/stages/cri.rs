//! `cri`: lines of a container runtime (containerd, CRI-O) become what the container wrote, and
//! lines that the runtime cut into parts are put together again.
//!
//! Leaves `time`, `stream`, `flags` and `content` in the extracted map. Parts are held until the
//! last one comes, at most a minute; at the end they are not released, because the saved position
//! stays before them and the next start reads them again. Held are at most 64 MiB of parts, and 16
//! bytes per stream for lines whose time cannot be read.

mod line;
mod partials;

use std::sync::Arc;

use go_compat::time_layout::{Layout, Zone};

use self::line::CriLine;
use self::partials::{PartialLimits, Partials};
use super::error::StageError;
use super::options::{Options, locate};
use super::stream_key::StreamKeys;
use super::timestamp::last_times::LastTimes;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::{Entry, FileId};
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Options as in the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct CriOptions {
    /// Streams whose parts are held at the same time; 0 means 100. One more releases the parts of
    /// the stream that has waited longest.
    pub max_partial_lines: i64,
    /// Bytes that a line put together is cut to, with `max_partial_line_size_truncate`.
    pub max_partial_line_size: i64,
    /// Whether to cut. Lines that came in one piece are never cut.
    pub max_partial_line_size_truncate: bool,
}

/// What the forks of a stage share.
#[derive(Debug)]
struct Shared {
    layout: Layout,
    zone: Zone,
    time: Arc<str>,
    stream: Arc<str>,
    flags: Arc<str>,
    content: Arc<str>,
}

/// See the module.
#[derive(Debug)]
pub struct CriStage {
    shared: Arc<Shared>,
    keys: StreamKeys,
    times: LastTimes,
    partials: Partials,
}

impl CriStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// Negative numbers.
    pub fn new(options: CriOptions) -> Result<Self, StageError> {
        let positive = |key, number: i64| {
            usize::try_from(number).map_err(|_| {
                StageError::new("cri", format!("{number} is negative"))
                    .key(key)
                    .accepted("0 or more")
            })
        };
        let streams = match positive("max_partial_lines", options.max_partial_lines)? {
            0 => 100,
            streams => streams,
        };
        let size = positive("max_partial_line_size", options.max_partial_line_size)?;
        let truncate = options.max_partial_line_size_truncate.then_some(size);
        let shared = Shared {
            layout: Layout::named("RFC3339Nano").expect("Go has a layout of this name"),
            zone: Zone::utc(),
            time: Arc::from("time"),
            stream: Arc::from("stream"),
            flags: Arc::from("flags"),
            content: Arc::from("content"),
        };
        Ok(Self::with(Arc::new(shared), PartialLimits { streams, truncate }))
    }

    fn with(shared: Arc<Shared>, limits: PartialLimits) -> Self {
        let (keys, times) = (StreamKeys::default(), LastTimes::default());
        Self { shared, keys, times, partials: Partials::new(limits) }
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::weak("cri", node)?;
        let decoded = CriOptions {
            max_partial_lines: options.int("max_partial_lines")?.unwrap_or(0),
            max_partial_line_size: options.int("max_partial_line_size")?.unwrap_or(0),
            max_partial_line_size_truncate: options
                .flag("max_partial_line_size_truncate")?
                .unwrap_or(false),
        };
        let stage = Self::new(decoded).map_err(|error| locate(error, node))?;
        if stage.partials.limits().truncate == Some(0) {
            options.warn(
                "max_partial_line_size_truncate without max_partial_line_size makes every line \
                 that came in parts empty",
            );
        }
        options.finish(warnings);
        Ok(stage)
    }
}

impl Stage for CriStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let Self { shared, keys, times, partials } = self;
        let Some(line) = CriLine::parse(&entry.line) else { return Verdict::Pass };
        if entry.labels.get(&shared.stream) != Some(line.stream) {
            entry.labels.set(&shared.stream, line.stream);
        }
        let time =
            shared.layout.parse(line.time, &shared.zone).ok().and_then(|time| time.unix_ns());
        let key = keys.key(&entry.labels);
        match time {
            Some(time_ns) => {
                entry.timestamp_ns = time_ns;
                times.remember(key, time_ns);
            }
            None => entry.timestamp_ns = times.next(key).unwrap_or(entry.timestamp_ns),
        }
        let values = [
            (&shared.time, line.time),
            (&shared.stream, line.stream.as_bytes()),
            (&shared.flags, line.tag),
            (&shared.content, line.content),
        ];
        for (name, value) in values {
            entry.extracted.set_text(name, value);
        }
        let is_partial = line.is_partial();
        let header = entry.line.len() - line.content.len();
        entry.line.drain(..header);

        if is_partial {
            partials.hold(key, std::mem::take(entry), context.now, &mut context.released);
            return Verdict::Hold;
        }
        if !partials.is_empty() {
            partials.finish(key, entry, &mut context.released);
        }
        Verdict::Pass
    }

    fn flush(&mut self, _end: bool, context: &mut Context) {
        if !self.partials.is_empty() {
            self.partials.release_old(context.now, &mut context.released);
        }
    }

    fn held_since(&self, file: FileId) -> Option<u64> {
        self.partials.held_since(file)
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(Self::with(Arc::clone(&self.shared), self.partials.limits()))
    }
}

#[cfg(test)]
mod tests;
