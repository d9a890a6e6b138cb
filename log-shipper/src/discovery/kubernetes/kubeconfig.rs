//! `kubeconfig_file`: the server and user of the current context, as the keys of an HTTP client.
//!
//! A secret of the file is in no error; a plugin that would have to be run for one is refused.

use std::io;
use std::path::Path;

use daemon_runtime::secret::Secret;
use url::Url;

use super::base64;
use crate::config::http_client::{BasicAuth, ClientTls, HttpClient, Proxy};
use crate::config::http_url::HttpUrl;
use crate::config::yaml::{self, Kind, Node, YamlError};

/// Larger files are refused.
const MAX_BYTES: u64 = 1 << 20;

/// Why a kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// It cannot be read.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// Not YAML.
    #[error("is not understood")]
    Yaml(#[source] YamlError),
    /// Something that it names is not in it.
    #[error("has no {0}")]
    Missing(String),
    /// Something that it says cannot be used.
    #[error("{place}: {problem}")]
    Wrong {
        /// Which entry and key.
        place: String,
        /// What is wrong with it, and what is accepted.
        problem: &'static str,
    },
}

/// The server, and how it is talked to.
pub(super) fn load(path: &str) -> Result<(Url, HttpClient), KubeconfigError> {
    let unreadable = KubeconfigError::Unreadable;
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        let error = io::Error::new(io::ErrorKind::FileTooLarge, "more than 1 MiB");
        return Err(KubeconfigError::Unreadable(error));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    parse(&text, folder)
}

fn parse(text: &str, folder: &Path) -> Result<(Url, HttpClient), KubeconfigError> {
    let root = yaml::parse(text).map_err(KubeconfigError::Yaml)?;
    let current = text_of(&root, "current-context");
    if current.is_empty() {
        return Err(KubeconfigError::Missing("current-context".to_owned()));
    }
    let context = entry(&root, "contexts", "context", current)?;
    let (cluster_name, user_name) = (text_of(context, "cluster"), text_of(context, "user"));
    let cluster = Section {
        node: entry(&root, "clusters", "cluster", cluster_name)?,
        place: format!("cluster {cluster_name:?}"),
        folder,
    };
    let server = cluster.url("server")?;
    let server =
        server.get().cloned().ok_or_else(|| cluster.wrong("server", "an address is needed"))?;
    let mut http = HttpClient {
        tls_config: ClientTls {
            ca: cluster.pem("certificate-authority-data")?,
            ca_file: cluster.path("certificate-authority"),
            server_name: cluster.text("tls-server-name").to_owned(),
            insecure_skip_verify: cluster.text("insecure-skip-tls-verify") == "true",
            ..ClientTls::default()
        },
        proxy: Proxy { proxy_url: cluster.url("proxy-url")?, ..Proxy::default() },
        ..HttpClient::default()
    };
    if user_name.is_empty() {
        return Ok((server, http));
    }
    let user = Section {
        node: entry(&root, "users", "user", user_name)?,
        place: format!("user {user_name:?}"),
        folder,
    };
    for key in ["exec", "auth-provider"] {
        if user.node.get(key).is_some_and(|value| !value.is_null()) {
            let accepted = "plugins are not run: token, tokenFile, client-certificate and username \
                            are accepted";
            return Err(user.wrong(key, accepted));
        }
    }
    if user.node.get("as").is_some_and(|value| !value.is_null()) {
        return Err(user.wrong("as", "impersonation is not supported"));
    }
    let tls = &mut http.tls_config;
    tls.cert = user.pem("client-certificate-data")?;
    tls.cert_file = user.path("client-certificate");
    tls.key = Secret::new(user.pem("client-key-data")?);
    tls.key_file = user.path("client-key");
    // data wins over files, a token over a password
    if !tls.cert.is_empty() {
        tls.cert_file.clear();
    }
    if !tls.key.expose().is_empty() {
        tls.key_file.clear();
    }
    if !tls.ca.is_empty() {
        tls.ca_file.clear();
    }
    http.bearer_token_file = user.path("tokenFile");
    if http.bearer_token_file.is_empty() {
        http.bearer_token = Secret::new(user.text("token").to_owned());
    }
    let has_token = !http.bearer_token_file.is_empty() || !http.bearer_token.expose().is_empty();
    if !has_token && !user.text("username").is_empty() {
        http.basic_auth = Some(BasicAuth {
            username: user.text("username").to_owned(),
            password: Secret::new(user.text("password").to_owned()),
            ..BasicAuth::default()
        });
    }
    Ok((server, http))
}

