//! An `OAuth2` server that gives numbered tokens for client credentials: `token-1`, `token-2`, ...

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;

use crate::http_peer::{HttpPeer, Seen};

/// How the server takes credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// In `Authorization` only.
    Header,
    /// In the form only.
    Form,
    /// Never any.
    Nothing,
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct TokenServer {
    peer: HttpPeer,
    is_secure: bool,
}

impl TokenServer {
    /// Tokens that are good for `lifetime` seconds.
    pub async fn start(takes: Takes, lifetime: u32, tls: Option<Arc<ServerConfig>>) -> Self {
        let is_secure = tls.is_some();
        let issued = AtomicUsize::new(0);
        let decide = move |request: &Seen| {
            let is_right = match takes {
                Takes::Header => request.headers.contains_key("authorization"),
                Takes::Form => request.body.contains("client_secret="),
                Takes::Nothing => false,
            };
            if !is_right {
                // as some do: it repeats what it was given
                let text = format!(
                    r#"{{"error":"invalid_client","error_description":"not {} {}"}}"#,
                    request.header("authorization"),
                    request.body
                );
                return (401, "application/json", text);
            }
            let number = issued.fetch_add(1, Ordering::Relaxed) + 1;
            let text = format!(
                r#"{{"access_token":"token-{number}","token_type":"bearer","expires_in":{lifetime}}}"#
            );
            (200, "application/json", text)
        };
        Self { peer: HttpPeer::start(tls, decide).await, is_secure }
    }

    /// For `token_url`.
    pub fn url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}/token", self.peer.address())
    }

    /// Every request for a token.
    pub fn seen(&self) -> Vec<Seen> {
        self.peer.seen()
    }
}
