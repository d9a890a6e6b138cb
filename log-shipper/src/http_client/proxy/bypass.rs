//! The hosts that are reached without a proxy, in the form of `NO_PROXY`, as Go reads it.

use std::net::IpAddr;

use reqwest::Url;
use url::Host;

/// A list of hosts. This machine is always one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bypass(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// `*`
    Everything,
    /// `10.0.0.1` or `10.0.0.1:80`
    Address(IpAddr, Option<u16>),
    /// `10.0.0.0/8`
    Network(IpAddr, u8),
    /// `example.com`, `.example.com` or `*.example.com`, each also with a port.
    Domain {
        /// In small letters, with the dot before it.
        suffix: String,
        /// Whether the domain itself is meant too, not only what is below it.
        itself: bool,
        port: Option<u16>,
    },
}

impl Bypass {
    /// Reads a list with commas. What is no host matches nothing.
    pub(super) fn parse(list: &str) -> Self {
        Self(
            list.split(',')
                .filter_map(|entry| Entry::parse(&entry.trim().to_lowercase()))
                .collect(),
        )
    }

    /// Whether requests to `url` go straight to their server.
    pub(super) fn covers(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        let (name, address) = match url.host() {
            None => return true,
            Some(Host::Domain(name)) => (name.trim_end_matches('.').to_lowercase(), None),
            Some(Host::Ipv4(address)) => (String::new(), Some(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => (String::new(), Some(address.to_canonical())),
        };
        if name == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.0.iter().any(|entry| entry.matches(&name, address, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, bits)) = text.split_once('/') {
            let network: IpAddr = network.parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= width(network))?;
            return Some(Self::Network(network, bits));
        }
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        if host.is_empty() {
            return None;
        }
        let itself = !host.starts_with('.');
        let suffix = if itself { format!(".{host}") } else { host.to_owned() };
        Some(Self::Domain { suffix, itself, port })
    }

    fn matches(&self, name: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        match self {
            Self::Everything => true,
            Self::Address(own, own_port) => {
                address == Some(*own) && (own_port.is_none() || *own_port == port)
            }
            Self::Network(network, bits) => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            Self::Domain { suffix, itself, port: own_port } => {
                let is_inside = name.ends_with(suffix) || (*itself && name == &suffix[1..]);
                is_inside && (own_port.is_none() || *own_port == port)
            }
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let shared = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    shared >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, url: &str) -> bool {
        Bypass::parse(list).covers(&url.parse().unwrap())
    }

    #[test]
    fn an_entry_matches_as_in_go() {
        for (list, url, expected) in [
            ("example.com", "http://example.com/", true),
            ("example.com", "http://Loki.Example.com/", true),
            ("example.com", "http://notexample.com/", false),
            (".example.com", "http://example.com/", false),
            (".example.com", "http://loki.example.com/", true),
            ("*.example.com", "http://loki.example.com/", true),
            ("*.example.com", "http://example.com/", false),
            ("loki:3100", "http://loki:3100/", true),
            ("loki:3100", "http://loki:3101/", false),
            ("loki:443", "https://loki/", true),
            ("10.0.0.0/8", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("10.0.0.1", "http://10.0.0.1:3100/", true),
            ("10.0.0.1:80", "http://10.0.0.1:3100/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("[fd12::1]:80", "http://[fd12::1]/", true),
            ("a, *", "http://b/", true),
            ("0.0.0.0/0", "http://b/", false),
            ("", "http://b/", false),
            (",/,:x,.,*.", "http://b/", false),
        ] {
            assert_eq!(covers(list, url), expected, "{list} {url}");
        }
    }

    #[test]
    fn this_machine_never_needs_a_proxy() {
        for url in ["http://localhost/", "http://127.8.9.1:3100/", "https://[::1]/"] {
            assert!(covers("x", url), "{url}");
        }
    }
}
