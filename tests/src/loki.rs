//! A receiver that speaks Loki's push and query API, in memory: it stands in for Loki in tests, in
//! `cargo xtask up` and in benches. Faults can be ordered, as a real server has them.

pub mod decode;
mod faults;
mod http;
mod query;
pub mod sequence;
mod store;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::faults::Fault;
pub use self::store::{Entry, State};

/// What the receiver keeps and how it behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Most entries that are kept; older ones go. Counters go on.
    pub max_entries: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_entries: 500_000 }
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(crate) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(options)), changed: Condvar::new() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) {
        self.changed.notify_all();
    }
}

/// A running receiver; it stops when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Receiver {
    /// Listens on an address; port 0 is any free one.
    ///
    /// # Panics
    /// The address cannot be listened on.
    pub fn start(listen: SocketAddr, options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let shared = Shared::new(options);
        let listener = runtime.block_on(tokio::net::TcpListener::bind(listen)).expect("a free address");
        let address = listener.local_addr().expect("a bound listener has an address");
        runtime.spawn(http::serve(listener, Arc::clone(&shared)));
        Self { address, shared, runtime: Some(runtime) }
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
        self.shared.state().fault = fault;
        self.shared.changed();
    }

    /// Orders answers for the next pushes, one each; after them the standing fault counts.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state().script.extend(faults);
    }

    /// Looks at what was received.
    pub fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state())
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
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(listen: SocketAddr, options: Options) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    http::serve(listener, Shared::new(options)).await;
    Ok(())
}
