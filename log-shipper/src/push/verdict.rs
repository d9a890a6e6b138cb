//! Why a push failed, and what that means for its batch.

use std::time::Duration;

use reqwest::StatusCode;

use crate::http_client::SendError;

/// One failed push of one batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// No answer: name resolution, connection, TLS, or the time limit.
    #[error("no answer from {host}")]
    NoAnswer {
        /// Host and port only: a URL may hold credentials.
        host: String,
        /// Without its URL, for the same reason.
        #[source]
        cause: reqwest::Error,
    },
    /// Nothing was sent: no token, or credentials that no header may have; both may be mended.
    #[error("nothing was sent to {host}")]
    NotSent {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        cause: SendError,
    },
    /// A tenant with characters that no header may have: it came from a line, so another attempt
    /// would end alike.
    #[error("the tenant {tenant:?} has characters that no header may have")]
    InvalidTenant {
        /// The tenant.
        tenant: String,
    },
    /// Any status that is not a success.
    #[error("{host} answered {status}: {reason}")]
    Refused {
        /// Host and port.
        host: String,
        /// The status.
        status: StatusCode,
        /// First line of the answer's body.
        reason: String,
        /// What the answer asked for.
        retry_after: Option<Duration>,
    },
}

/// What a failed push means for its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same bytes may succeed later, not before this time has passed.
    Retry {
        /// From `Retry-After`; zero where the answer had none.
        at_least: Duration,
    },
    /// The same bytes will be refused again.
    GiveUp,
}

impl PushError {
    /// What becomes of the batch.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Refused { status, retry_after, .. }
                if *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() =>
            {
                Verdict::Retry { at_least: retry_after.unwrap_or_default() }
            }
            Self::Refused { .. } | Self::InvalidTenant { .. } => Verdict::GiveUp,
            Self::NoAnswer { .. } | Self::NotSent { .. } => {
                Verdict::Retry { at_least: Duration::ZERO }
            }
        }
    }

    /// Whether the tenant is over its limit.
    pub fn is_rate_limited(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::TOO_MANY_REQUESTS)
    }

    /// The status for metrics: `-1` where there was no answer, as in Promtail.
    pub fn status_code(&self) -> String {
        match self {
            Self::Refused { status, .. } => status.as_u16().to_string(),
            Self::NoAnswer { .. } | Self::NotSent { .. } | Self::InvalidTenant { .. } => {
                "-1".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<Duration>) -> PushError {
        let status = StatusCode::from_u16(status).unwrap();
        PushError::Refused {
            host: "loki:3100".to_owned(),
            status,
            reason: String::new(),
            retry_after,
        }
    }

    #[test]
    fn server_errors_and_rate_limits_are_tried_again_and_other_refusals_are_final() {
        for status in [429, 500, 502, 503, 504] {
            let verdict = refused(status, None).verdict();
            assert_eq!(verdict, Verdict::Retry { at_least: Duration::ZERO }, "{status}");
        }
        for status in [301, 400, 401, 403, 404, 413, 422] {
            assert_eq!(refused(status, None).verdict(), Verdict::GiveUp, "{status}");
        }
    }

    #[test]
    fn an_answer_may_ask_for_time() {
        let wait = Duration::from_secs(7);
        assert_eq!(refused(429, Some(wait)).verdict(), Verdict::Retry { at_least: wait });
        assert!(refused(429, None).is_rate_limited());
        assert!(!refused(503, None).is_rate_limited());
    }
}
