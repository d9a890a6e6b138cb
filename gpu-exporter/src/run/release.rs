//! `POST /-/release?for=2m`: lets go of the driver, so that a GPU can be reset or MIG be switched.
//!
//! Only for peers on this machine: who lets go of the driver ends the metrics of the node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use daemon_runtime::durations::GoDuration;

use crate::sample::control::Control;

/// Where nothing else is asked for.
const DEFAULT: Duration = Duration::from_mins(2);

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
    control.release(time);
    (StatusCode::ACCEPTED, format!("NVML is shut down for {} s\n", time.as_secs()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::sample::control::Wishes;

    async fn answer(peer: &str, query: &str) -> (u16, Wishes) {
        let control = Arc::new(Control::default());
        let mut request = Request::post(format!("/-/release{query}")).body(Body::empty()).unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let service = TowerToHyperService::new(routes(Arc::clone(&control)));
        let answer = hyper::service::Service::call(&service, request).await.unwrap();
        (answer.status().as_u16(), control.take())
    }

    #[tokio::test]
    async fn only_this_machine_lets_go_of_the_driver_for_as_long_as_it_says() {
        let released = |secs| Wishes { release: Some(Duration::from_secs(secs)), rescan: false };
        assert_eq!(answer("127.0.0.1:5", "?for=30s").await, (202, released(30)));
        assert_eq!(answer("[::ffff:127.0.0.1]:5", "").await, (202, released(120)));
        assert_eq!(answer("10.0.0.7:5", "?for=30s").await, (403, Wishes::default()));
        assert_eq!(answer("127.0.0.1:5", "?for=soon").await, (400, Wishes::default()));
    }
}
