//! A blocking thread whose end can be awaited like a task's.
//!
//! The thread is never joined: joining would block the runtime, and the message it sends last says
//! all there is to know.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use tokio::sync::oneshot;

use super::{BoxError, Outcome, Panicked};

/// The operating system started no thread.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a thread")]
struct NotStarted {
    #[source]
    cause: std::io::Error,
}

/// Starts `work` on a thread called `name`; the future gives its outcome, or its panic as an error.
pub(super) fn start(
    name: &str,
    work: impl FnOnce() -> Outcome + Send + 'static,
) -> impl Future<Output = Outcome> + Send + 'static {
    let (report, outcome) = oneshot::channel();
    let started = thread::Builder::new().name(name.replace('\0', "")).spawn(move || {
        // safe to look at afterwards: `work` is consumed, nothing of it is used again
        let ended = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|payload| Err(Box::new(Panicked::new(&*payload)) as BoxError));
        // nobody listens once the drain limit is over
        let _delivered = report.send(ended);
    });
    async move {
        match started {
            Ok(_detached) => outcome.await.unwrap_or_else(|_closed| Err("thread vanished".into())),
            Err(cause) => Err(Box::new(NotStarted { cause }) as BoxError),
        }
    }
}
