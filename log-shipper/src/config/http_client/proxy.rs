//! Proxies on the way to a server. Without any of the keys none is used, whatever the environment
//! says.

use std::collections::BTreeMap;

use daemon_runtime::secret::Secret;

use crate::config::decode::Fields;
use crate::config::http_url::HttpUrl;

/// The keys about proxies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proxy {
    /// Default none.
    pub proxy_url: HttpUrl,
    /// Hosts that are reached directly, comma-separated; needs `proxy_url`.
    pub no_proxy: String,
    /// Takes the proxy from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; excludes the keys above.
    pub proxy_from_environment: bool,
    /// Headers for the proxy itself.
    pub proxy_connect_header: BTreeMap<String, Vec<Secret<String>>>,
}

impl Proxy {
    pub(super) fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("proxy_url", &mut self.proxy_url);
        fields.field("no_proxy", &mut self.no_proxy);
        fields.field("proxy_from_environment", &mut self.proxy_from_environment);
        fields.field("proxy_connect_header", &mut self.proxy_connect_header);
    }

    pub(super) fn problems(&self, problems: &mut Vec<String>) {
        let has_url = self.proxy_url.get().is_some();
        if self.proxy_from_environment && (has_url || !self.no_proxy.is_empty()) {
            problems.push("proxy_from_environment excludes proxy_url and no_proxy".to_owned());
        } else if !self.no_proxy.is_empty() && !has_url {
            problems.push("no_proxy needs proxy_url".to_owned());
        }
    }
}
