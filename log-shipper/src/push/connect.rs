//! A client of the configuration to an [`Endpoint`].

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::endpoint::Endpoint;
use crate::config::clients::Client;
use crate::http_client::Requester;

pub use crate::http_client::ConnectError;

/// Headers that a push sets itself.
const OWN_HEADERS: [&str; 3] = ["content-type", "x-scope-orgid", "user-agent"];

/// Builds the endpoint of a client. Its files are read, so that a wrong path is known at the start,
/// and again whenever they change.
///
/// # Errors
/// [`ConnectError`] names client and key.
pub fn endpoint(config: &Client) -> Result<Endpoint, ConnectError> {
    let name = config.effective_name();
    let owner = format!("client {name}");
    let url = config.url.get().expect("a client without URL is refused before").clone();
    let mut headers = HeaderMap::new();
    for (header, value) in &config.headers {
        if OWN_HEADERS.contains(&header.to_lowercase().as_str()) {
            tracing::warn!(client = name, header, "a push sets this header itself, ignoring it");
            continue;
        }
        let invalid = || ConnectError::Header { owner: owner.clone(), header: header.clone() };
        let key = HeaderName::try_from(header).map_err(|_| invalid())?;
        let mut value = HeaderValue::try_from(value.expose()).map_err(|_| invalid())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    let requester = Requester::new(&config.http, &owner, &url, Some(config.timeout.as_duration()))?;
    Ok(Endpoint::new(requester, url, headers))
}
