//! Just enough HTTP/1.1 of the server's side to misbehave on purpose.
//!
//! Blocking and byte by byte under our control: a test must be able to close a connection, or to
//! leave it unanswered, exactly after the body has been read.

use std::io::{self, BufRead, Read, Write};

/// One request.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    /// `GET`, `POST` ...
    pub(super) method: String,
    /// The path, still percent-encoded.
    pub(super) path: String,
    /// The decoded query.
    pub(super) query: Vec<(String, String)>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    /// The body, of its declared length or from its chunks.
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A header's value, if it was sent. `name` is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A line without its end; `None` at the end of the connection.
fn read_line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if from.take(64 * 1024).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let line = String::from_utf8(line).map_err(|_| bad("head is no UTF-8"))?;
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Reads one request; `None` when the peer has closed between requests.
///
/// # Errors
///
/// When the connection breaks or the request is no HTTP/1.
pub(super) fn read_request(from: &mut impl BufRead) -> io::Result<Option<Request>> {
    let Some(first) = read_line(from)? else { return Ok(None) };
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(bad("no request line"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.split('&').filter(|pair| !pair.is_empty()).map(parse_pair).collect(),
        ..Request::default()
    };
    loop {
        let line = read_line(from)?.ok_or_else(|| bad("head without end"))?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("header without colon"))?;
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let chunked =
        request.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
    if chunked {
        loop {
            let size = read_line(from)?.ok_or_else(|| bad("chunks without end"))?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| bad("chunk without size"))?;
            read_exactly(from, size, &mut request.body)?;
            read_line(from)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        let length = length.parse().map_err(|_| bad("length is no number"))?;
        read_exactly(from, length, &mut request.body)?;
    }
    Ok(Some(request))
}

fn read_exactly(from: &mut impl BufRead, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
    if from.take(length).read_to_end(into)? as u64 == length {
        return Ok(());
    }
    Err(bad("body is shorter than declared"))
}

fn parse_pair(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (unescape(name), unescape(value))
}

/// Undoes `%NN` and `+`; a `%` without two digits stays.
fn unescape(text: &str) -> String {
    let raw = text.as_bytes();
    let mut plain = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let code = raw.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                plain.push(code);
                at += 3;
                continue;
            }
            (b'+', _) => plain.push(b' '),
            _ => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Writes an answer that keeps the connection; 204 has no body by definition.
///
/// # Errors
///
/// When the connection breaks.
pub(super) fn write_answer(
    to: &mut impl Write,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let mut answer = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        answer.extend([name, ": ", value, "\r\n"]);
    }
    if status != 204 {
        answer.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    answer.push_str("\r\n");
    to.write_all(answer.as_bytes())?;
    if status != 204 {
        to.write_all(body)?;
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_follow_each_other_on_one_connection() {
        let mut raw = &b"POST /p?client=a%20b&x HTTP/1.1\r\nContent-Length: 2\r\nA-B: c\r\n\r\nhi\
            POST /q HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
            [..];
        let first = read_request(&mut raw).unwrap().unwrap();
        assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/p"));
        assert_eq!((first.parameter("client"), first.header("a-b")), (Some("a b"), Some("c")));
        assert_eq!(first.body, b"hi");
        assert_eq!(read_request(&mut raw).unwrap().unwrap().body, b"abc");
        assert!(read_request(&mut raw).unwrap().is_none());
    }

    #[test]
    fn a_short_body_is_an_error() {
        let mut raw = &b"POST /p HTTP/1.1\r\nContent-Length: 9\r\n\r\nhi"[..];
        assert!(read_request(&mut raw).is_err());
    }

    #[test]
    fn an_answer_carries_its_headers_and_length() {
        let mut out = Vec::new();
        write_answer(&mut out, 429, &[("Retry-After", "1")], b"slow").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("Retry-After: 1\r\nContent-Length: 4\r\n\r\nslow"), "{text}");
    }
}
