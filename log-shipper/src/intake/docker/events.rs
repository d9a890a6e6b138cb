//! What happens to an engine's containers, told as it happens.
//!
//! Events make following quick and short-lived containers visible; nothing depends on having seen
//! them all: after every interruption the containers are listed anew.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use daemon_runtime::backoff::Backoff;
use instrumentation::json_log::ErrorChain;
use memchr::memchr;
use tokio::sync::mpsc;

use super::api::{Api, ApiError, Stream, parse};
use super::objects::Happening;

/// A larger event is refused.
const MAX_EVENT: usize = 1 << 20;

/// Before the second attempt.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// Between attempts, at last.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Between attempts at an engine, or what stands before it, that does not tell of events.
const REFUSED_PAUSE: Duration = Duration::from_mins(5);

/// Seconds before the subscription from which on events are told: an engine answers a moment before
/// it listens. What is told twice does no harm.
const EARLIER: i64 = 2;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Events are told from now on; there may have been others before.
    Listening,
    /// Events are not told any more.
    Interrupted,
    /// It has begun to run, has ended, or has another name.
    Changed(String),
    /// It began to run.
    Started(String),
    /// It does not exist any more.
    Destroyed(String),
}

/// Passes events on for as long as somebody takes them.
pub(super) async fn follow(api: Arc<Api>, events: mpsc::Sender<Event>) {
    let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
    let mut is_told = false;
    loop {
        let listened = listen(&api, &events, &mut backoff).await;
        if events.send(Event::Interrupted).await.is_err() {
            return;
        }
        let pause = match listened {
            Ok(()) => backoff.next_pause(fastrand::f64),
            Err(error) if error.is_refusal() => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(
                        error = %ErrorChain(&error),
                        "Docker engine does not tell of events: containers are found when they are \
                         listed, and those that run for a shorter time may be missed"
                    );
                }
                REFUSED_PAUSE
            }
            Err(error) => {
                // Whether the engine answers is told by who lists, which is done at once.
                tracing::debug!(error = %ErrorChain(&error), "events of a Docker engine ended");
                backoff.next_pause(fastrand::f64)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// One connection, to its end.
async fn listen(
    api: &Api,
    events: &mpsc::Sender<Event>,
    backoff: &mut Backoff,
) -> Result<(), ApiError> {
    let mut lines = Lines { stream: api.events(now() - EARLIER).await?, buffer: Vec::new() };
    if events.send(Event::Listening).await.is_err() {
        return Ok(());
    }
    while let Some(happening) = lines.next().await? {
        backoff.reset();
        let id = happening.actor.id;
        let event = match happening.action.as_str() {
            "start" => Event::Started(id),
            "die" | "rename" => Event::Changed(id),
            "destroy" => Event::Destroyed(id),
            _ => continue,
        };
        if events.send(event).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
}

/// Objects, one on each line.
#[derive(Debug)]
struct Lines {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Happening>, ApiError> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr(b'\n', &self.buffer[searched..]) {
                let line: Vec<u8> = self.buffer.drain(..=searched + at).collect();
                searched = 0;
                if line.len() > 1 {
                    return parse(&line).map(Some);
                }
                continue;
            }
            searched = self.buffer.len();
            if searched > MAX_EVENT {
                return Err(ApiError::TooLarge { limit: MAX_EVENT });
            }
            let Some(chunk) = self.stream.next().await? else { return Ok(None) };
            self.buffer.extend_from_slice(&chunk);
        }
    }
}
