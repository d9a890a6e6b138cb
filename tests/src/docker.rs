//! A Docker engine for those who read logs: containers that start, write, stop and go, their
//! networks and events, terminals, refusals, and outages.
//!
//! It keeps what a real one promises: a log is followed until its container stops, times of a stream
//! do not fall, long lines come in parts of 16 KiB, and a connection that the engine loses has no
//! last chunk.

mod http;
mod state;

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

pub use self::state::{Container, Output, Request};

use self::state::State;
use crate::shared_state;

type Shared = shared_state::Shared<State, UnixStream>;

/// A running engine; gone when it is dropped.
///
/// ```
/// use stack_tests::docker::{Container, Engine, Output};
///
/// let folder = tempfile::tempdir().unwrap();
/// let engine = Engine::at(&folder.path().join("docker.sock"));
/// let web = engine.create(Container::named("web"));
/// engine.start(&web);
/// engine.write(&web, Output::Stdout, "hello\n");
/// // start what follows engine.host()
/// engine.stop(&web);
/// engine.remove(&web);
/// ```
#[derive(Debug)]
pub struct Engine {
    socket: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Engine {
    /// Listens at this socket.
    ///
    /// # Panics
    /// It cannot be bound.
    pub fn at(socket: &Path) -> Self {
        let shared = Arc::new(Shared::default());
        let mut engine = Self { socket: socket.to_owned(), shared, accepting: None };
        engine.begin_serving();
        engine
    }

    /// As `host` of a configuration.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Listens again, with all containers as they are.
    ///
    /// # Panics
    /// The socket cannot be bound.
    pub fn begin_serving(&mut self) {
        // a socket that nobody listens at any more is in the way
        let _ = std::fs::remove_file(&self.socket);
        let bind = || -> io::Result<UnixListener> { UnixListener::bind(&self.socket) };
        let listener = bind().unwrap_or_else(|error| panic!("{}: {error}", self.socket.display()));
        self.shared.change(|state| state.is_down = false);
        let shared = Arc::clone(&self.shared);
        let accept = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.state().is_down {
                    return;
                }
                let Ok(copy) = stream.try_clone() else { continue };
                shared.connections().push(copy);
                let shared = Arc::clone(&shared);
                // It ends with its connection, which the end of serving closes.
                std::thread::spawn(move || {
                    let _ = http::converse(&shared, &stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        };
        self.accepting = Some(std::thread::spawn(accept));
    }

    /// Closes all connections and listens no more; containers run on, and write.
    pub fn end_serving(&mut self) {
        self.shared.change(|state| state.is_down = true);
        // wakes the accepting thread
        let _ = UnixStream::connect(&self.socket);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.close_connections();
    }

    /// Cuts every connection.
    pub fn close_connections(&self) {
        for connection in self.shared.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// A new container that does not run yet: its id.
    pub fn create(&self, container: Container) -> String {
        self.shared.change(|state| state.create(container))
    }

    /// It runs from now on.
    ///
    /// # Panics
    /// There is none of this id.
    pub fn start(&self, id: &str) {
        self.shared.change(|state| state.start(id));
    }

    /// A container that runs from now on: its id.
    pub fn run(&self, container: Container) -> String {
        self.shared.change(|state| {
            let id = state.create(container);
            state.start(&id);
            id
        })
    }

    /// It has ended.
    ///
    /// # Panics
    /// There is none of this id.
    pub fn stop(&self, id: &str) {
        self.shared.change(|state| state.stop(id, None));
    }

    /// It has ended at a time of the test's choice, in nanoseconds since 1970.
    ///
    /// # Panics
    /// There is none of this id.
    pub fn stop_at(&self, id: &str, time_ns: i64) {
        self.shared.change(|state| state.stop(id, Some(time_ns)));
    }

    /// Deletes it with its log.
    pub fn remove(&self, id: &str) {
        self.shared.change(|state| state.remove(id));
    }

    /// It has another name from now on.
    ///
    /// # Panics
    /// There is none of this id.
    pub fn rename(&self, id: &str, name: &str) {
        self.shared.change(|state| state.rename(id, name));
    }

    /// Writes lines; what follows the last newline is held back until its line goes on.
    ///
    /// # Panics
    /// There is none of this id.
    pub fn write(&self, id: &str, output: Output, text: &str) {
        self.shared.change(|state| state.write(id, output, text.as_bytes(), None));
    }

    /// The same at a time of the test's choice, in nanoseconds since 1970.
    ///
    /// # Panics
    /// There is none of this id.
    pub fn write_at(&self, id: &str, output: Output, text: &str, time_ns: i64) {
        self.shared.change(|state| state.write(id, output, text.as_bytes(), Some(time_ns)));
    }

    /// Adds a network; see the Engine API for its keys.
    pub fn add_network(&self, network: Value) {
        self.shared.change(|state| state.networks.push(network));
    }

    /// Answers paths that end like this with a status, until `None`.
    pub fn refuse(&self, path_end: &str, status: Option<u16>) {
        self.shared.change(|state| {
            state.refused.remove(path_end);
            if let Some(status) = status {
                state.refused.insert(path_end.to_owned(), status);
            }
        });
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Waits until a condition on the requests holds; whether it did within the time.
    pub fn wait_for(&self, patience: Duration, condition: impl Fn(&[Request]) -> bool) -> bool {
        let state = self.shared.state();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, patience, |state| !condition(&state.requests));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end_serving();
    }
}

#[cfg(test)]
mod tests;
