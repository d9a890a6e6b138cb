//! A forward proxy: tunnels with CONNECT, passes other requests on, and remembers what it was told.
//!
//! It reaches every host at one address, so that tests may use names that nobody resolves.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longer heads are no test's.
const MAX_HEAD: usize = 64 << 10;

/// The proxy; it ends when this is dropped.
#[derive(Debug)]
pub struct ProxyPeer {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl ProxyPeer {
    /// Listens on a free port of the loopback interface; `server` stands in for every host.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or when there is no port left.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&heads);
        let serving = tokio::spawn(async move {
            // dropping the set ends the connections
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                connections.spawn(async move { pass_on(stream, server, &shared).await });
            }
        });
        Self { address, heads, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The head of each connection's first request, header names in small letters.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ProxyPeer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass_on(
    mut client: TcpStream,
    server: SocketAddr,
    heads: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let is_tunnel = text.starts_with("CONNECT ");
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    let mut server = TcpStream::connect(server).await?;
    if is_tunnel {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        server.write_all(&head).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
