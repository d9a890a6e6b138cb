//! One connection: requests one after another, each held as long as its index and wait say.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Shared;
use super::state::{Request, State};

/// What a real one waits where a query does not say.
const DEFAULT_WAIT: Duration = Duration::from_mins(5);

/// Answers until the peer or the drop closes the connection.
pub(super) fn converse(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    while let Some(request) = read_head(&mut reader)? {
        shared.change(|state| state.requests.push(request.clone()));
        hold(shared, &request);
        let (status, index, body) = {
            let state = shared.state();
            if state.is_over {
                return Ok(());
            }
            let (status, body) = state.answer(&request);
            (status, state.index, body)
        };
        write!(
            out,
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n\
             X-Consul-Index: {index}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

/// Until something is new to the query, its time is over, or nothing can be answered any more.
fn hold(shared: &Shared, request: &Request) {
    let Some(index) = request.value("index").and_then(|text| text.parse::<u64>().ok()) else {
        return;
    };
    let wait = request.value("wait").and_then(|text| text.strip_suffix("ms"));
    let wait = wait.and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let end = Instant::now() + wait.unwrap_or(DEFAULT_WAIT);
    let is_held = |state: &State| state.index == index && !state.is_over && state.fault.is_none();
    let mut state = shared.state();
    while is_held(&state) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let waited = shared.changed.wait_timeout(state, left);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// A request without a body; `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let url = url::Url::parse("http://server")
        .and_then(|base| base.join(target))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let mut request = Request {
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        token: None,
    };
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(Some(request)) };
        if name.eq_ignore_ascii_case("x-consul-token") {
            request.token = Some(value.trim().to_owned());
        }
    }
}
