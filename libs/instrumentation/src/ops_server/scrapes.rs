//! Answers scrapes: negotiates the format, bounds how many pages exist at a time.
//!
//! Pages are made on blocking threads, so that a long one does not hold up the other endpoints.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_model::exposition::{Format, Writer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Scrapes that are answered at the same time; each holds one page in memory. Others wait.
pub(super) const IN_FLIGHT: usize = 4;

/// Answers scrapes, four at a time. Clones share that limit.
///
/// For a service that has pages of metrics besides `/metrics`:
///
/// ```
/// use axum::Router;
/// use axum::http::HeaderMap;
/// use axum::routing::get;
/// use instrumentation::ops_server::Scrapes;
/// use instrumentation::process_metrics::ProcessMetrics;
/// use prometheus_model::exposition::Collect;
///
/// let scrapes = Scrapes::default();
/// let page = move |headers: HeaderMap| async move {
///     scrapes.answer(&headers, |writer| ProcessMetrics.collect(writer)).await
/// };
/// let router: Router = Router::new().route("/metrics/process", get(page));
/// ```
#[derive(Debug, Clone)]
pub struct Scrapes {
    permits: Arc<Semaphore>,
}

impl Default for Scrapes {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(IN_FLIGHT)) }
    }
}

impl Scrapes {
    /// The page that `write` makes, in the format that the request's headers prefer.
    pub async fn answer(
        &self,
        headers: &HeaderMap,
        write: impl FnOnce(&mut Writer) + Send + 'static,
    ) -> Response {
        let format = Format::negotiate(accept(headers).as_deref());
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let page = tokio::task::spawn_blocking(move || {
            let mut writer = Writer::new(format);
            write(&mut writer);
            writer.finish()
        });
        match page.await {
            Ok(page) => {
                let page = Bytes::from_owner(Page { text: page, _permit: permit.ok() });
                ([(header::CONTENT_TYPE, format.content_type())], page).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "collecting metrics failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "a collector failed\n").into_response()
            }
        }
    }
}

/// A page, which holds its permit until its last byte is sent or its peer is gone.
struct Page {
    text: Vec<u8>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// All `Accept` headers as one, as HTTP lets a client split the list.
fn accept(headers: &HeaderMap) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}
