//! Signals as a daemon wants them: SIGTERM and SIGINT stop it, SIGHUP makes it reload.
//!
//! The first stop signal only cancels a token, so that what was accepted is still delivered. The
//! second ends the process at once with 128 + its number (143 or 130), as if nothing had caught it:
//! whoever sends it has stopped waiting.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A token that the first SIGTERM or SIGINT cancels. Call it once, inside the runtime.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let first = stop.clone();
    tokio::spawn(async move {
        let code = watch(&first, |cx| {
            if terminate.poll_recv(cx).is_ready() {
                Poll::Ready(SignalKind::terminate().as_raw_value())
            } else {
                interrupt.poll_recv(cx).map(|_| SignalKind::interrupt().as_raw_value())
            }
        })
        .await;
        #[expect(clippy::exit, reason = "the second signal asks for exactly this")]
        std::process::exit(code);
    });
    Ok(stop)
}

/// Cancels `stop` at the first signal and returns the exit code that the second one asks for.
async fn watch(
    stop: &CancellationToken,
    mut poll_signal: impl FnMut(&mut Context<'_>) -> Poll<i32>,
) -> i32 {
    let signal = poll_fn(&mut poll_signal).await;
    tracing::info!(signal, "stopping, a second signal ends the process at once");
    stop.cancel();
    128 + poll_fn(&mut poll_signal).await
}

/// Requests to reload the configuration, from SIGHUP or from a handler of `POST /-/reload`.
///
/// Requests made while one is being served count as one. Clones share the requests; one of them
/// waits, the others ask.
#[derive(Debug, Clone, Default)]
pub struct Reloads(Arc<Notify>);

impl Reloads {
    /// Requests made with [`request`](Self::request) alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with every SIGHUP as a request. Call it once, inside the runtime.
    ///
    /// # Errors
    /// When the operating system refuses the signal handler.
    pub fn on_hangup() -> io::Result<Self> {
        let reloads = Self::new();
        let mut hangup = signal(SignalKind::hangup())?;
        let requests = reloads.clone();
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                requests.request();
            }
        });
        Ok(reloads)
    }

    /// Asks for a reload.
    pub fn request(&self) {
        self.0.notify_one();
    }

    /// Waits for the next request; one made before the call counts. Cancel safe.
    pub async fn requested(&self) {
        self.0.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use rustix::process::{Signal, getpid, kill_process};
    use tokio::sync::mpsc;

    use super::*;

    fn pending(future: impl Future) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn the_first_signal_cancels_and_the_second_gives_its_exit_code() {
        let (signals, mut received) = mpsc::channel(2);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let watching = tokio::spawn(async move {
            watch(&token, |cx| received.poll_recv(cx).map(Option::unwrap_or_default)).await
        });
        signals.send(15).await.unwrap();
        stop.cancelled().await;
        assert!(!watching.is_finished());
        signals.send(2).await.unwrap();
        assert_eq!(watching.await.unwrap(), 130);
    }

    #[tokio::test]
    async fn sigterm_reaches_the_token() {
        let stop = on_signal().unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        stop.cancelled().await;
    }

    #[tokio::test]
    async fn sighup_is_a_request_to_reload() {
        let reloads = Reloads::on_hangup().unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
        reloads.requested().await;
    }

    #[tokio::test]
    async fn requests_nobody_has_taken_yet_count_as_one() {
        let reloads = Reloads::new();
        reloads.request();
        reloads.request();
        reloads.requested().await;
        assert!(pending(reloads.requested()));
    }
}
