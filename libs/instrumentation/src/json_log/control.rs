//! The level in force, and the gate that holds events to it.
//!
//! `tracing` asks the gate once per call site and remembers the answer, so a
//! disabled call costs one load. Every change of the level must therefore make
//! `tracing` ask again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use prometheus_model::exposition::{Collect, MetricType, Writer};
use tracing::dispatcher::{self, Dispatch, WeakDispatch};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, callsite};
use tracing_subscriber::layer::{Context, Filter};

use super::encode::IDS;
use super::level::Level;
use super::sink::Sink;

/// Reads and sets at run time what a logger logs. Clones steer the same logger.
///
/// ```
/// use instrumentation::json_log::{self, Format};
///
/// let log = json_log::init("ml-inference", Format::Json, "info".parse().unwrap());
/// log.set_level("info,ml_inference::model=debug".parse().unwrap());
/// assert_eq!(log.level().to_string(), "info,ml_inference::model=debug");
/// ```
#[derive(Clone)]
pub struct LogControl {
    level: Arc<RwLock<Level>>,
    /// The subscriber that asks the gate, once there is one.
    subscriber: Arc<Mutex<Option<WeakDispatch>>>,
    sink: Arc<Sink>,
}

impl LogControl {
    pub(super) fn new(level: Level, sink: Arc<Sink>) -> Self {
        Self { level: Arc::new(RwLock::new(level)), subscriber: Arc::default(), sink }
    }

    pub(super) fn on_register(&self, subscriber: &Dispatch) {
        *self.subscriber.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(subscriber.downgrade());
    }

    /// The level in force.
    pub fn level(&self) -> Level {
        self.read(Level::clone)
    }

    /// Puts another level in force, for all threads and for spans opened from now on.
    pub fn set_level(&self, level: Level) {
        *self.level.write().unwrap_or_else(PoisonError::into_inner) = level;
        let subscriber = self.subscriber.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(subscriber) = subscriber.and_then(|subscriber| subscriber.upgrade()) {
            // The locks must be free again: this asks the gate about every call site. Where there
            // is one subscriber only, `tracing` asks the one of the calling thread, so that has to
            // be the right one.
            dispatcher::with_default(&subscriber, callsite::rebuild_interest_cache);
        }
    }

    /// Lines since the start that the writer did not take, for example because its disk is full.
    pub fn lost_lines(&self) -> u64 {
        self.sink.lost()
    }

    fn read<T>(&self, read: impl FnOnce(&Level) -> T) -> T {
        read(&self.level.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Collects `instrumentation_log_lines_lost_total`.
impl Collect for LogControl {
    fn collect(&self, writer: &mut Writer) {
        let help = "Log lines that the writer did not take.";
        writer.family("instrumentation_log_lines_lost_total", MetricType::Counter, help);
        writer.sample(&[], self.lost_lines());
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LogControl")
            .field("level", &self.level())
            .field("lost_lines", &self.lost_lines())
            .finish_non_exhaustive()
    }
}

/// Lets through what the level lets through, and the spans that carry the ids of lines.
///
/// A span of severity `info` or above that has a trace id is kept at every level but `off`:
/// the error logged at level `error` is the line that needs the id most.
pub(super) struct LevelGate {
    control: LogControl,
}

impl LevelGate {
    pub(super) fn new(control: LogControl) -> Self {
        Self { control }
    }

    fn is_open(&self, metadata: &Metadata<'_>) -> bool {
        self.control.read(|level| {
            level.passes(metadata)
                || (is_id_carrier(metadata) && level.most_verbose() != LevelFilter::OFF)
        })
    }
}

fn is_id_carrier(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && *metadata.level() <= tracing::Level::INFO
        && IDS.iter().any(|id| metadata.fields().field(id).is_some())
}

impl<S> Filter<S> for LevelGate {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.is_open(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.is_open(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.control.read(Level::most_verbose) {
            LevelFilter::OFF => LevelFilter::OFF,
            level => level.max(LevelFilter::INFO),
        })
    }
}
