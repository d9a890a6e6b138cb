//! The pages over HTTP.
//!
//! | endpoint | answer |
//! | --- | --- |
//! | `GET /metrics` | the configured namings, then the process' own metrics |
//! | `GET /metrics?naming=native,dcgm` | these of the five namings, then the process' own metrics |
//! | `GET /metrics/native` | native names alone |
//! | `GET /metrics/dcgm` | DCGM's names alone |
//! | `GET /` | links |
//!
//! To be merged with the routes of an ops server that was built `without_metrics`: `/metrics` is
//! here, and all pages share one limit of scrapes. Pages are not compressed, as those of the ops
//! server are not: that would cost more CPU than making them, on a machine that has other work.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use instrumentation::ops_server::Scrapes;
use prometheus_model::exposition::{Collect, Writer};

use super::page::Pages;
use crate::attribute::owner::Allocations;
use crate::config::Naming;
use crate::sample::snapshot::Snapshot;

/// Where pages come from. Neither call may wait for the driver or the kubelet.
pub trait Source: Send + Sync {
    /// What was last sampled.
    fn snapshot(&self) -> Snapshot;
    /// What the kubelet last said. The same `Arc` for as long as nothing has changed: labels are
    /// made again for a new one.
    fn allocations(&self) -> Arc<Allocations>;
}

/// The routes, before they are a router.
#[derive(Clone)]
pub struct Endpoints {
    pages: Arc<Pages>,
    source: Arc<dyn Source>,
    naming: Arc<[Naming]>,
    own: Vec<Arc<dyn Collect + Send + Sync>>,
    scrapes: Scrapes,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").field("naming", &self.naming).finish_non_exhaustive()
    }
}

impl Endpoints {
    /// Pages from a source; `naming` is what `/metrics` shows unless it is asked for something else.
    pub fn new(pages: Arc<Pages>, source: Arc<dyn Source>, naming: &[Naming]) -> Self {
        let own = Vec::new();
        Self { pages, source, naming: naming.into(), own, scrapes: Scrapes::default() }
    }

    /// Adds metrics of the process, which `/metrics` has after those of GPUs.
    #[must_use]
    pub fn own_metrics(mut self, metrics: impl Collect + Send + Sync + 'static) -> Self {
        self.own.push(Arc::new(metrics));
        self
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(index))
            .route("/metrics", get(all))
            .route("/metrics/native", get(native))
            .route("/metrics/dcgm", get(dcgm))
            .with_state(self)
    }

    async fn answer(self, headers: HeaderMap, naming: Arc<[Naming]>, with_own: bool) -> Response {
        let Self { pages, source, own, scrapes, .. } = self;
        let write = move |writer: &mut Writer| {
            let (snapshot, allocations) = (source.snapshot(), source.allocations());
            pages.write(writer, &naming, &snapshot, &allocations);
            if with_own {
                pages.write_own(writer, &naming, &snapshot, &allocations);
                for metrics in own {
                    metrics.collect(writer);
                }
            }
        };
        scrapes.answer(&headers, write).await
    }
}

async fn all(
    State(endpoints): State<Endpoints>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let asked = parameters.iter().filter(|(name, _)| name == "naming");
    let mut naming = Vec::new();
    for name in asked.clone().flat_map(|(_, value)| value.split(',')) {
        let Some(one) = Naming::named(name.trim()) else {
            let accepted = Naming::ACCEPTED;
            let why = format!("naming `{name}` is not known: accepted are {accepted}\n");
            return (StatusCode::BAD_REQUEST, why).into_response();
        };
        naming.push(one);
    }
    let naming = if asked.count() == 0 { Arc::clone(&endpoints.naming) } else { naming.into() };
    endpoints.answer(headers, naming, true).await
}

async fn native(State(endpoints): State<Endpoints>, headers: HeaderMap) -> Response {
    endpoints.answer(headers, [Naming::Native].into(), false).await
}

async fn dcgm(State(endpoints): State<Endpoints>, headers: HeaderMap) -> Response {
    endpoints.answer(headers, [Naming::Dcgm].into(), false).await
}

async fn index() -> Html<&'static str> {
    Html(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>gpu-exporter</title></head>\
         <body><h1>gpu-exporter</h1><ul>\
         <li><a href=\"metrics\">metrics</a>: <a href=\"metrics/native\">native names</a>, \
         <a href=\"metrics/dcgm\">DCGM's names</a></li>\
         <li><a href=\"-/healthy\">healthy</a></li><li><a href=\"-/ready\">ready</a></li>\
         </ul></body></html>",
    )
}

#[cfg(test)]
mod tests;
