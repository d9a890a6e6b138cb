//! A Kubernetes API server for those who list and watch, and for those who hold leases: objects,
//! versions, pages, bookmarks, forgotten versions, conflicts, tokens, and outages.
//!
//! It keeps what a real one promises its clients: a watch from a listed version misses nothing, and
//! an object that a selector does not find any more is deleted to whoever asked with it.

mod http;
mod leases;
mod objects;
mod state;

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

pub use self::objects::{node, pod};
pub use self::state::{Forgotten, Request};

use self::state::State;
use crate::shared_state;

type Shared = shared_state::Shared<State, TcpStream>;

/// A running server; gone when it is dropped.
///
/// ```
/// use stack_tests::kubernetes::{ApiServer, pod};
///
/// let server = ApiServer::local();
/// server.set("pods", pod("ml", "vllm-0", "n1"));
/// // start what follows server.url(), then server.wait_for(patience, |requests| ...)
/// server.remove("pods", "ml", "vllm-0");
/// ```
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// On a free port of the loopback interface.
    ///
    /// # Panics
    /// There is none.
    pub fn local() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let mut server = Self { address, shared, accepting: None };
        server.serve(listener);
        server
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn serve(&mut self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let accept = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.state().is_down {
                    return;
                }
                let Ok(copy) = stream.try_clone() else { continue };
                shared.connections().push(copy);
                let shared = Arc::clone(&shared);
                // It ends with its connection, which a stop closes.
                std::thread::spawn(move || {
                    let _ = http::converse(&shared, &stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        };
        self.accepting = Some(std::thread::spawn(accept));
    }

    /// Closes all connections and listens no more; what it stores stays.
    pub fn stop(&mut self) {
        self.shared.change(|state| state.is_down = true);
        // wakes the accepting thread
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.close_connections();
    }

    /// Listens on the same port again.
    ///
    /// # Panics
    /// Somebody took the port.
    pub fn start(&mut self) {
        let bind = || -> io::Result<TcpListener> { TcpListener::bind(self.address) };
        let listener = bind().unwrap_or_else(|error| panic!("{}: {error}", self.address));
        self.shared.change(|state| state.is_down = false);
        self.serve(listener);
    }

    /// Cuts every connection, watches included.
    pub fn close_connections(&self) {
        for connection in self.shared.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Stores an object of a resource such as `pods`.
    ///
    /// # Panics
    /// It has no `metadata.name`.
    pub fn set(&self, resource: &str, object: Value) {
        self.shared.change(|state| state.set(resource, object));
    }

    /// Deletes one; the namespace of a node is empty.
    pub fn remove(&self, resource: &str, namespace: &str, name: &str) {
        self.shared.change(|state| state.remove(resource, namespace, name));
    }

    /// Forgets all versions but the last; how those are told who ask for an older one.
    pub fn forget_history(&self, told: Forgotten) {
        self.shared.change(|state| state.forget_history(told));
    }

    /// Sends a bookmark to all watches.
    pub fn bookmark(&self) {
        self.shared.change(|state| state.bookmarks += 1);
    }

    /// Ends all watches as their time limit would.
    pub fn end_watches(&self) {
        self.shared.change(|state| state.ended_watches += 1);
    }

    /// Answers only requests with this bearer token.
    pub fn require_token(&self, token: &str) {
        self.shared.change(|state| state.token = Some(token.to_owned()));
    }

    /// Answers everything with this status, until `None`.
    pub fn set_fault(&self, status: Option<u16>) {
        self.shared.change(|state| state.fault = status);
    }

    /// The largest page, whatever is asked for.
    pub fn set_page_limit(&self, objects: usize) {
        self.shared.change(|state| state.page_limit = objects);
    }

    /// An object as it is stored; the namespace of a node is empty.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.shared.state().object(resource, namespace, name).cloned()
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

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
