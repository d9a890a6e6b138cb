//! The least of HTTP/1.1 that a build tool needs to ask its own children.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The body that `address` answers for `path`.
pub(crate) fn get(address: &str, path: &str) -> Result<String> {
    let mut stream =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // HTTP/1.0: the answer ends with the connection, and is not sent in chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("{address}{path} answered {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded_byte_by_byte() {
        assert_eq!(encode(r#"{a="ü"}"#), "%7Ba%3D%22%C3%BC%22%7D");
    }
}
