//! A receiver that speaks Loki's push and query API, in memory: it stands in for Loki in tests, in
//! `cargo xtask up` and in benches. Faults can be ordered, as a real server has them.
//!
//! Every change of its state wakes those who wait for one: tests wait for conditions, never for time.

pub(crate) mod decode;
mod faults;
mod http;
mod limits;
mod query;
mod sequence;
mod store;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use self::faults::{Answer, Fault};
pub use self::limits::Limits;
pub use self::sequence::Sequence;
pub use self::store::{Entry, Request, State, Stream};

use self::query::Query;

/// What the receiver keeps and what it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Most entries that are kept; older ones go. Counters and sequences go on, so that with 0 the
    /// memory does not depend on the number of lines.
    pub max_entries: usize,
    /// Lines are numbered (`seq=N`) by value of this label and not all together; see
    /// [`State::sequence_of`].
    pub sequence_label: Option<String>,
    /// Entries that are refused one by one; `None` takes everything.
    pub limits: Option<Limits>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_entries: 500_000, sequence_label: None, limits: None }
    }
}

impl Options {
    /// Keeps no lines, only counts them: for tests with millions of them.
    pub fn count_only() -> Self {
        Self { max_entries: 0, ..Self::default() }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn new(options: Options) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(options)), changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes those who wait for that.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_all();
        changed
    }
}

/// A running receiver, on a thread of its own; it stops when it is dropped.
///
/// ```
/// use stack_tests::loki::{Fault, Receiver};
///
/// let receiver = Receiver::local();
/// receiver.script([Fault::Status(503, None)]);
/// // start what pushes to receiver.push_url(), then receiver.wait_for(patience, |state| ...)
/// assert_eq!(receiver.count(r#"{job="api"}"#), 0);
/// ```
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens on an address; port 0 is any free one.
    ///
    /// # Panics
    /// The address cannot be listened on.
    pub fn start(listen: SocketAddr, options: Options) -> Self {
        let listener = TcpListener::bind(listen)
            .unwrap_or_else(|error| panic!("cannot listen on {listen}: {error}"));
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Shared::new(options);
        let stop = CancellationToken::new();
        let serving = (Arc::clone(&shared), stop.clone());
        let run = move || {
            let (shared, stop) = serving;
            runtime()?.block_on(http::serve(listener, shared, stop))
        };
        let thread = std::thread::Builder::new()
            .name("loki-receiver".to_owned())
            .spawn(move || run().expect("a loopback listener can be served"))
            .expect("a thread can be started");
        Self { address, shared, stop, thread: Some(thread) }
    }

    /// On a free port of the loopback interface.
    pub fn local() -> Self {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0)), Options::default())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to push to.
    pub fn push_url(&self) -> String {
        format!("http://{}/loki/api/v1/push", self.address)
    }

    /// Orders answers for all further pushes, until [`Fault::None`].
    pub fn set_fault(&self, fault: Fault) {
        self.shared.change(|state| state.fault = fault);
    }

    /// Orders answers for all further pushes of one tenant.
    pub fn set_tenant_fault(&self, tenant: &str, fault: Fault) {
        self.shared.change(|state| {
            state.tenant_faults.insert(tenant.to_owned(), fault);
        });
    }

    /// Orders answers for the next pushes, one each; after them the standing fault counts.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.change(|state| state.script.extend(faults));
    }

    /// Looks at what was received.
    pub fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state())
    }

    /// The entries that are kept, in the order of arrival.
    pub fn entries(&self) -> Vec<Entry> {
        self.with(|state| state.entries.iter().cloned().collect())
    }

    /// The latest push requests, at most a thousand; [`State::requests`] counts all.
    pub fn requests(&self) -> Vec<Request> {
        self.with(|state| state.recent_requests.iter().cloned().collect())
    }

    /// How many accepted entries, of any tenant, a selector finds: of all since the start, or, if
    /// line filters follow the selector, of those that are kept.
    ///
    /// # Panics
    /// The selector is none: a mistake in the test.
    pub fn count(&self, selector: &str) -> u64 {
        let query = Query::parse(selector).unwrap_or_else(|why| panic!("{selector}: {why}"));
        self.with(|state| query.count(state))
    }

    /// Waits until a condition holds; whether it did within the time.
    pub fn wait_for(&self, patience: Duration, condition: impl Fn(&State) -> bool) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.shared.state();
        while !condition(&state) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Receiver {
    /// Once it is dropped, the port is free and all connections are closed.
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(listen: SocketAddr, options: Options) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    runtime()?.block_on(http::serve(listener, Shared::new(options), CancellationToken::new()))
}

#[cfg(test)]
mod tests;
