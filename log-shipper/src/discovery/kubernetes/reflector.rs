//! Keeps a store equal to what the API server has: one list, then a watch for as long as the server
//! remembers the version.
//!
//! Failing costs nothing but time: the store keeps what it has, and it is tried for ever.

use std::sync::Arc;
use std::time::Duration;

use daemon_runtime::backoff::Backoff;
use prometheus_model::instrument::Gauge;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::api::{Api, ApiError, Event, Freshness};
use super::objects::Resource;
use super::scope::Scope;
use super::store::Store;
use crate::discovery::outage::Outage;
use crate::discovery::wake::Wake;

/// Before the second attempt.
const MIN_PAUSE: Duration = Duration::from_millis(500);

/// Between attempts, at last.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A watch that lasted so long was a success.
const GOOD_WATCH: Duration = Duration::from_secs(5);

/// Follows the objects of one scope.
#[derive(Debug)]
pub(super) struct Reflector<R: Resource> {
    api: Arc<Api>,
    scope: Scope,
    store: Store<R>,
    wake: Wake,
    outage: Outage,
    /// What the store is equal to; `None` = it must be listed.
    version: Option<String>,
    freshness: Freshness,
    backoff: Backoff,
}

impl<R: Resource> Reflector<R> {
    pub(super) fn new(
        api: Arc<Api>,
        scope: Scope,
        store: Store<R>,
        wake: Wake,
        failing: Gauge,
    ) -> Self {
        Self {
            outage: Outage::new("Kubernetes", scope.path.clone(), failing),
            api,
            scope,
            store,
            wake,
            version: None,
            freshness: Freshness::Cached,
            backoff: Backoff::new(MIN_PAUSE, MAX_PAUSE),
        }
    }

    /// Follows until `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let result = tokio::select! {
                () = stop.cancelled() => return,
                result = self.follow() => result,
            };
            let pause = self.next_pause(result);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What to do about the end of a watch.
    fn next_pause(&mut self, ended: Result<bool, ApiError>) -> Duration {
        match ended {
            Ok(true) => return Duration::ZERO,
            Ok(false) => {}
            Err(error) => {
                if error.needs_list() {
                    self.version = None;
                    self.freshness = Freshness::Stored;
                }
                // The server forgets versions as it pleases: that is no outage.
                if !matches!(error, ApiError::Gone) {
                    self.outage.failed(&error);
                }
            }
        }
        self.backoff.next_pause(fastrand::f64)
    }

    /// Lists if that is needed, then watches to the end: whether that was a good watch.
    async fn follow(&mut self) -> Result<bool, ApiError> {
        let version = match &self.version {
            Some(version) => version.clone(),
            None => self.list().await?,
        };
        let mut watch = self.api.watch(&self.scope, &version).await?;
        self.outage.over();
        let begun = Instant::now();
        while let Some(event) = watch.next::<R>().await? {
            self.backoff.reset();
            self.apply(event);
        }
        let was_good = begun.elapsed() >= GOOD_WATCH;
        if was_good {
            self.backoff.reset();
        }
        Ok(was_good)
    }

    async fn list(&mut self) -> Result<String, ApiError> {
        let (objects, version) = self.api.list::<R>(&self.scope, self.freshness).await?;
        // None at all is how a wrong name of the node shows.
        tracing::info!(
            path = self.scope.path,
            selector = self.scope.field,
            objects = objects.len(),
            "listed Kubernetes objects"
        );
        if self.store.replace(objects) {
            self.wake.ring();
        }
        self.version = Some(version.clone());
        Ok(version)
    }

    fn apply(&mut self, event: Event<R>) {
        let (version, is_news) = match event {
            Event::Set(object) => {
                (object.metadata().resource_version.clone(), self.store.set(object))
            }
            Event::Gone(object) => {
                (object.metadata().resource_version.clone(), self.store.remove(&object))
            }
            Event::Version(version) => (version, false),
        };
        if !version.is_empty() {
            self.version = Some(version);
        }
        if is_news {
            self.wake.ring();
        }
    }
}
