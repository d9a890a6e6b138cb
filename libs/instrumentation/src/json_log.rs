//! Log lines: one event of `tracing` becomes one line, JSON by default.
//!
//! A line is made in memory and handed over in one write, so lines of several
//! threads never mix, and whatever a field holds the line stays one line. Where
//! the writer fails the line is counted as lost; logging never panics for it.
//!
//! A JSON line holds, in this order: `timestamp` (RFC 3339, UTC, milliseconds),
//! `level` (`DEBUG`, `INFO`, ...), `service`, `environment` where one is set,
//! `message`, `trace_id` and `span_id` (of the event, else of the innermost span
//! that has one; absent where none has), then the fields of the event, then those
//! of its spans from the innermost outwards. Of two fields with one name the
//! inner one is kept. A field named like a fixed key gets the suffix `_field`.
//!
//! ```
//! use instrumentation::json_log::{self, LogFile};
//! use tracing_subscriber::prelude::*;
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("app.log");
//! let (layer, _log) = json_log::builder("ml-inference").writer(LogFile::append(&path)?).layer();
//! tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
//!     let request = tracing::info_span!("request", trace_id = "4bf92f3577b34da6a3ce929d0e0e4736");
//!     request.in_scope(|| tracing::info!(latency_ms = 45.2, "model prediction completed"));
//! });
//! let line = std::fs::read_to_string(&path)?;
//! assert!(line.ends_with(concat!(
//!     r#""level":"INFO","service":"ml-inference","message":"model prediction completed","#,
//!     r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","latency_ms":45.2}"#,
//!     "\n",
//! )));
//! # Ok::<(), std::io::Error>(())
//! ```

mod control;
mod encode;
mod error_chain;
mod escape;
mod field;
mod format;
mod layer;
mod level;
mod log_file;
mod sink;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tracing::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

pub use control::LogControl;
pub use error_chain::ErrorChain;
pub use field::MAX_FIELD_BYTES;
pub use format::{Format, FormatError};
pub use level::{Level, LevelError};
pub use log_file::LogFile;

use control::LevelGate;
use layer::LineLayer;
use sink::Sink;

/// The control that the first [`init`] made, for those that come after it.
static INSTALLED: OnceLock<LogControl> = OnceLock::new();

/// Another subscriber is the process' default already.
#[derive(Debug, thiserror::Error)]
#[error("log lines go to a subscriber that was installed before")]
pub struct InitError {
    #[source]
    cause: tracing::subscriber::SetGlobalDefaultError,
}

/// Writes the log lines of the whole process to standard output.
///
/// The first call wins: a later one changes nothing and returns the control that
/// the first made, so no line is ever written twice. Where another subscriber was
/// installed before, that one stays, and the control returned here steers nothing;
/// [`Builder::init`] tells the difference.
///
/// The `text` format is coloured on a terminal unless `NO_COLOR` is set.
///
/// ```
/// use instrumentation::json_log::{self, Format};
///
/// let log = json_log::init("ml-inference", Format::Json, "info".parse().unwrap());
/// tracing::info!(model_name = "fraud-detector", "model loaded");
/// log.set_level("debug".parse().unwrap());
/// ```
pub fn init(service: &str, format: Format, level: Level) -> LogControl {
    if let Some(first) = INSTALLED.get() {
        return first.clone();
    }
    let (layer, control) = builder(service).format(format).level(level).layer();
    if tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).is_ok() {
        return INSTALLED.get_or_init(|| control).clone();
    }
    INSTALLED.get().cloned().unwrap_or(control)
}

/// Log lines that are not as [`init`] makes them: another writer, an environment.
///
/// ```
/// use instrumentation::json_log::{self, Format};
///
/// let log = json_log::builder("ml-inference")
///     .environment("staging")
///     .format(Format::Logfmt)
///     .level("warn,ml_inference=debug".parse().unwrap())
///     .init()
///     .expect("the only subscriber of this process");
/// assert_eq!(log.level().to_string(), "warn,ml_inference=debug");
/// ```
pub fn builder(service: &str) -> Builder {
    Builder {
        service: service.into(),
        environment: None,
        format: Format::default(),
        level: Level::default(),
        colour: None,
        writer: None,
        clock: SystemTime::now,
    }
}

/// What log lines look like and where they go. See [`builder`].
pub struct Builder {
    service: String,
    environment: Option<String>,
    format: Format,
    level: Level,
    colour: Option<bool>,
    writer: Option<Box<dyn Write + Send>>,
    clock: fn() -> SystemTime,
}

impl Builder {
    /// Layout of a line. Default [`Format::Json`].
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// What is logged at the start; [`LogControl`] changes it later. Default `info`.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Value of the key `environment`, for example `prod`. Default: the key is absent.
    #[must_use]
    pub fn environment(mut self, environment: &str) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Where lines go, one `write` each. Default: standard output, unbuffered.
    #[must_use]
    pub fn writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.writer = Some(Box::new(writer));
        self
    }

    /// Whether the `text` format is coloured. Default: if lines go to standard output, that is
    /// a terminal, and `NO_COLOR` is unset or empty.
    #[must_use]
    pub fn colour(mut self, colour: bool) -> Self {
        self.colour = Some(colour);
        self
    }

    /// Source of `timestamp`. Default [`SystemTime::now`].
    #[must_use]
    pub fn clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }

    /// The layer that writes the lines, to be added to a subscriber beside other layers.
    ///
    /// The level limits this layer only.
    pub fn layer<S>(self) -> (impl Layer<S> + Send + Sync, LogControl)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let to_stdout = self.writer.is_none();
        let colour =
            self.colour.unwrap_or_else(|| to_stdout && format::is_coloured_terminal(&io::stdout()));
        let sink = Arc::new(Sink::new(self.writer.unwrap_or_else(stdout)));
        let control = LogControl::new(self.level, Arc::clone(&sink));
        let layer = LineLayer {
            service: self.service,
            environment: self.environment,
            format: self.format,
            colour,
            clock: self.clock,
            sink,
            control: control.clone(),
        };
        let gate = LevelGate::new(control.clone());
        (layer.with_filter(gate), control)
    }

    /// Makes these the log lines of the whole process.
    ///
    /// # Errors
    ///
    /// If a subscriber was installed before, by this crate or another.
    pub fn init(self) -> Result<LogControl, InitError> {
        let (layer, control) = self.layer();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
            .map_err(|cause| InitError { cause })?;
        Ok(INSTALLED.get_or_init(|| control).clone())
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Builder")
            .field("service", &self.service)
            .field("format", &self.format)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// Standard output without the buffer and the lock of `std`, which would split a long line into
/// two writes.
fn stdout() -> Box<dyn Write + Send> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        // no descriptor is left
        Err(_) => Box::new(io::stdout()),
    }
}

#[cfg(test)]
mod tests;
