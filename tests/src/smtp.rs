//! A mail server: keeps what it is given, with or without TLS, and refuses when a test says so.

mod session;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;

use crate::shared_state;

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `MAIL FROM`.
    pub from: String,
    /// Each `RCPT TO` that was taken.
    pub to: Vec<String>,
    /// Headers and body, with their line ends.
    pub data: String,
    /// It came over TLS.
    pub is_encrypted: bool,
    /// User and password that were given.
    pub login: Option<(String, String)>,
}

impl Mail {
    /// A header as it stands, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.data.split_once("\r\n\r\n")?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    }
}

/// What goes wrong with one mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `MAIL` is answered so, for example `451 try later`.
    Sender(String),
    /// The first `RCPT` is answered so.
    Recipient(String),
    /// `AUTH` is answered so.
    Login(String),
    /// The mail itself is answered so, and not kept.
    Data(String),
    /// The mail is kept, and the connection closed without an answer.
    CloseLate,
    /// The connection is closed before the mail is read.
    CloseEarly,
}

#[derive(Debug, Default)]
struct State {
    mails: Vec<Mail>,
    faults: VecDeque<Fault>,
    connections: usize,
    is_over: bool,
}

type Shared = shared_state::Shared<State, TcpStream>;

/// How connections are encrypted.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Not at all, and `STARTTLS` is not offered.
    None,
    /// `STARTTLS` is offered.
    Starttls(Arc<ServerConfig>),
    /// From the first byte.
    Implicit(Arc<ServerConfig>),
}

/// A running server; gone when it is dropped.
///
/// ```
/// use stack_tests::smtp::{MailServer, Tls};
///
/// let server = MailServer::local(Tls::None);
/// // start what sends to server.address(), then server.wait_for(patience, |mails| ...)
/// assert!(server.mails().is_empty());
/// ```
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl MailServer {
    /// On a free port of the loopback interface.
    ///
    /// # Panics
    /// There is none.
    pub fn local(tls: Tls) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared, &tls)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All mails so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.state().mails.clone()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// What happens to the next mails, one each.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.change(|state| state.faults.extend(faults));
    }

    /// Waits until the mails are so; whether they were within the time.
    pub fn wait_for(&self, patience: Duration, condition: impl Fn(&[Mail]) -> bool) -> bool {
        let state = self.shared.state();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, patience, |state| !condition(&state.mails));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, tls: &Tls) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.state().is_over {
            return;
        }
        let Ok(copy) = stream.try_clone() else { continue };
        shared.connections().push(copy);
        shared.change(|state| state.connections += 1);
        let (shared, tls) = (Arc::clone(shared), tls.clone());
        // It ends with its connection, which the drop closes.
        std::thread::spawn(move || {
            let closing = stream.try_clone();
            let _ = session::serve(&shared, stream, &tls);
            if let Ok(closing) = closing {
                let _ = closing.shutdown(Shutdown::Both);
            }
        });
    }
}

impl Drop for MailServer {
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
