//! Takes pushes, or does what was ordered for them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::{Close, bad_request, header_text, tenant};
use crate::loki::decode;
use crate::loki::faults::{Answer, Fault};
use crate::loki::store::Request;
use crate::loki::{Shared, limits};

/// Largest request, compressed.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Refused entries that an answer names.
const REFUSALS_NAMED: usize = 10;

/// How a request ends.
enum End {
    Answer(Response),
    Close,
    Silence,
}

pub(super) async fn push(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (early, fault) = shared.change(|state| state.next_fault(tenant(&headers))).split_early();
    let mut request = describe(&uri, &headers);
    let end = match ordered(early) {
        Some(end) => end,
        None => match to_bytes(body, MAX_BODY).await {
            Ok(body) => {
                request.body_bytes = body.len();
                take(&shared, &headers, &body, fault, &mut request)
            }
            Err(error) => {
                End::Answer((StatusCode::PAYLOAD_TOO_LARGE, format!("{error}\n")).into_response())
            }
        },
    };
    if let End::Answer(answer) = &end {
        request.status = Some(answer.status().as_u16());
    }
    shared.change(|state| state.ended(request));
    match end {
        End::Answer(answer) => answer,
        End::Close => {
            let mut answer = StatusCode::INTERNAL_SERVER_ERROR.into_response();
            answer.extensions_mut().insert(Close);
            answer
        }
        End::Silence => std::future::pending().await,
    }
}

fn describe(uri: &Uri, headers: &HeaderMap) -> Request {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Request {
        tenant: tenant(headers).map(str::to_owned),
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        query: uri.query().unwrap_or_default().to_owned(),
        ..Request::default()
    }
}

/// What is done after the body was read.
fn take(
    shared: &Shared,
    headers: &HeaderMap,
    body: &Bytes,
    fault: Fault,
    request: &mut Request,
) -> End {
    let (stores, fault) = match fault {
        Fault::None => (true, Fault::None),
        Fault::Stored(fault) => (true, *fault),
        fault => (false, fault),
    };
    let stored = stores.then(|| store(shared, headers, body, request));
    match (ordered(fault), stored) {
        (Some(end), _) => end,
        (None, Some(answer)) => End::Answer(answer),
        (None, None) => End::Answer(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Stores the entries; the answer that Loki gives.
fn store(shared: &Shared, headers: &HeaderMap, body: &Bytes, request: &mut Request) -> Response {
    let header = |name| header_text(headers, name).unwrap_or_default();
    // decoded before the state is locked: nobody waits for that
    let body = decode::Body::decompress(header("content-type"), header("content-encoding"), body);
    let streams = body.as_ref().map_err(Clone::clone).and_then(decode::Body::streams);
    match streams {
        Ok(streams) => {
            let (entries, refusals) =
                shared.change(|state| state.store(tenant(headers), streams, now_ns()));
            request.entries = entries;
            answer(&refusals)
        }
        Err(why) => {
            shared.change(|state| state.not_understood(why.to_string()));
            bad_request(&why.to_string())
        }
    }
}

fn answer(refusals: &[limits::Refusal]) -> Response {
    if refusals.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let named = refusals.iter().take(REFUSALS_NAMED).map(|refusal| refusal.message.as_str());
    let mut lines: Vec<&str> = named.collect();
    let rest = format!("and {} more", refusals.len() - lines.len());
    if refusals.len() > lines.len() {
        lines.push(&rest);
    }
    bad_request(&lines.join("\n"))
}

/// What an order says; `None` where it says nothing.
fn ordered(fault: Fault) -> Option<End> {
    match fault {
        Fault::None => None,
        Fault::Status(status, retry_after) => {
            let retry_after =
                retry_after.map(|seconds| ("Retry-After".to_owned(), seconds.to_string()));
            let body = "ordered answer\n".to_owned();
            ordered(Fault::Answer(Answer {
                status,
                body,
                headers: retry_after.into_iter().collect(),
            }))
        }
        Fault::Answer(Answer { status, body, headers }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut answer = (status, body).into_response();
            for (name, value) in headers {
                if let (Ok(name), Ok(value)) =
                    (HeaderName::try_from(name), HeaderValue::try_from(value))
                {
                    answer.headers_mut().insert(name, value);
                }
            }
            Some(End::Answer(answer))
        }
        Fault::Close => Some(End::Close),
        Fault::Silence => Some(End::Silence),
        Fault::Stored(fault) | Fault::Early(fault) => ordered(*fault),
    }
}

fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}
