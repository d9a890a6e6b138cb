//! What sources that are HTTP servers do alike: start and stop, the limits that requests are held
//! to, and the way of a request's messages into the queue.
//!
//! What a request unpacks to is held until its messages are queued, and counts against the budget
//! until then.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::HttpServer;
use super::answer::{Patience, ready};
use super::body::{BodyError, Budget, Held, Packing};
use crate::intake::inlet::Inlet;
use crate::intake::listen::ListenError;

/// What all requests of a source share; `O` is what the source is configured to do.
#[derive(Debug)]
pub struct Reception<O> {
    /// Into the shipper.
    pub inlet: Inlet,
    /// Of the source.
    pub options: O,
    /// Bounds what requests hold together.
    pub budget: Budget,
    server: HttpServer,
    patience: Patience,
}

impl<O: Send + Sync + 'static> Reception<O> {
    /// Serves a source until `stop` is cancelled: its own `routes`, and `/ready`. A request has at
    /// most `limit` bytes, packed or unpacked, as have all of them together.
    ///
    /// # Errors
    /// The address cannot be bound, and this is no reload.
    pub async fn serve(
        server: HttpServer,
        options: O,
        limit: usize,
        routes: Router<Arc<Self>>,
        inlet: Inlet,
        stop: CancellationToken,
    ) -> Result<(), ListenError> {
        let reception = Self {
            inlet: inlet.clone(),
            options,
            budget: Budget::new(limit),
            server: server.clone(),
            patience: server.patience(stop.clone()),
        };
        let router = routes.route("/ready", get(ready)).with_state(Arc::new(reception));
        server.run(inlet, router, stop).await
    }

    /// The answer that `work` gives, or 503 when it takes too long.
    pub async fn answer(&self, work: impl Future<Output = Response>) -> Response {
        self.patience.answer(work).await
    }

    /// Reads a body; how it is packed is known before any of it is read.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Packing, (Vec<u8>, Held)), BodyError> {
        let packing = Packing::of(headers)?;
        Ok((packing, self.budget.read(body, self.server.read_timeout()).await?))
    }

    /// Reads and unpacks a body. What is made of it is `factor` times as large at most, itself
    /// included.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn text(
        &self,
        headers: &HeaderMap,
        body: Body,
        factor: usize,
    ) -> Result<(Vec<u8>, Held), BodyError> {
        let (packing, body) = self.read(headers, body).await?;
        self.budget.unpack(body, packing, factor, Ok).await
    }
}
