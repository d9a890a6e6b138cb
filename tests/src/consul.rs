//! A Consul agent for those who discover services: catalog, health, its own services, blocking
//! queries, tokens, and outages.
//!
//! It keeps what a real one promises: a query with an index is held until something has changed
//! since, and never misses a change.

mod http;
mod state;

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::state::{Request, Service};

use self::state::State;
use crate::shared_state;

type Shared = shared_state::Shared<State, TcpStream>;

/// A running agent; gone when it is dropped.
///
/// ```
/// use stack_tests::consul::{ConsulAgent, Service};
///
/// let consul = ConsulAgent::local();
/// consul.register(Service::new("web", "web-1").tags(&["blue"]));
/// // start what follows consul.address(), then consul.wait_for(patience, |requests| ...)
/// consul.deregister("web-1");
/// ```
#[derive(Debug)]
pub struct ConsulAgent {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl ConsulAgent {
    /// On a free port of the loopback interface.
    ///
    /// # Panics
    /// There is none.
    pub fn local() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// `HOST:PORT`, as `server` wants it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Adds an instance, or replaces the one of its id.
    pub fn register(&self, service: Service) {
        self.shared.change(|state| state.register(service));
    }

    /// Removes an instance.
    pub fn deregister(&self, id: &str) {
        self.shared.change(|state| state.deregister(id));
    }

    /// Answers only requests with this token.
    pub fn require_token(&self, token: &str) {
        self.shared.change(|state| state.token = Some(token.to_owned()));
    }

    /// Answers everything with this status, until `None`; held queries end.
    pub fn set_fault(&self, status: Option<u16>) {
        self.shared.change(|state| state.fault = status);
    }

    /// Begins a new history, with a smaller index, as a restored cluster does.
    pub fn restart_history(&self) {
        self.shared.change(State::restart_history);
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

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.state().is_over {
            return;
        }
        let Ok(copy) = stream.try_clone() else { continue };
        shared.connections().push(copy);
        let shared = Arc::clone(shared);
        // It ends with its connection, which the drop closes.
        std::thread::spawn(move || {
            let _ = http::converse(&shared, &stream);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

impl Drop for ConsulAgent {
    fn drop(&mut self) {
        self.shared.change(|state| state.is_over = true);
        // wakes the accepting thread
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for connection in self.shared.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests;