/// The item of a list with this name: what stands in it under `key`.
fn entry<'a>(
    root: &'a Node,
    list: &str,
    key: &str,
    name: &str,
) -> Result<&'a Node, KubeconfigError> {
    let items = match root.get(list).map(|node| &node.kind) {
        Some(Kind::Sequence(items)) => items.as_slice(),
        _ => &[],
    };
    items
        .iter()
        .find(|item| text_of(item, "name") == name)
        .and_then(|item| item.get(key))
        .ok_or_else(|| KubeconfigError::Missing(format!("{key} {name:?}")))
}

fn text_of<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).and_then(Node::raw_text).unwrap_or_default()
}

/// One entry of the file.
struct Section<'a> {
    node: &'a Node,
    place: String,
    folder: &'a Path,
}

impl Section<'_> {
    fn wrong(&self, key: &str, problem: &'static str) -> KubeconfigError {
        KubeconfigError::Wrong { place: format!("{}: {key}", self.place), problem }
    }

    fn text(&self, key: &str) -> &str {
        text_of(self.node, key)
    }

    fn url(&self, key: &str) -> Result<HttpUrl, KubeconfigError> {
        HttpUrl::parse(self.text(key))
            .map_err(|_| self.wrong(key, "http://HOST:PORT or https://HOST:PORT is accepted"))
    }

    /// Relative to the file itself.
    fn path(&self, key: &str) -> String {
        match self.text(key) {
            "" => String::new(),
            path => self.folder.join(path).display().to_string(),
        }
    }

    fn pem(&self, key: &str) -> Result<String, KubeconfigError> {
        base64::decode(self.text(key))
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| self.wrong(key, "PEM in base64 is accepted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
apiVersion: v1
kind: Config
current-context: dev
contexts:
- {name: other, context: {cluster: none, user: none}}
- {name: dev, context: {cluster: kind, user: admin}}
clusters:
- name: kind
  cluster: {server: 'https://127.0.0.1:6443', certificate-authority: ca.crt, tls-server-name: kind}
users:
- name: admin
  user: USER
";

    fn with_user(user: &str) -> Result<(Url, HttpClient), KubeconfigError> {
        parse(&FILE.replace("USER", user), Path::new("/home/me/.kube"))
    }

    #[test]
    fn the_current_context_says_server_and_credentials() {
        let user = "{client-certificate-data: Q0VSVA==, client-key: /k.pem, token: t0ken}";
        let (server, http) = with_user(user).unwrap();
        assert_eq!(server.as_str(), "https://127.0.0.1:6443/");
        let tls = &http.tls_config;
        assert_eq!(tls.ca_file, "/home/me/.kube/ca.crt");
        assert_eq!(tls.server_name, "kind");
        assert_eq!((&*tls.cert, &*tls.key_file), ("CERT", "/k.pem"));
        assert_eq!(http.bearer_token.expose(), "t0ken");
        let (_, http) = with_user("{token: t, tokenFile: tokens/me}").unwrap();
        assert_eq!(http.bearer_token_file, "/home/me/.kube/tokens/me");
        assert_eq!(http.bearer_token.expose(), "");
        let (_, http) = with_user("{username: me, password: hunter2}").unwrap();
        assert_eq!(http.basic_auth.unwrap().password.expose(), "hunter2");
    }

    #[test]
    fn what_is_missing_or_cannot_be_used_is_named() {
        let error = |text: &str| parse(text, Path::new("")).unwrap_err().to_string();
        assert_eq!(error("{}"), "has no current-context");
        assert_eq!(error("current-context: x"), "has no context \"x\"");
        assert_eq!(error("{a"), "is not understood");
        let error = |user: &str| with_user(user).unwrap_err().to_string();
        assert!(
            error("{exec: {command: aws}}").starts_with("user \"admin\": exec: plugins are not")
        );
        assert_eq!(
            error("{client-key-data: hunter2}"),
            "user \"admin\": client-key-data: PEM in base64 is accepted"
        );
    }
}
