//! The HTTP endpoints a service is operated by.
//!
//! | endpoint | answer |
//! | --- | --- |
//! | `GET /metrics` | the collectors' metrics, as `OpenMetrics` or text by `Accept` |
//! | `GET /-/healthy` | 200 while the process can answer and every liveness check passes, else 503 |
//! | `GET /-/ready` | 200 once every latch is released, else 503 and what is awaited |
//! | `GET /-/log-level` | the level in force, for example `info` |
//! | `PUT /-/log-level` | puts the level in the body in force; from this machine only |
//!
//! [`OpsServer::router`](OpsServerBuilder::router) makes a plain axum router, so a daemon can merge
//! routes of its own; [`serve`] runs it with the limits that make it safe to leave open to a
//! cluster. A router run by another server answers every `PUT` with 403 unless
//! that server adds `ConnectInfo<SocketAddr>` to requests.

mod log_level;
mod readiness;
mod scrapes;
mod serve;
mod transport;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_model::exposition::{Collect, Writer};

pub use readiness::{Latch, Readiness};
pub use scrapes::Scrapes;
pub use serve::{ServeLimits, serve, serve_with};
pub use transport::{Plain, Transport};

use crate::json_log::LogControl;

type Collector = Arc<dyn Collect + Send + Sync>;
type LivenessCheck = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The endpoints of a service. See [`OpsServer::builder`].
#[derive(Debug)]
pub struct OpsServer;

impl OpsServer {
    /// Starts with nothing to show: healthy, ready, no metrics.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use instrumentation::build_info::BuildInfo;
    /// use instrumentation::ops_server::{OpsServer, Readiness};
    /// use instrumentation::process_metrics::ProcessMetrics;
    ///
    /// let readiness = Readiness::default();
    /// let router: Router = OpsServer::builder()
    ///     .collector(ProcessMetrics)
    ///     .collector(BuildInfo::new("ml_inference").label("version", "2.1"))
    ///     .readiness(readiness)
    ///     .liveness("model", || Ok(()))
    ///     .router()
    ///     .merge(Router::new().route("/config", get(|| async { "none" })));
    /// ```
    pub fn builder() -> OpsServerBuilder {
        OpsServerBuilder::default()
    }
}

/// What the endpoints show.
#[derive(Default)]
pub struct OpsServerBuilder {
    collectors: Vec<Collector>,
    readiness: Readiness,
    liveness: Vec<(String, LivenessCheck)>,
    log: Option<LogControl>,
    allow_remote_log_level: bool,
    without_metrics: bool,
}

impl OpsServerBuilder {
    /// Adds metrics to `/metrics`, after those added before.
    ///
    /// Collectors run on a blocking thread, one scrape after the other in it.
    #[must_use]
    pub fn collector(mut self, collector: impl Collect + Send + Sync + 'static) -> Self {
        self.collectors.push(Arc::new(collector));
        self
    }

    /// Adds metrics that others hold as well.
    #[must_use]
    pub fn shared_collector(mut self, collector: Arc<dyn Collect + Send + Sync>) -> Self {
        self.collectors.push(collector);
        self
    }

    /// What `/-/ready` answers by. Default: ready.
    #[must_use]
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Adds a check to `/-/healthy`. An error, told in the answer, means that only a restart
    /// helps; whatever may pass by itself belongs into readiness.
    ///
    /// The check runs on the async runtime and must not block.
    #[must_use]
    pub fn liveness(
        mut self,
        name: &str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.liveness.push((name.to_owned(), Box::new(check)));
        self
    }

    /// Offers `/-/log-level`, and the count of lost log lines in `/metrics`.
    #[must_use]
    pub fn log_control(mut self, log: LogControl) -> Self {
        self.log = Some(log);
        self
    }

    /// Lets every peer set the log level. Default: only peers on this machine.
    ///
    /// A proxy beside the service makes every peer look as if it were on this machine.
    #[must_use]
    pub fn allow_remote_log_level(mut self, allow: bool) -> Self {
        self.allow_remote_log_level = allow;
        self
    }

    /// Leaves `/metrics` out. Default: it is offered.
    #[must_use]
    pub fn without_metrics(mut self, without: bool) -> Self {
        self.without_metrics = without;
        self
    }

    /// The routes, for [`serve`]. [`Router::nest`] puts them under a path prefix.
    pub fn router(self) -> Router {
        let mut collectors = self.collectors;
        let mut router = Router::new();
        if let Some(log) = self.log {
            collectors.push(Arc::new(log.clone()));
            router = router.merge(log_level::routes(log, self.allow_remote_log_level));
        }
        let metrics = Metrics { collectors: collectors.into(), scrapes: Scrapes::default() };
        let liveness: Arc<[_]> = self.liveness.into();
        if !self.without_metrics {
            router = router.route("/metrics", get(scrape).with_state(metrics));
        }
        router
            .route("/-/healthy", get(healthy).with_state(liveness))
            .route("/-/ready", get(ready).with_state(self.readiness))
    }
}

impl fmt::Debug for OpsServerBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<_> = self.liveness.iter().map(|(name, _)| name).collect();
        out.debug_struct("OpsServerBuilder")
            .field("collectors", &self.collectors.len())
            .field("readiness", &self.readiness)
            .field("liveness", &checks)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Metrics {
    collectors: Arc<[Collector]>,
    scrapes: Scrapes,
}

async fn scrape(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    let Metrics { collectors, scrapes } = metrics;
    let write = move |writer: &mut Writer| {
        for collector in &*collectors {
            collector.collect(writer);
        }
    };
    scrapes.answer(&headers, write).await
}

async fn healthy(State(checks): State<Arc<[(String, LivenessCheck)]>>) -> Response {
    let failures: String = checks
        .iter()
        .filter_map(|(name, check)| check().err().map(|reason| format!("{name}: {reason}\n")))
        .collect();
    if failures.is_empty() {
        "healthy\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, failures).into_response()
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.obstacle() {
        None => "ready\n".into_response(),
        Some(obstacle) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {obstacle}\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
