//! Where the relay listens: beyond this machine only if those who send are known.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;

use crate::config::Config;

/// Connections (2,048), the journal, and as many again for what goes out.
const DESCRIPTORS: u64 = 4_096;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenError {
    #[error("cannot listen on {address}")]
    Bind {
        address: String,
        #[source]
        cause: io::Error,
    },
    #[error(
        "{address} is beyond this machine and the configuration has no credentials: add \
         receive.bearer_token_files or receive.basic, or give --insecure-listen"
    )]
    Unguarded { address: String },
}

impl ListenError {
    pub(super) fn is_configuration(&self) -> bool {
        matches!(self, Self::Unguarded { .. })
    }
}

/// Whether somebody is asked who they are.
pub(super) fn has_credentials(config: &Config) -> bool {
    !config.receive.bearer_token_files.is_empty() || !config.receive.basic.is_empty()
}

/// Whether credentials must not be taken away while this listener is open.
pub(super) fn is_guarded(listener: &TcpListener, insecure: bool) -> bool {
    !insecure && !listener.local_addr().is_ok_and(|address| address.ip().is_loopback())
}

/// Binds. `:9095` is all addresses, with IPv6 where the machine has it; without credentials it is
/// this machine's own.
pub(super) async fn bind(
    address: &str,
    config: &Config,
    insecure: bool,
) -> Result<TcpListener, ListenError> {
    raise_descriptors();
    let is_open = has_credentials(config) || insecure;
    let bound = match address.strip_prefix(':') {
        Some(port) if is_open => match TcpListener::bind(format!("[::]:{port}")).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(format!("0.0.0.0:{port}")).await
            }
            bound => bound,
        },
        Some(port) => {
            tracing::warn!(
                "no credentials are configured: only this machine is served, see --insecure-listen"
            );
            TcpListener::bind(format!("127.0.0.1:{port}")).await
        }
        None => TcpListener::bind(address).await,
    };
    let listener =
        bound.map_err(|cause| ListenError::Bind { address: address.to_owned(), cause })?;
    if !is_open && is_guarded(&listener, insecure) {
        return Err(ListenError::Unguarded { address: address.to_owned() });
    }
    Ok(listener)
}

/// A storm opens a thousand connections per Alertmanager, and the usual limit is 1,024.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let text = format!(
            "destinations: [{{name: a, webhook: {{url: 'http://localhost/'}}}}]\n\
             routes: [{{destinations: [a]}}]\n{more}"
        );
        Config::parse(&text, "relay.yml").unwrap()
    }

    #[tokio::test]
    async fn without_credentials_only_this_machine_is_served() {
        let open = config("");
        let guarded = config("receive: {bearer_token_files: [/etc/token]}\n");
        let bound = |listener: &TcpListener| listener.local_addr().unwrap().ip().is_loopback();
        assert!(bound(&bind(":0", &open, false).await.unwrap()));
        assert!(!bound(&bind(":0", &open, true).await.unwrap()));
        assert!(!bound(&bind(":0", &guarded, false).await.unwrap()));
        let error = bind("0.0.0.0:0", &open, false).await.unwrap_err();
        assert!(error.is_configuration());
        assert!(error.to_string().contains("receive.bearer_token_files"), "{error}");
        assert!(is_guarded(&bind("0.0.0.0:0", &guarded, false).await.unwrap(), false));
    }
}
