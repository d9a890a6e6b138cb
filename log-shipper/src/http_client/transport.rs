//! The connections to one server, made anew when the files of their TLS change.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use instrumentation::json_log::ErrorChain;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HOST, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Request, Response, Url};
use url::Position;

use super::proxy::{Environment, Proxies};
use super::tls::{Fingerprints, TlsRecipe};
use super::{ConnectError, Place, SendError};
use crate::config::http_client::{ClientTls, Proxy};

/// Files are looked at no more often than this.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// As in Go's client.
const MAX_REDIRECTS: usize = 10;

/// What a transport is made of.
pub(super) struct Settings<'a> {
    pub(super) tls: &'a ClientTls,
    pub(super) proxy: &'a Proxy,
    pub(super) follow_redirects: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) server: &'a Url,
    /// A Unix socket at which the server listens, whatever its URL says.
    pub(super) socket: Option<&'a Path>,
}

/// Sends requests as they are.
#[derive(Debug)]
pub(super) struct Transport {
    recipe: Recipe,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Recipe {
    place: Place,
    tls: TlsRecipe,
    proxies: Proxies,
    follow_redirects: bool,
    timeout: Option<Duration>,
    alias: Option<Alias>,
    socket: Option<PathBuf>,
}

#[derive(Debug)]
struct Current {
    client: reqwest::Client,
    seen: Fingerprints,
    checked: Instant,
}

/// A server that has to be asked for under another name than its host's.
///
/// The TLS extension with the name takes the URL's host, so requests get a URL with that name, which
/// resolves to the host's addresses; their `Host` header stays as it would have been. Not on the way
/// through a proxy: it resolves names itself. There the certificate alone is held against the name.
#[derive(Debug, Clone)]
struct Alias {
    name: String,
    /// `https`, host and port.
    server: Url,
}

impl Transport {
    /// Reads the files of `tls_config`. Blocks on the disk.
    pub(super) fn new(
        settings: &Settings<'_>,
        place: &Place,
        environment: &Environment,
    ) -> Result<Self, ConnectError> {
        let tls = TlsRecipe::new(settings.tls, place)?;
        let proxies = Proxies::new(settings.proxy, place, environment)?;
        let server = settings.server;
        let is_direct = server.scheme() == "https" && proxies.on_the_way_to(server).is_none();
        let alias = tls
            .server_dns_name()
            .filter(|name| is_direct && Some(*name) != server.host_str())
            .map(|name| Alias { name: name.to_lowercase(), server: server.clone() });
        let recipe = Recipe {
            place: place.clone(),
            tls,
            proxies,
            follow_redirects: settings.follow_redirects,
            timeout: settings.timeout,
            alias,
            socket: settings.socket.map(Path::to_owned),
        };
        // before the files are read: a change in between shows at the next look
        let seen = recipe.tls.fingerprints();
        let client = recipe.build()?;
        let current = Mutex::new(Current { client, seen, checked: Instant::now() });
        Ok(Self { recipe, current })
    }

    pub(super) async fn send(&self, mut request: Request) -> Result<Response, SendError> {
        let client = self.client(Instant::now());
        if let Some(alias) = &self.recipe.alias {
            alias.apply(&mut request);
        }
        // it is in a header by now
        let url = request.url_mut();
        if !url.username().is_empty() || url.password().is_some() {
            // both fail only without a host, and then there was none of them
            let _removed = (url.set_username(""), url.set_password(None));
        }
        let no_answer = |cause: reqwest::Error| SendError::NoAnswer { cause: cause.without_url() };
        client.execute(request).await.map_err(no_answer)
    }

