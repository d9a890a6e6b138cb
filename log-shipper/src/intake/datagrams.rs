//! Datagrams of a UDP socket, read at once and queued.
//!
//! UDP cannot be told to wait: what arrives while the queue is full is dropped and counted, so that
//! memory is bounded whatever senders do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use instrumentation::rate_limit::Repeated;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::inlet::Inlet;
use super::listen::{self, ListenError};

/// Bytes queued between the socket and the source.
const QUEUED_BYTES: usize = 8 * 1024 * 1024;

/// Datagrams queued: small ones cost some 100 bytes beyond their content.
const QUEUED: usize = 16 * 1024;

/// What the kernel is asked to keep while this process does not run. It gives at most
/// `net.core.rmem_max`.
const KERNEL_BUFFER: usize = 4 * 1024 * 1024;

/// The largest datagram.
const LARGEST: usize = 65_535;

/// After an error of the socket.
const PAUSE: Duration = Duration::from_millis(100);

/// Datagrams that are taken from the kernel at a stop.
const LAST: usize = QUEUED;

static FAILED: Repeated = Repeated::every(Duration::from_secs(10));
static FULL: Repeated = Repeated::every(Duration::from_secs(10));

/// One datagram.
#[derive(Debug)]
pub struct Datagram {
    /// Address of its sender: an IPv4 address is one also on an IPv6 socket.
    pub from: IpAddr,
    /// At most 64 KiB.
    pub bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// A socket that is read until the shipper stops.
#[derive(Debug)]
pub struct Datagrams {
    queue: mpsc::Receiver<Datagram>,
    _receiver: JoinSet<()>,
}

impl Datagrams {
    /// Binds the address and begins to read; `None` when the shipper stopped first.
    ///
    /// # Errors
    /// The address cannot be bound, and this is no reload.
    pub async fn open(
        inlet: &Inlet,
        address: &str,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, ListenError> {
        let Some(socket) = listen::udp(inlet, address, stop).await? else { return Ok(None) };
        if let Err(error) =
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, KERNEL_BUFFER)
        {
            tracing::warn!(%error, "the receive buffer of a UDP socket keeps its size");
        }
        let job = inlet.job_name();
        let address = socket.local_addr().map_or(address.to_owned(), |at| at.to_string());
        tracing::info!(job, address, protocol = "udp", "source listening");
        Ok(Some(Self::start(socket, inlet.clone(), stop.clone())))
    }

    fn start(socket: UdpSocket, inlet: Inlet, stop: CancellationToken) -> Self {
        let (sender, queue) = mpsc::channel(QUEUED);
        let mut receiver = JoinSet::new();
        receiver.spawn(receive(socket, inlet, sender, stop));
        Self { queue, _receiver: receiver }
    }

    /// The next datagram; `None` when the shipper stops and all were taken.
    pub async fn next(&mut self) -> Option<Datagram> {
        self.queue.recv().await
    }
}

async fn receive(
    socket: UdpSocket,
    inlet: Inlet,
    queue: mpsc::Sender<Datagram>,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(QUEUED_BYTES));
    let mut buffer = vec![0; LARGEST];
    let pass_on = |bytes: &[u8], from: IpAddr| {
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let is_queued = Arc::clone(&room).try_acquire_many_owned(size).is_ok_and(|room| {
            let from = from.to_canonical();
            queue.try_send(Datagram { from, bytes: bytes.to_vec(), _room: room }).is_ok()
        });
        if !is_queued {
            inlet.metrics().udp_dropped.inc();
            if let Some(suppressed) = FULL.admit(Instant::now()) {
                let job = inlet.job_name();
                tracing::warn!(job, suppressed, "the queue is full, dropping a datagram");
            }
        }
    };
    loop {
        let received = tokio::select! {
            // With the stop first, what comes late is bounded by `LAST`.
            biased;
            () = stop.cancelled() => break,
            received = socket.recv_from(&mut buffer) => received,
        };
        match received {
            Ok((length, from)) => pass_on(&buffer[..length], from.ip()),
            Err(error) => {
                if let Some(suppressed) = FAILED.admit(Instant::now()) {
                    tracing::warn!(job = inlet.job_name(), %error, suppressed, "cannot receive");
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }
    for _ in 0..LAST {
        let Ok((length, from)) = socket.try_recv_from(&mut buffer) else { break };
        pass_on(&buffer[..length], from.ip());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::inlet;

    #[tokio::test]
    async fn what_does_not_fit_is_dropped_and_counted() {
        let (inlet, _deliveries) = inlet::for_tests(vec![]);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut datagrams = Datagrams::start(socket, inlet.clone(), stop.clone());
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let dropped = &inlet.metrics().udp_dropped;
        let content = vec![b'x'; 60_000];
        let mut sent = 0;
        while dropped.get() == 0 {
            sender.send_to(&content, address).await.unwrap();
            sent += 1;
            tokio::task::yield_now().await;
            assert!(sent < 100_000, "nothing was dropped");
        }
        stop.cancel();
        let mut queued = 0;
        while let Some(datagram) = datagrams.next().await {
            assert_eq!(datagram.from, address.ip());
            queued += datagram.bytes.len();
        }
        assert!(queued <= QUEUED_BYTES && queued > QUEUED_BYTES / 2, "{queued}");
    }

    #[tokio::test]
    async fn what_the_kernel_holds_at_the_stop_is_taken() {
        let (inlet, _deliveries) = inlet::for_tests(vec![]);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for text in ["a", "b"] {
            sender.send_to(text.as_bytes(), socket.local_addr().unwrap()).await.unwrap();
        }
        let stop = CancellationToken::new();
        stop.cancel();
        socket.readable().await.unwrap();
        let mut datagrams = Datagrams::start(socket, inlet, stop);
        assert_eq!(datagrams.next().await.unwrap().bytes, b"a");
        assert_eq!(datagrams.next().await.unwrap().bytes, b"b");
        assert!(datagrams.next().await.is_none());
    }
}
