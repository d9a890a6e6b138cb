//! Addresses in the configuration: a password in one is never printed.

use std::fmt;

use url::Url;

use super::decode::{Value, describe};
use super::finding::Findings;
use super::yaml::{Kind, Node};

/// An `http` or `https` address, or none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HttpUrl(Option<Url>);

/// Why a text is no address. Without the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpUrlError {
    /// Not a URL.
    #[error("not a URL ({cause}); accepted: http://HOST:PORT/PATH or https://HOST:PORT/PATH")]
    Malformed {
        /// What the parser says.
        cause: url::ParseError,
    },
    /// Another protocol.
    #[error("scheme {scheme} is not supported; accepted: http and https")]
    Scheme {
        /// What stands before the colon.
        scheme: String,
    },
}

impl HttpUrl {
    /// Reads an address; an empty text is none.
    ///
    /// # Errors
    /// When the text is no URL, or one of another protocol.
    pub fn parse(text: &str) -> Result<Self, HttpUrlError> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let url = Url::parse(text).map_err(|cause| HttpUrlError::Malformed { cause })?;
        match url.scheme() {
            "http" | "https" => Ok(Self(Some(url))),
            scheme => Err(HttpUrlError::Scheme { scheme: scheme.to_owned() }),
        }
    }

    /// The address with its password, for the one place that connects.
    pub fn get(&self) -> Option<&Url> {
        self.0.as_ref()
    }
}

impl std::str::FromStr for HttpUrl {
    type Err = HttpUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(url) = &self.0 else { return Ok(()) };
        if url.password().is_none() {
            return f.write_str(url.as_str());
        }
        let mut masked = url.clone();
        // fails only where there is no host, and then there was no password
        let _masked = masked.set_password(Some("********"));
        f.write_str(masked.as_str())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for HttpUrl {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        match node.raw_text().map(Self::parse) {
            Some(Ok(url)) => *self = url,
            Some(Err(error)) => findings.error(node, error.to_string()),
            None => findings.error(node, format!("{} where a URL is wanted", describe(node))),
        }
    }

    fn write(&mut self) -> Kind {
        if self.0.is_none() { Kind::Null } else { Kind::text(self.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    #[test]
    fn a_password_is_never_printed() {
        let url = HttpUrl::parse("https://me:hunter2@loki:3100/push?x=1").unwrap();
        assert_eq!(url.to_string(), "https://me:********@loki:3100/push?x=1");
        assert!(!format!("{url:?}").contains("hunter2"));
        assert_eq!(url.get().unwrap().password(), Some("hunter2"));
        for text in ["http://me:hunter2@:x/", "ftp://me:hunter2@host/"] {
            let (errors, _) = read(&mut HttpUrl::default(), text);
            assert!(errors.len() == 1 && !errors[0].contains("hunter2"), "{errors:?}");
        }
    }

    #[test]
    fn only_http_is_accepted_and_nothing_is_no_address() {
        assert_eq!(HttpUrl::parse(""), Ok(HttpUrl::default()));
        assert_eq!(
            HttpUrl::parse("loki:3100").unwrap_err().to_string(),
            "scheme loki is not supported; accepted: http and https"
        );
        assert_eq!(
            HttpUrl::parse("/push").unwrap_err().to_string(),
            "not a URL (relative URL without a base); accepted: http://HOST:PORT/PATH or \
             https://HOST:PORT/PATH"
        );
    }
}
