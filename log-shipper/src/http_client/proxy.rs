//! Which proxy a request goes through. Without a key none does, whatever the environment says.

mod bypass;

use std::env;
use std::fmt;

use daemon_runtime::secret::Secret;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{ClientBuilder, Url};

use super::credentials::sensitive;
use super::{ConnectError, Place};
use crate::config::http_client::Proxy;
use bypass::Bypass;

/// The variables that `proxy_from_environment` looks at.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HTTP_PROXY`, which may hold a password.
    pub http: Secret<String>,
    /// `HTTPS_PROXY`.
    pub https: Secret<String>,
    /// `NO_PROXY`.
    pub bypass: String,
}

impl Environment {
    /// Those of this process. A name in capitals wins over one in small letters.
    pub fn of_process() -> Self {
        let read = |name: &str| {
            [name.to_owned(), name.to_lowercase()]
                .into_iter()
                .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
                .unwrap_or_default()
        };
        Self {
            http: read("HTTP_PROXY").into(),
            https: read("HTTPS_PROXY").into(),
            bypass: read("NO_PROXY"),
        }
    }
}

/// The proxies of a block.
#[derive(Clone, Default)]
pub(super) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    /// `None` where every host goes through the proxy, also this one.
    bypass: Option<Bypass>,
    connect_headers: HeaderMap,
}

impl Proxies {
    pub(super) fn new(
        config: &Proxy,
        place: &Place,
        environment: &Environment,
    ) -> Result<Self, ConnectError> {
        let mut proxies = Self::default();
        if config.proxy_from_environment {
            proxies.http = from_variable("HTTP_PROXY", environment.http.expose(), place)?;
            proxies.https = from_variable("HTTPS_PROXY", environment.https.expose(), place)?;
            proxies.bypass = Some(Bypass::parse(&environment.bypass));
        } else if let Some(url) = config.proxy_url.get() {
            proxies.http = Some(url.clone());
            proxies.https = Some(url.clone());
            proxies.bypass = (!config.no_proxy.is_empty()).then(|| Bypass::parse(&config.no_proxy));
        }
        for (header, values) in &config.proxy_connect_header {
            let invalid =
                || ConnectError::Header { owner: place.owner.clone(), header: header.clone() };
            let name = HeaderName::try_from(header).map_err(|_| invalid())?;
            for value in values {
                let value = sensitive(value.expose(), header).map_err(|_| invalid())?;
                proxies.connect_headers.append(name.clone(), value);
            }
        }
        Ok(proxies)
    }

    /// The proxy on the way to `url`.
    pub(super) fn on_the_way_to(&self, url: &Url) -> Option<&Url> {
        if self.bypass.as_ref().is_some_and(|bypass| bypass.covers(url)) {
            return None;
        }
        if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() }
    }

    /// Only these proxies. The headers go to the proxy with CONNECT, never to the server.
    pub(super) fn add_to(&self, builder: ClientBuilder) -> ClientBuilder {
        let of_scheme = |scheme: &'static str| {
            let proxies = self.clone();
            reqwest::Proxy::custom(move |url| {
                (url.scheme() == scheme).then(|| proxies.on_the_way_to(url).cloned()).flatten()
            })
        };
        let builder = builder.no_proxy();
        let builder = if self.http.is_some() { builder.proxy(of_scheme("http")) } else { builder };
        if self.https.is_none() {
            return builder;
        }
        builder.proxy(of_scheme("https").headers(self.connect_headers.clone()))
    }
}

impl fmt::Debug for Proxies {
    /// Without the addresses, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("bypass", &self.bypass).finish_non_exhaustive()
    }
}

/// A host without a scheme is one that speaks HTTP.
fn from_variable(name: &str, text: &str, place: &Place) -> Result<Option<Url>, ConnectError> {
    if text.is_empty() {
        return Ok(None);
    }
    let accepted = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let url = Url::parse(text).ok().filter(accepted).or_else(|| {
        let is_host = !text.contains("://");
        is_host.then(|| Url::parse(&format!("http://{text}")).ok().filter(accepted)).flatten()
    });
    let problem = || {
        let problem = format!("{name} is no address of a proxy: http and https are accepted");
        place.value("proxy_from_environment:", problem)
    };
    url.map(Some).ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http_url::HttpUrl;

    fn place() -> Place {
        Place { owner: "client a".to_owned(), prefix: "" }
    }

    fn way(config: &Proxy, environment: &Environment, url: &str) -> Option<String> {
        let proxies = Proxies::new(config, &place(), environment).unwrap();
        proxies.on_the_way_to(&url.parse().unwrap()).map(ToString::to_string)
    }

    fn environment() -> Environment {
        Environment {
            http: "plain:3128".to_owned().into(),
            https: "http://secure:3128".to_owned().into(),
            bypass: ".internal".to_owned(),
        }
    }

    #[test]
    fn the_environment_counts_only_where_the_key_says_so() {
        assert_eq!(way(&Proxy::default(), &environment(), "http://loki/"), None);
        let config = Proxy { proxy_from_environment: true, ..Proxy::default() };
        let way = |url| way(&config, &environment(), url);
        assert_eq!(way("http://loki/").as_deref(), Some("http://plain:3128/"));
        assert_eq!(way("https://loki/").as_deref(), Some("http://secure:3128/"));
        assert_eq!(way("https://loki.internal/"), None);
        assert_eq!(way("https://127.0.0.1/"), None);
    }

    #[test]
    fn a_configured_proxy_takes_everything_but_what_no_proxy_names() {
        let mut config =
            Proxy { proxy_url: HttpUrl::parse("http://proxy:1").unwrap(), ..Proxy::default() };
        let none = Environment::default();
        assert!(way(&config, &none, "http://localhost/").is_some());
        config.no_proxy = "loki.example.com".to_owned();
        assert!(way(&config, &none, "https://loki.example.com/").is_none());
        assert!(way(&config, &none, "https://other.example.com/").is_some());
    }

    #[test]
    fn a_broken_variable_is_named_without_its_value() {
        let config = Proxy { proxy_from_environment: true, ..Proxy::default() };
        let environment =
            Environment { https: "ftp://me:hunter2@x".to_owned().into(), ..Environment::default() };
        let error = Proxies::new(&config, &place(), &environment).unwrap_err();
        assert_eq!(
            error.to_string(),
            "client a: proxy_from_environment: HTTPS_PROXY is no address of a proxy: http and \
             https are accepted"
        );
        assert!(!format!("{error:?}{environment:?}").contains("hunter2"));
    }
}
