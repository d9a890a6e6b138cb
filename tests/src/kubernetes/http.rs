//! One connection: requests one after another, a watch as chunks until something ends it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Shared;
use super::state::{Answer, Wanted};

/// A longer body is no test's.
const MAX_BODY: usize = 1 << 20;

struct Head {
    method: String,
    /// As long as the head says.
    body: Vec<u8>,
    path: String,
    query: BTreeMap<String, String>,
    token: Option<String>,
    /// The peer asks in HTTP/1.0: the answer ends with the connection.
    is_last: bool,
}

/// Answers until the peer or a stop closes the connection.
pub(super) fn converse(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    while let Some(head) = read_head(&mut reader)? {
        let answer = shared.change(|state| {
            let token = head.token.as_deref();
            state.answer((&head.method, &head.body), &head.path, head.query.clone(), token)
        });
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
            Answer::ForgottenWatch => {
                begin_chunks(out)?;
                let status = json!({"kind": "Status", "code": 410, "message": "too old"});
                chunk(out, &json!({"type": "ERROR", "object": status}))?;
                end_chunks(out)?;
            }
            Answer::Watch { version, bookmarks, ended } => {
                watch(shared, &head, version, (bookmarks, ended), out)?;
            }
        }
        if head.is_last {
            return Ok(());
        }
    }
    Ok(())
}

/// `seen` counts the bookmarks and ends that came before the watch.
fn watch(
    shared: &Shared,
    head: &Head,
    mut version: u64,
    seen: (u64, u64),
    out: &TcpStream,
) -> io::Result<()> {
    let wanted = Wanted::new(&head.path, &head.query).ok_or(io::ErrorKind::InvalidInput)?;
    let seconds = head.query.get("timeoutSeconds").and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(60));
    begin_chunks(out)?;
    let mut state = shared.state();
    let (mut bookmarks, ended) = seen;
    loop {
        if state.is_down {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let (events, reached) = state.events(&wanted, version);
        version = reached;
        let has_bookmark = std::mem::replace(&mut bookmarks, state.bookmarks) != state.bookmarks;
        let is_over = state.ended_watches != ended || Instant::now() >= end;
        drop(state);
        for event in &events {
            chunk(out, event)?;
        }
        if has_bookmark {
            let metadata = json!({"resourceVersion": version.to_string()});
            chunk(out, &json!({"type": "BOOKMARK", "object": {"metadata": metadata}}))?;
        }
        if is_over {
            return end_chunks(out);
        }
        state = shared.state();
        // what came while the lock was free is sent at once
        if state.events(&wanted, version).1 == version
            && state.bookmarks == bookmarks
            && state.ended_watches == ended
            && !state.is_down
        {
            let left = end.saturating_duration_since(Instant::now());
            let waited = shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn begin_chunks(mut out: &TcpStream) -> io::Result<()> {
    out.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
}

fn chunk(mut out: &TcpStream, event: &Value) -> io::Result<()> {
    let line = format!("{event}\n");
    write!(out, "{:x}\r\n{line}\r\n", line.len())
}

fn end_chunks(mut out: &TcpStream) -> io::Result<()> {
    out.write_all(b"0\r\n\r\n")
}

/// A request with its body; `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let url = url::Url::parse("http://server")
        .and_then(|base| base.join(target))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let mut length = 0;
    let mut head = Head {
        method: line.split(' ').next().unwrap_or_default().to_owned(),
        body: Vec::new(),
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        token: None,
        is_last: line.trim_end().ends_with("HTTP/1.0"),
    };
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            head.body.resize(length, 0);
            reader.read_exact(&mut head.body)?;
            return Ok(Some(head));
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0).min(MAX_BODY);
        }
        if name.eq_ignore_ascii_case("authorization") {
            head.token = value.trim().strip_prefix("Bearer ").map(str::to_owned);
        }
    }
}
