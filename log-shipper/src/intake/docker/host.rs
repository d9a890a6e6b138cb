//! Where an engine is: `host` as the base of its URLs, and who sends requests there.
//!
//! As in Promtail the HTTP client keys are for `http` and `https`; other hosts take none of them.

use std::path::Path;

use reqwest::Url;

use crate::config::http_client::HttpClient;
use crate::config::scrape_configs::DockerSd;
use crate::http_client::{ConnectError, Requester};

const ACCEPTED: &str =
    "accepted: unix:///PATH/TO/SOCKET, tcp://HOST:PORT, http://HOST:PORT and https://HOST:PORT";

/// Why an engine cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// There is none.
    #[error("{owner}.host must be set; {ACCEPTED}")]
    Missing {
        /// The block.
        owner: String,
    },
    /// Not an address. Without its text: it may hold a password.
    #[error("{owner}.host is no address of an engine; {ACCEPTED}")]
    Malformed {
        /// The block.
        owner: String,
    },
    /// Another protocol.
    #[error("{owner}.host: {scheme}:// is not supported; {ACCEPTED}")]
    Scheme {
        /// The block.
        owner: String,
        /// What stands before the colon.
        scheme: String,
    },
    /// A user or password in the address.
    #[error("{owner}.host: a user and password belong into basic_auth, not into the address")]
    Credentials {
        /// The block.
        owner: String,
    },
    /// TLS, proxy or credentials.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// An engine's address.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) requester: Requester,
    /// Paths of the API are appended to it.
    pub(super) base: Url,
}

impl Host {
    /// Reads all files of the block; `owner` names it in errors.
    pub(super) fn new(config: &DockerSd, owner: &str) -> Result<Self, HostError> {
        let owner_name = || owner.to_owned();
        if config.host.is_empty() {
            return Err(HostError::Missing { owner: owner_name() });
        }
        let Some((scheme, rest)) = config.host.split_once("://") else {
            return Err(HostError::Malformed { owner: owner_name() });
        };
        if scheme == "unix" {
            if !rest.starts_with('/') {
                return Err(HostError::Malformed { owner: owner_name() });
            }
            let requester = Requester::over_socket(Path::new(rest), owner)?;
            // The name is for the `Host` header only.
            let base = Url::parse("http://localhost/").expect("it is a URL");
            return Ok(Self { requester, base });
        }
        let (text, http) = match scheme {
            "tcp" => (format!("http://{rest}"), &HttpClient::default()),
            "http" | "https" => (config.host.clone(), &config.http),
            _ => {
                return Err(HostError::Scheme { owner: owner_name(), scheme: scheme.to_owned() });
            }
        };
        let base = Url::parse(&text).map_err(|_| HostError::Malformed { owner: owner_name() })?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(HostError::Credentials { owner: owner_name() });
        }
        let requester = Requester::new(http, owner, &base, None)?;
        Ok(Self { requester, base })
    }

    /// Whether HTTP client keys stand where they have no effect.
    pub(super) fn ignores_keys(config: &DockerSd) -> bool {
        !config.host.starts_with("http") && config.http != HttpClient::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Result<Host, HostError> {
        let config = DockerSd { host: text.to_owned(), ..DockerSd::default() };
        Host::new(&config, "docker_sd_configs[0]")
    }

    #[test]
    fn sockets_and_addresses_are_accepted() {
        for (text, base) in [
            ("unix:///var/run/docker.sock", "http://localhost/"),
            ("tcp://10.0.0.1:2375", "http://10.0.0.1:2375/"),
            ("http://[::1]:2375", "http://[::1]:2375/"),
            ("https://engine:2376/docker", "https://engine:2376/docker"),
        ] {
            assert_eq!(host(text).unwrap().base.as_str(), base);
        }
    }

    #[test]
    fn what_is_no_engine_is_refused_with_what_is_accepted_and_without_secrets() {
        for text in ["", "/var/run/docker.sock", "unix://var/run/docker.sock", "ssh://u:hunter2@h"]
        {
            let error = host(text).unwrap_err().to_string();
            assert!(error.starts_with("docker_sd_configs[0].host"), "{error}");
            assert!(error.contains("accepted: unix:///PATH"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for text in ["https://u:hunter2@engine", "tcp://hunter2@engine:1"] {
            let error = host(text).unwrap_err();
            assert!(matches!(error, HostError::Credentials { .. }), "{error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
