//! `http_headers`: all values of a header are sent, after those that the request has.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::credentials::{Credential, sensitive};
use super::{ConnectError, Place, SendError};
use crate::config::http_client::HttpHeader;

/// Headers of every request of a block.
#[derive(Debug)]
pub(super) struct ExtraHeaders {
    fixed: HeaderMap,
    /// Read again when they change.
    files: Vec<(HeaderName, Credential)>,
}

impl ExtraHeaders {
    pub(super) fn new(
        config: &BTreeMap<String, HttpHeader>,
        place: &Place,
    ) -> Result<Self, ConnectError> {
        let mut fixed = HeaderMap::new();
        let mut files = Vec::new();
        for (header, content) in config {
            let invalid =
                || ConnectError::Header { owner: place.owner.clone(), header: header.clone() };
            let name = HeaderName::try_from(header).map_err(|_| invalid())?;
            for value in &content.values {
                let value = HeaderValue::try_from(value).map_err(|_| invalid())?;
                fixed.append(name.clone(), value);
            }
            for secret in &content.secrets {
                let value = sensitive(secret.expose(), header).map_err(|_| invalid())?;
                fixed.append(name.clone(), value);
            }
            for path in &content.files {
                let key = format!("http_headers.{header}.files");
                if let Some(file) = Credential::new(place, &key, "", path)? {
                    files.push((name.clone(), file));
                }
            }
        }
        Ok(Self { fixed, files })
    }

    pub(super) fn add_to(&self, headers: &mut HeaderMap) -> Result<(), SendError> {
        for (name, value) in &self.fixed {
            headers.append(name.clone(), value.clone());
        }
        for (name, file) in &self.files {
            headers.append(name.clone(), sensitive(file.read().trim(), name.as_str())?);
        }
        Ok(())
    }
}
