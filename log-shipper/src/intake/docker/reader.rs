//! Reads the log of one container to its end: from its place, over interruptions, until the
//! container has stopped.
//!
//! A place goes on when a line has been passed on, so whatever ends a connection, the next one
//! begins behind that line. An unfinished line counts only when nothing more can come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use daemon_runtime::backoff::Backoff;
use instrumentation::json_log::ErrorChain;
use instrumentation::rate_limit::Repeated;
use prometheus_model::label_set::LabelSet;
use tokio::sync::watch;

use super::api::{Api, ApiError, Wanted};
use super::frames::{Demultiplexer, FrameError, StreamKind};
use super::lines::{Assembler, Found, Line};
use super::place::{Place, Resumption};
use crate::intake::inlet::{Closed, Inlet};
use crate::intake::message::Message;
use crate::tail::cursor::Cursor;

/// Before the second attempt.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// Between attempts, at last.
const MAX_PAUSE: Duration = Duration::from_secs(10);

static INTERRUPTED: Repeated = Repeated::every(Duration::from_secs(10));
static MALFORMED: Repeated = Repeated::every(Duration::from_secs(10));

/// What the rules make of each stream, by its index; `None` where they drop it.
///
/// Rules see the same labels for every line of a stream, so they need to run only once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct StreamLabels(pub(super) [Option<Arc<LabelSet>>; 2]);

impl StreamLabels {
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let [stdout, stderr] = [self.0[0].is_some(), self.0[1].is_some()];
        (stdout || stderr).then_some(Wanted { stdout, stderr })
    }
}

/// Why a reader has ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// The container has stopped, and its log has been read.
    Finished,
    /// The container does not exist any more; whether its log had been read to its end.
    Gone { was_read: bool },
    /// The engine does not give this log.
    Refused(ApiError),
    /// The shipper is stopping.
    Closed,
}

/// A reader's last words.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) id: String,
    /// Where to go on if the container is started again.
    pub(super) place: Place,
    pub(super) ending: Ending,
}

/// Why one connection has ended early.
#[derive(Debug, thiserror::Error)]
enum Interruption {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// One container's reader.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) id: String,
    pub(super) api: Arc<Api>,
    pub(super) inlet: Inlet,
    pub(super) cursor: Arc<Cursor>,
    pub(super) place: Place,
    pub(super) labels: watch::Receiver<StreamLabels>,
    /// Bytes of a line at most.
    pub(super) line_limit: usize,
}

impl Reader {
    /// Reads until nothing more will come.
    pub(super) async fn run(mut self) -> Ended {
        let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
        let ending = loop {
            let before = self.place;
            let error = match self.follow().await {
                Ok(Some(ending)) => break ending,
                // The container was started again, or its log goes on elsewhere.
                Ok(None) => None,
                Err(Interruption::Closed(Closed)) => break Ending::Closed,
                Err(Interruption::Api(error)) if error.is_not_found() => {
                    break Ending::Gone { was_read: false };
                }
                Err(Interruption::Api(error)) if error.is_refusal() => {
                    break Ending::Refused(error);
                }
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                self.report(&error);
            }
            if self.place != before {
                backoff.reset();
            }
            tokio::time::sleep(backoff.next_pause(fastrand::f64)).await;
        };
        Ended { id: self.id, place: self.place, ending }
    }

    /// One connection: how the reader ends with it, `None` if the container goes on.
    async fn follow(&mut self) -> Result<Option<Ending>, Interruption> {
        let labels = self.labels.borrow_and_update().clone();
        let Some(wanted) = labels.wanted() else { return Ok(Some(Ending::Finished)) };
        let mut log = self.api.logs(&self.id, self.place.since(), wanted).await?;
        let mut connection = Connection {
            demultiplexer: Demultiplexer::default(),
            assemblers: [Assembler::new(self.line_limit), Assembler::new(self.line_limit)],
            resumption: Resumption::at(&self.place),
            labels,
            found: Vec::new(),
        };
        loop {
            let chunk = tokio::select! {
                chunk = log.next() => chunk?,
                // Its rules may want the other stream now.
                Ok(()) = self.labels.changed() => return Ok(None),
            };
            let Some(chunk) = chunk else { break };
            connection.push(&chunk)?;
            self.ship(&mut connection).await?;
        }
        let ending = match self.api.inspect(&self.id).await {
            Ok(inspected) if inspected.state.is_writing() => return Ok(None),
            Ok(_) => Ending::Finished,
            Err(error) if error.is_not_found() => Ending::Gone { was_read: true },
            Err(error) => return Err(error.into()),
        };
        connection.finish();
        self.ship(&mut connection).await?;
        Ok(Some(ending))
    }

    async fn ship(&mut self, connection: &mut Connection) -> Result<(), Closed> {
        for (stream, found) in connection.found.drain(..) {
            let line = match found {
                Found::Line(line) => line,
                Found::Malformed => {
                    self.malformed();
                    continue;
                }
            };
            if connection.resumption.was_read(stream, line.time_ns) {
                continue;
            }
            self.place.advance(stream, line.time_ns);
            if let Some(labels) = &connection.labels.0[stream.index()] {
                self.send(line, Arc::clone(labels)).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, line: Line, labels: Arc<LabelSet>) -> Result<(), Closed> {
        let metrics = self.inlet.metrics();
        if line.is_cut {
            metrics.docker_lines_cut.inc();
        }
        let number = self.cursor.mark(&self.place.text());
        let message = Message {
            labels,
            line: line.text,
            timestamp_ns: Some(line.time_ns),
            metadata: Vec::new(),
            mark: Some((Arc::clone(&self.cursor), number)),
        };
        self.inlet.send(message).await?;
        metrics.docker_entries.inc();
        Ok(())
    }

    /// Counts it. What the line says is not logged.
    fn malformed(&self) {
        self.inlet.metrics().docker_errors.inc();
        if let Some(suppressed) = MALFORMED.admit(Instant::now()) {
            let (job, container) = (self.inlet.job_name(), &self.id);
            tracing::warn!(job, container, suppressed, "line of a container has no time, left out");
        }
    }

    fn report(&self, error: &Interruption) {
        if let Some(suppressed) = INTERRUPTED.admit(Instant::now()) {
            let (job, container) = (self.inlet.job_name(), &self.id);
            tracing::warn!(
                job, container, error = %ErrorChain(error), suppressed,
                "log of a container was interrupted, going on where it was"
            );
        }
    }
}

/// What is known while a connection lasts.
#[derive(Debug)]
struct Connection {
    demultiplexer: Demultiplexer,
    /// By the index of their stream.
    assemblers: [Assembler; 2],
    resumption: Resumption,
    labels: StreamLabels,
    found: Vec<(StreamKind, Found)>,
}

impl Connection {
    fn push(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        let Self { demultiplexer, assemblers, found, .. } = self;
        demultiplexer.push(bytes, |piece| {
            let stream = piece.stream;
            let mut found = |next| found.push((stream, next));
            let assembler = &mut assemblers[stream.index()];
            assembler.push(piece.bytes, piece.begins, piece.is_text, &mut found);
        })
    }

    fn finish(&mut self) {
        for stream in StreamKind::ALL {
            let found = &mut self.found;
            let mut found = |next| found.push((stream, next));
            self.assemblers[stream.index()].finish(&mut found);
        }
    }
}
