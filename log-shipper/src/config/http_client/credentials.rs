//! The ways to authorise requests.

use std::collections::BTreeMap;

use daemon_runtime::secret::Secret;

use super::{ClientTls, Proxy, at_most_one};
use crate::config::decode::{Block, Fields};

/// `basic_auth`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BasicAuth {
    /// Default empty.
    pub username: String,
    /// Path of a file that holds the name; excludes `username`.
    pub username_file: String,
    /// Default empty.
    pub password: Secret<String>,
    /// Path of a file that holds the password, read again when it changes; excludes `password`.
    pub password_file: String,
}

impl BasicAuth {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        let keys = [
            ("basic_auth.username", !self.username.is_empty()),
            ("basic_auth.username_file", !self.username_file.is_empty()),
        ];
        at_most_one(&keys, problems);
        let keys = [
            ("basic_auth.password", !self.password.expose().is_empty()),
            ("basic_auth.password_file", !self.password_file.is_empty()),
        ];
        at_most_one(&keys, problems);
    }
}

impl Block for BasicAuth {
    const TYPE: &'static str = "config.BasicAuth";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("username", &mut self.username);
        fields.field("username_file", &mut self.username_file);
        fields.field("password", &mut self.password);
        fields.field("password_file", &mut self.password_file);
    }
}

/// `authorization`.
#[derive(Debug, Clone, PartialEq)]
pub struct Authorization {
    /// Scheme, from `type`; not `Basic`. Default `Bearer`.
    pub scheme: String,
    /// What follows the scheme.
    pub credentials: Secret<String>,
    /// Path of a file that holds them, read again when it changes; excludes `credentials`.
    pub credentials_file: String,
}

impl Default for Authorization {
    fn default() -> Self {
        Self {
            scheme: "Bearer".to_owned(),
            credentials: Secret::default(),
            credentials_file: String::new(),
        }
    }
}

impl Authorization {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        if self.scheme.trim().eq_ignore_ascii_case("basic") {
            problems.push("authorization.type cannot be Basic: use basic_auth".to_owned());
        }
        let keys = [
            ("authorization.credentials", !self.credentials.expose().is_empty()),
            ("authorization.credentials_file", !self.credentials_file.is_empty()),
        ];
        at_most_one(&keys, problems);
    }
}

impl Block for Authorization {
    const TYPE: &'static str = "config.Authorization";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("type", &mut self.scheme);
        fields.field("credentials", &mut self.credentials);
        fields.field("credentials_file", &mut self.credentials_file);
    }
}

/// `oauth2`: the grant with client credentials.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OAuth2 {
    /// Needed.
    pub client_id: String,
    /// Default empty.
    pub client_secret: Secret<String>,
    /// Path of a file that holds the secret; excludes `client_secret`.
    pub client_secret_file: String,
    /// Default none.
    pub scopes: Vec<String>,
    /// Where the token comes from. Needed.
    pub token_url: String,
    /// Further parameters of the request for a token; some providers take secrets there.
    pub endpoint_params: BTreeMap<String, Secret<String>>,
    /// TLS towards the token's server.
    pub tls_config: ClientTls,
    /// Keys about proxies on the way to the token's server.
    pub proxy: Proxy,
}

impl OAuth2 {
    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        for (key, value) in [("client_id", &self.client_id), ("token_url", &self.token_url)] {
            if value.is_empty() {
                problems.push(format!("oauth2.{key} must be set"));
            }
        }
        let keys = [
            ("oauth2.client_secret", !self.client_secret.expose().is_empty()),
            ("oauth2.client_secret_file", !self.client_secret_file.is_empty()),
        ];
        at_most_one(&keys, problems);
        let mut below = Vec::new();
        self.tls_config.problems(&mut below);
        self.proxy.problems(&mut below);
        problems.extend(below.into_iter().map(|problem| format!("oauth2.{problem}")));
    }
}

impl Block for OAuth2 {
    const TYPE: &'static str = "config.OAuth2";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("client_id", &mut self.client_id);
        fields.field("client_secret", &mut self.client_secret);
        fields.field("client_secret_file", &mut self.client_secret_file);
        fields.field("scopes", &mut self.scopes);
        fields.field("token_url", &mut self.token_url);
        fields.field("endpoint_params", &mut self.endpoint_params);
        fields.field("tls_config", &mut self.tls_config);
        self.proxy.fields(fields);
    }
}
