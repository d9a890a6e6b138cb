//! The three requests: read a Lease, create it, write it over the version that was read.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

use super::election::{LeaseSpec, Write};
use super::namespace;
use crate::client::{Authorities, Client, ClientError, Method};
use crate::config::lease::LeaseKeys;

/// Bytes of a Lease with all that others may have put on it.
const MAX_LEASE: usize = 1 << 20;

/// Why the lease cannot be asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Of the service account.
    #[error("lease.namespace is not set and {path} cannot be read")]
    Namespace {
        /// Which file.
        path: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A name that would become another path.
    #[error("lease.{key}: {value:?} is no name of Kubernetes: a-z, 0-9, '-' and '.' are accepted")]
    Name {
        /// `name` or `namespace`.
        key: &'static str,
        /// What it is.
        value: String,
    },
    /// The server, or one of the files.
    #[error("lease: API server{}", hint(cause))]
    Client {
        /// What is wrong.
        #[source]
        cause: ClientError,
    },
}

fn hint(cause: &ClientError) -> &'static str {
    match cause {
        ClientError::Status { status: 401 } => " (is the token valid?)",
        ClientError::Status { status: 403 } => {
            " (the role of the service account needs get, create and update of leases)"
        }
        _ => "",
    }
}

impl From<ClientError> for LeaseError {
    fn from(cause: ClientError) -> Self {
        Self::Client { cause }
    }
}

/// A Lease as it was read, with all that others have put on it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    object: Value,
    spec: LeaseSpec,
}

impl Stored {
    pub(super) fn spec(&self) -> LeaseSpec {
        self.spec.clone()
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawSpec {
    holder_identity: Option<String>,
    lease_duration_seconds: Option<u32>,
    acquire_time: Option<String>,
    renew_time: Option<String>,
    lease_transitions: Option<u32>,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Stored,
    /// Another one wrote in between.
    Conflict,
}

#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    leases: String,
    name: String,
}

impl Api {
    pub(super) fn new(keys: &LeaseKeys, server: &str) -> Result<Self, LeaseError> {
        let namespace = namespace(keys)?;
        for (key, value) in [("name", &keys.name), ("namespace", &namespace)] {
            let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
            if value.is_empty() || !value.bytes().all(is_plain) {
                return Err(LeaseError::Name { key, value: value.clone() });
            }
        }
        let authorities = if server.starts_with("https:") {
            Authorities::Only(keys.ca_file.clone())
        } else {
            Authorities::System
        };
        let client = Client::new(server, Some(&keys.token_file), authorities)?;
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        Ok(Self { client, leases, name: keys.name.clone() })
    }

    fn path(&self) -> String {
        format!("{}/{}", self.leases, self.name)
    }

    pub(super) async fn read(&self) -> Result<Option<Stored>, LeaseError> {
        let answer = self.client.send(Method::GET, &self.path(), None, MAX_LEASE).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let body = answer.success()?;
        let object: Value = serde_json::from_slice(&body).map_err(ClientError::from)?;
        let raw: Option<RawSpec> =
            serde_json::from_value(object["spec"].clone()).map_err(ClientError::from)?;
        let raw = raw.unwrap_or_default();
        let spec = LeaseSpec {
            holder: raw.holder_identity.unwrap_or_default(),
            length: Duration::from_secs(raw.lease_duration_seconds.unwrap_or(0).into()),
            acquired: raw.acquire_time.unwrap_or_default(),
            renewed: raw.renew_time.unwrap_or_default(),
            transitions: raw.lease_transitions.unwrap_or(0),
        };
        Ok(Some(Stored { object, spec }))
    }

    /// Writes over what was read.
    pub(super) async fn write(
        &self,
        read: Option<Stored>,
        write: &Write,
    ) -> Result<Written, LeaseError> {
        let spec = write.spec();
        let raw = RawSpec {
            holder_identity: Some(spec.holder.clone()),
            lease_duration_seconds: u32::try_from(spec.length.as_secs()).ok(),
            acquire_time: (!spec.acquired.is_empty()).then(|| spec.acquired.clone()),
            renew_time: (!spec.renewed.is_empty()).then(|| spec.renewed.clone()),
            lease_transitions: Some(spec.transitions),
        };
        let (method, path, mut object) = match read {
            Some(read) => (Method::PUT, self.path(), read.object),
            None => (
                Method::POST,
                self.leases.clone(),
                json!({
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": self.name},
                }),
            ),
        };
        object["spec"] = serde_json::to_value(raw).map_err(ClientError::from)?;
        let body = object.to_string().into_bytes();
        let answer = self.client.send(method, &path, Some(body), MAX_LEASE).await?;
        if matches!(answer.status, 404 | 409) {
            return Ok(Written::Conflict);
        }
        answer.success()?;
        Ok(Written::Stored)
    }

    /// Writes a lease that this replica holds, unless another one has taken it.
    pub(super) async fn write_over_held(&self, spec: &LeaseSpec) -> Result<(), LeaseError> {
        let Some(read) = self.read().await? else { return Ok(()) };
        if read.spec.acquired == spec.acquired && read.spec.transitions == spec.transitions {
            self.write(Some(read), &Write::Update(spec.clone())).await?;
        }
        Ok(())
    }
}
