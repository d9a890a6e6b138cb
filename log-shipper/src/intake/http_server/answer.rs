//! When a request is answered that waits for the shipper.
//!
//! A sender that is told 503 sends again. Nothing is lost then; what a request larger than the queue
//! had passed on until then comes twice, see [`Group`](crate::intake::inlet::Group).

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

/// Time after a stop for requests that wait. Below the time that the server has to end.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// How long requests may wait.
#[derive(Debug, Clone)]
pub struct Patience {
    time: Option<Duration>,
    stop: CancellationToken,
}

impl Patience {
    /// `time` for each request; none has more than a second after `stop`.
    pub fn new(time: Option<Duration>, stop: CancellationToken) -> Self {
        Self { time, stop }
    }

    /// The answer that `work` gives, or 503 when it takes too long.
    pub async fn answer(&self, work: impl Future<Output = Response>) -> Response {
        let too_long = async {
            match self.time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let stopping = async {
            self.stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            biased;
            answer = work => answer,
            () = stopping => unavailable("the shipper is stopping\n"),
            () = too_long => unavailable("the shipper is busy, try again\n"),
        }
    }
}

/// 503 with a reason.
pub fn unavailable(reason: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}

/// What `/ready` says.
pub async fn ready() -> &'static str {
    "ready"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_waits_is_told_to_come_again() {
        let stop = CancellationToken::new();
        let started = tokio::time::Instant::now();
        let patience = Patience::new(Some(Duration::from_secs(9)), stop.clone());
        let answer = patience.answer(std::future::pending()).await;
        assert_eq!((answer.status().as_u16(), started.elapsed().as_secs()), (503, 9));
        stop.cancel();
        let answer = patience.answer(std::future::pending()).await;
        assert_eq!((answer.status().as_u16(), started.elapsed().as_secs()), (503, 10));
        let answer = patience.answer(async { StatusCode::NO_CONTENT.into_response() }).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
}
