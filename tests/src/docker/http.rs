//! One connection: requests one after another, a log or events as chunks until something ends them.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::PoisonError;

use super::Shared;
use super::state::{Answer, State};

/// Answers until the peer or the end of serving closes the connection.
pub(super) fn converse(shared: &Shared, stream: &UnixStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    while let Some((path, query)) = read_head(&mut reader)? {
        let answer = shared.change(|state| state.answer(&path, &query));
        match answer {
            Answer::Json(status, body) => {
                let body = body.to_string();
                write!(
                    out,
                    "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                )?;
            }
            Answer::Events => {
                let since = query.get("since").and_then(|text| text.parse().ok());
                let filters = query.get("filters").map_or("{}", String::as_str);
                let filters: BTreeMap<String, Vec<String>> =
                    serde_json::from_str(filters).unwrap_or_default();
                let actions = filters.get("event").cloned().unwrap_or_default();
                send_chunks(shared, out, |state, next| {
                    let (lines, next) = state.events(next, since.unwrap_or(i64::MAX), &actions);
                    (lines, next, false)
                })?;
            }
            Answer::Log(wanted) => {
                send_chunks(shared, out, |state, next| state.log(&wanted, next))?;
            }
        }
    }
    Ok(())
}

/// Sends what `more` has from a place on, until it says that there will be no more.
fn send_chunks(
    shared: &Shared,
    mut out: &UnixStream,
    more: impl Fn(&State, usize) -> (Vec<u8>, usize, bool),
) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let mut next = 0;
    let mut state = shared.state();
    loop {
        if state.is_down {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let (bytes, reached, is_over) = more(&state, next);
        next = reached;
        if bytes.is_empty() && !is_over {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        drop(state);
        if !bytes.is_empty() {
            write!(out, "{:x}\r\n", bytes.len())?;
            out.write_all(&bytes)?;
            out.write_all(b"\r\n")?;
        }
        if is_over {
            return out.write_all(b"0\r\n\r\n");
        }
        state = shared.state();
    }
}

type Head = (String, BTreeMap<String, String>);

/// Path and query of a request without a body; `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let url = url::Url::parse("http://engine")
        .and_then(|base| base.join(target))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let head = (url.path().to_owned(), url.query_pairs().into_owned().collect());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim_end().is_empty() {
            return Ok(Some(head));
        }
    }
}
