//! `timestamp`: an extracted value becomes the time of the entry.
//!
//! A line without a readable time gets the last time of its stream and a nanosecond, or with
//! `skip` keeps the time it was read; neither is worth a log line. Per stream 16 bytes are held,
//! under 1 MiB in all.

mod format;
pub(super) mod last_times;

use std::sync::Arc;

use go_compat::time_layout::Zone;

use self::format::Format;
use self::last_times::LastTimes;
use super::error::StageError;
use super::options::{Options, locate};
use super::stream_key::StreamKeys;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct TimestampOptions {
    /// Extracted value that holds the time.
    pub source: String,
    /// `Unix`, `UnixMs`, `UnixUs`, `UnixNs`, the name of a Go layout, or a Go reference layout.
    pub format: String,
    /// Formats to try in order when `format` does not fit.
    pub fallback_formats: Vec<String>,
    /// IANA name of the zone of layouts for times that name none; UTC by default.
    pub location: Option<String>,
    /// `fudge` (the default) or `skip`.
    pub action_on_failure: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub struct TimestampStage {
    source: Arc<str>,
    formats: Arc<[Format]>,
    /// With `fudge`.
    streams: Option<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    keys: StreamKeys,
    times: LastTimes,
}

impl TimestampStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// No source, no format, an unknown zone or action.
    pub fn new(options: &TimestampOptions) -> Result<Self, StageError> {
        let error = |key, problem: String| StageError::new("timestamp", problem).key(key);
        if options.source.is_empty() {
            return Err(error("source", "timestamp source value is required".to_owned())
                .accepted("the name of an extracted value"));
        }
        if options.format.is_empty() {
            return Err(error("format", "timestamp format is required".to_owned()).accepted(
                "Unix, UnixMs, UnixUs, UnixNs, the name of a Go layout such as RFC3339Nano, or a \
                 layout such as 2006-01-02 15:04:05",
            ));
        }
        let zone = match &options.location {
            None => Zone::utc(),
            Some(name) => Zone::named(name).map_err(|cause| {
                error("location", "invalid location specified".to_owned())
                    .accepted("an IANA time zone such as Europe/Berlin")
                    .cause(cause)
            })?,
        };
        let streams = match options.action_on_failure.as_deref() {
            None | Some("fudge") => Some(Streams::default()),
            Some("skip") => None,
            Some(other) => {
                return Err(error(
                    "action_on_failure",
                    format!("invalid action on failure {other:?}"),
                )
                .accepted("skip, fudge"));
            }
        };
        let formats = std::iter::once(&options.format).chain(&options.fallback_formats);
        Ok(Self {
            source: Arc::from(&*options.source),
            formats: formats.map(|format| Format::new(format, &zone)).collect(),
            streams,
        })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::strict("timestamp", node)?;
        let decoded = TimestampOptions {
            source: options.text("source")?.unwrap_or_default(),
            format: options.text("format")?.unwrap_or_default(),
            fallback_formats: options.text_or_list("fallback_formats")?.unwrap_or_default(),
            location: options.text("location")?,
            action_on_failure: options.text("action_on_failure")?,
        };
        options.finish(warnings);
        Self::new(&decoded).map_err(|error| locate(error, node))
    }

    fn parse(&self, entry: &Entry, now_ns: i64) -> Option<i64> {
        let text = entry.extracted.get(&self.source).and_then(ValueRef::to_bytes)?;
        self.formats.iter().find_map(|format| format.parse(&text, now_ns))
    }
}

impl Stage for TimestampStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let parsed = self.parse(entry, context.now_ns);
        if let Some(time_ns) = parsed {
            entry.timestamp_ns = time_ns;
        }
        let Some(Streams { keys, times }) = &mut self.streams else { return Verdict::Pass };
        let stream = keys.key(&entry.labels);
        match parsed {
            Some(time_ns) => times.remember(stream, time_ns),
            None => entry.timestamp_ns = times.next(stream).unwrap_or(entry.timestamp_ns),
        }
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(Self {
            source: Arc::clone(&self.source),
            formats: Arc::clone(&self.formats),
            streams: self.streams.as_ref().map(|_| Streams::default()),
        })
    }
}

#[cfg(test)]
mod tests;
