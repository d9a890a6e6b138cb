//! What a server makes of a TCP connection, and how long a peer may let it wait.
//!
//! A request that is being handled is never timed here: reading its body, and answering it, is up
//! to the handler.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::serve::ServeLimits;

/// Turns a connection into what HTTP is spoken over.
pub trait Transport: Clone + Send + Sync + 'static {
    /// Carries requests and answers.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Does what is to be done before the first request, within [`ServeLimits::header`].
    fn open(&self, stream: TcpStream) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// HTTP over the connection as it is.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Transport for Plain {
    type Stream = TcpStream;

    async fn open(&self, stream: TcpStream) -> io::Result<TcpStream> {
        Ok(stream)
    }
}

const IDLE: u8 = 0;
const HEADER: u8 = 1;
const REQUEST: u8 = 2;

/// What a connection is waiting for; shared by its stream and its service.
#[derive(Debug, Clone, Default)]
pub(super) struct Phase(Arc<AtomicU8>);

impl Phase {
    pub(super) fn request_begins(&self) {
        self.0.store(REQUEST, Ordering::Relaxed);
    }

    pub(super) fn request_ends(&self) {
        self.0.store(IDLE, Ordering::Relaxed);
    }
}

/// A timer that is armed by the first wait and taken down by progress.
#[derive(Debug, Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// An error once `limit` has passed since the first wait.
    fn wait(&mut self, context: &mut Context<'_>, limit: Option<Duration>) -> io::Result<()> {
        let Some(limit) = limit else { return Ok(()) };
        let now = Instant::now();
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(now + limit)));
        match sleep.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    fn reset(&mut self) {
        self.0 = None;
    }
}

/// A stream that fails when its peer lets it wait for too long.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    phase: Phase,
    limits: ServeLimits,
    /// The phase that `reading` was armed in.
    seen: u8,
    reading: Alarm,
    writing: Alarm,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, phase: Phase, limits: ServeLimits) -> Self {
        let (reading, writing) = (Alarm::default(), Alarm::default());
        Self { stream, phase, limits, seen: IDLE, reading, writing }
    }

    fn pace<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() {
            self.writing.wait(context, self.limits.write)?;
        } else {
            self.writing.reset();
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let mut phase = this.phase.0.load(Ordering::Relaxed);
        if buffer.filled().len() > before && phase == IDLE {
            phase = HEADER;
            this.phase.0.store(HEADER, Ordering::Relaxed);
        }
        if phase != this.seen {
            this.seen = phase;
            this.reading.reset();
        }
        match phase {
            REQUEST => this.reading.reset(),
            // bytes of a header do not give it more time
            HEADER => this.reading.wait(context, this.limits.header)?,
            _ if read.is_pending() => this.reading.wait(context, this.limits.idle)?,
            _ => {}
        }
        ready!(read)?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.pace(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.pace(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.pace(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.pace(context, closed)
    }
}