    /// The client to use at `now`. Requests that are under way keep theirs.
    pub(super) fn client(&self, now: Instant) -> reqwest::Client {
        // a panic while the lock was held cannot have left a half-made state: each field is set whole
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(current.checked) >= CHECK_INTERVAL {
            current.checked = now;
            let seen = self.recipe.tls.fingerprints();
            if seen != current.seen {
                // one look per content: a broken file is reported once, and again when it changes
                current.seen = seen;
                let owner = &self.recipe.place.owner;
                match self.recipe.build() {
                    Ok(client) => {
                        current.client = client;
                        tracing::info!(owner, "TLS files have changed, using the new ones");
                    }
                    Err(error) => tracing::error!(
                        owner,
                        error = %ErrorChain(&error),
                        "new TLS files cannot be used, keeping the old ones"
                    ),
                }
            }
        }
        current.client.clone()
    }
}

impl Recipe {
    fn build(&self) -> Result<reqwest::Client, ConnectError> {
        let mut builder = reqwest::Client::builder().tls_backend_preconfigured(self.tls.build()?);
        builder = self.proxies.add_to(builder);
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        builder = builder.redirect(match (&self.alias, self.follow_redirects) {
            (_, false) => Policy::none(),
            (None, true) => Policy::limited(MAX_REDIRECTS),
            (Some(alias), true) => alias.policy(),
        });
        if let Some(socket) = &self.socket {
            builder = builder.unix_socket(socket.as_path());
        }
        if let Some(alias) = &self.alias {
            builder = builder.dns_resolver(Arc::new(alias.clone()));
        }
        builder.build().map_err(|cause| ConnectError::Http {
            owner: self.place.owner.clone(),
            cause: cause.without_url(),
        })
    }
}

impl Alias {
    fn apply(&self, request: &mut Request) {
        let same = |url: &Url| {
            (url.scheme(), url.host_str(), url.port())
                == (self.server.scheme(), self.server.host_str(), self.server.port())
        };
        if !same(request.url()) {
            return;
        }
        let host = &self.server[Position::BeforeHost..Position::AfterPort];
        if let Ok(host) = HeaderValue::try_from(host)
            && request.url_mut().set_host(Some(&self.name)).is_ok()
        {
            request.headers_mut().entry(HOST).or_insert(host);
        }
    }

    /// Follows no redirect to another host: it would get this one's `Host` header.
    fn policy(&self) -> Policy {
        let name = self.name.clone();
        Policy::custom(move |attempt| {
            if attempt.previous().len() > MAX_REDIRECTS {
                attempt.error("too many redirects")
            } else if attempt.url().host_str() == Some(&name) {
                attempt.follow()
            } else {
                attempt.stop()
            }
        })
    }
}

impl Resolve for Alias {
    fn resolve(&self, name: Name) -> Resolving {
        let own_name = name.as_str().eq_ignore_ascii_case(&self.name);
        let host =
            if own_name { self.server.host_str().unwrap_or_default() } else { name.as_str() };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Box::pin(async move {
            // the port is the URL's
            if let Ok(address) = host.parse::<IpAddr>() {
                return Ok(Box::new(std::iter::once(SocketAddr::new(address, 0))) as Addrs);
            }
            let found: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use stack_tests::test_authority::TestAuthority;

    use super::*;

    #[test]
    fn files_are_looked_at_no_more_often_than_the_interval() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), TestAuthority::new().pem()).unwrap();
        let tls = ClientTls { ca_file: file.path().display().to_string(), ..ClientTls::default() };
        let settings = Settings {
            tls: &tls,
            proxy: &Proxy::default(),
            follow_redirects: true,
            timeout: None,
            server: &"https://x/".parse().unwrap(),
            socket: None,
        };
        let place = Place { owner: "client a".to_owned(), prefix: "" };
        let transport = Transport::new(&settings, &place, &Environment::default()).unwrap();
        let seen_at = |now| {
            let _client = transport.client(now);
            transport.current.lock().unwrap().seen.clone()
        };
        let start = transport.current.lock().unwrap().checked;
        let before = seen_at(start);
        std::fs::write(file.path(), "no certificate, and of another size").unwrap();
        let almost = CHECK_INTERVAL.checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!(seen_at(start + almost), before);
        assert_ne!(seen_at(start + CHECK_INTERVAL), before);
    }
}
