//! `POST /-/release?for=2m`: lets go of the driver, so that a GPU can be reset or MIG be switched.
//!
//! Only for peers on this machine: who lets go of the driver ends the metrics of the node. The answer
//! waits for the outcome: who resets a GPU after a 200 finds it without a client in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use daemon_runtime::durations::GoDuration;

use crate::sample::control::{Control, Released};

/// Where nothing else is asked for.
const DEFAULT: Duration = Duration::from_mins(2);

/// Threads and NVML have 2.5 s to end. A scan of a node with slow GPUs may come before.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) fn routes(control: Arc<Control>) -> Router {
    Router::new().route("/-/release", post(release)).with_state(control)
}

async fn release(
    State(control): State<Arc<Control>>,
    Query(parameters): Query<Vec<(String, String)>>,
    request: Request,
) -> (StatusCode, String) {
    let peer = request.extensions().get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| *peer);
    if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        let why = "the driver is let go of from this machine only, for example by kubectl exec\n";
        return (StatusCode::FORBIDDEN, why.to_owned());
    }
    let asked = parameters.iter().find(|(name, _)| name == "for").map(|(_, value)| value);
    let time = match asked.map(|text| text.parse::<GoDuration>()) {
        None => DEFAULT,
        Some(Ok(time)) => Duration::from(time),
        Some(Err(error)) => return (StatusCode::BAD_REQUEST, format!("for: {error}\n")),
    };
    let outcome = tokio::time::timeout(PATIENCE, control.release(time)).await;
    let seconds = time.as_secs();
    match outcome {
        Ok(Ok(Released::ShutDown)) => (StatusCode::OK, format!("NVML is shut down for {seconds} s\n")),
        Ok(Ok(Released::StillOpen)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "nothing is read for {seconds} s, but a call of the driver does not come back: NVML \
                 is still open, and is shut down when the call does, or with this process\n"
            ),
        ),
        Ok(Err(_)) | Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "NVML is still open: its start, or a look for GPUs, does not come back; it is let go of \
             when that does, or with this process\n"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::body::Body;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::sample::control::Wishes;

    async fn answer(peer: &str, query: &str, outcome: Option<Released>) -> (u16, Wishes) {
        let control = Arc::new(Control::default());
        let (sampler, seen) = (Arc::clone(&control), Arc::new(Mutex::new(Wishes::default())));
        let taken = Arc::clone(&seen);
        let sampler = tokio::spawn(async move {
            sampler.woken().await;
            *taken.lock().unwrap() = sampler.take();
            match outcome {
                Some(outcome) => sampler.released(outcome),
                None => std::future::pending().await,
            }
        });
        let mut request = Request::post(format!("/-/release{query}")).body(Body::empty()).unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let service = TowerToHyperService::new(routes(Arc::clone(&control)));
        let answer = hyper::service::Service::call(&service, request).await.unwrap();
        sampler.abort();
        let seen = *seen.lock().unwrap();
        (answer.status().as_u16(), seen)
    }

    fn released(seconds: u64) -> Wishes {
        Wishes { release: Some(Duration::from_secs(seconds)), rescan: false }
    }

    #[tokio::test]
    async fn only_this_machine_lets_go_of_the_driver_for_as_long_as_it_says() {
        let done = Some(Released::ShutDown);
        assert_eq!(answer("127.0.0.1:5", "?for=30s", done).await, (200, released(30)));
        assert_eq!(answer("[::ffff:127.0.0.1]:5", "", done).await, (200, released(120)));
        assert_eq!(answer("10.0.0.7:5", "?for=30s", done).await, (403, Wishes::default()));
        assert_eq!(answer("127.0.0.1:5", "?for=soon", done).await, (400, Wishes::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_driver_that_is_still_open_is_not_said_to_be_released() {
        let hung = Some(Released::StillOpen);
        assert_eq!(answer("127.0.0.1:5", "", hung).await, (503, released(120)));
        assert_eq!(answer("127.0.0.1:5", "", None).await, (503, released(120)));
    }
}
