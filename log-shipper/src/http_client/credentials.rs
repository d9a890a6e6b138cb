//! Credentials of requests, from the configuration or from files that may change.

use std::time::Duration;

use daemon_runtime::secret::{Secret, SecretFile};
use instrumentation::json_log::ErrorChain;
use percent_encoding::percent_decode_str;
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::oauth2::TokenSource;
use super::{ConnectError, Environment, Place, SendError};
use crate::config::http_client::HttpClient;

/// A value that is in the configuration, or in a file that may change.
#[derive(Debug)]
pub(super) enum Credential {
    /// In the configuration.
    Inline(Secret<String>),
    /// Read again when the file changes.
    File(SecretFile),
}

impl Credential {
    /// None where neither is set. The file is read, so that a wrong path is known at the start.
    pub(super) fn new(
        place: &Place,
        key: &str,
        inline: &str,
        path: &str,
    ) -> Result<Option<Self>, ConnectError> {
        if path.is_empty() {
            let inline = (!inline.is_empty()).then(|| Secret::new(inline.to_owned()));
            return Ok(inline.map(Self::Inline));
        }
        let error =
            |cause| ConnectError::Secret { owner: place.owner.clone(), key: place.key(key), cause };
        SecretFile::open(path).map(|file| Some(Self::File(file))).map_err(error)
    }

    /// The last good value where a file cannot be read any more: it may still be right.
    pub(super) fn read(&self) -> String {
        match self {
            Self::Inline(secret) => secret.expose().clone(),
            Self::File(file) => {
                let reading = file.read();
                if let Some(problem) = &reading.problem {
                    tracing::warn!(error = %ErrorChain(problem), "secret cannot be read again, using the last one");
                }
                reading.secret.expose().clone()
            }
        }
    }
}

/// How requests are authorised.
#[derive(Debug)]
pub(super) enum Authorization {
    /// Not at all, unless the URL has a user.
    None,
    /// User and password.
    Basic { username: Option<Credential>, password: Option<Credential> },
    /// A token, with the scheme that stands before it.
    Token { scheme: String, credentials: Credential },
    /// A token that is fetched.
    OAuth2(Box<TokenSource>),
}

impl Authorization {
    pub(super) fn new(
        http: &HttpClient,
        owner: &str,
        timeout: Option<Duration>,
        environment: &Environment,
    ) -> Result<Self, ConnectError> {
        let place = Place { owner: owner.to_owned(), prefix: "" };
        let credential = |key, inline: &str, path: &str| Credential::new(&place, key, inline, path);
        if let Some(oauth2) = &http.oauth2 {
            return TokenSource::new(oauth2, owner, timeout, environment)
                .map(|tokens| Self::OAuth2(Box::new(tokens)));
        }
        if let Some(basic) = &http.basic_auth {
            let key = "basic_auth.username_file";
            let username = credential(key, &basic.username, &basic.username_file)?;
            let key = "basic_auth.password_file";
            let password = credential(key, basic.password.expose(), &basic.password_file)?;
            return Ok(Self::Basic { username, password });
        }
        let (scheme, found) = if let Some(own) = &http.authorization {
            let key = "authorization.credentials_file";
            (own.scheme.clone(), credential(key, own.credentials.expose(), &own.credentials_file)?)
        } else {
            let (inline, file) = (http.bearer_token.expose(), &http.bearer_token_file);
            ("Bearer".to_owned(), credential("bearer_token_file", inline, file)?)
        };
        Ok(found.map_or(Self::None, |credentials| Self::Token { scheme, credentials }))
    }

    /// What the request has already wins, then user and password of its URL, as in Go's client.
    pub(super) fn add_to(&self, request: &mut Request) -> Result<(), SendError> {
        if request.headers().contains_key(AUTHORIZATION) {
            return Ok(());
        }
        let url = request.url();
        let value = if !url.username().is_empty() || url.password().is_some() {
            let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            basic(&decode(url.username()), &decode(url.password().unwrap_or_default()))
        } else {
            match self {
                Self::None | Self::OAuth2(_) => return Ok(()),
                Self::Basic { username, password } => {
                    let username = username.as_ref().map(Credential::read).unwrap_or_default();
                    let password = password.as_ref().map(Credential::read).unwrap_or_default();
                    basic(&username, &password)
                }
                Self::Token { scheme, credentials } => format!("{scheme} {}", credentials.read()),
            }
        };
        request.headers_mut().insert(AUTHORIZATION, sensitive(&value, "Authorization")?);
        Ok(())
    }
}

/// The value of `Authorization` for a user and a password.
pub(super) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{username}:{password}").as_bytes()))
}

/// A header's value that `Debug` does not show.
pub(super) fn sensitive(value: &str, header: &str) -> Result<HeaderValue, SendError> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| SendError::InvalidHeader { header: header.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let six = (bits >> (18 - 6 * place)) & 0x3f;
            let is_padding = place > group.len();
            text.push(if is_padding { '=' } else { char::from(ALPHABET[six as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_written_as_in_the_standards_example() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!([base64(b""), base64(b"f"), base64(b"foo")], ["", "Zg==", "Zm9v"]);
    }

    #[test]
    fn a_request_keeps_its_own_authorization_and_a_users_url_wins_over_the_configuration() {
        let configured = Authorization::Token {
            scheme: "Bearer".to_owned(),
            credentials: Credential::Inline(Secret::new("t0ken".to_owned())),
        };
        let sent = |url: &str, own: Option<&'static str>| {
            let mut request = Request::new(reqwest::Method::GET, url.parse().unwrap());
            if let Some(own) = own {
                request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(own));
            }
            configured.add_to(&mut request).unwrap();
            request.headers()[AUTHORIZATION].to_str().unwrap().to_owned()
        };
        assert_eq!(sent("http://loki/", Some("Mine 1")), "Mine 1");
        assert_eq!(sent("http://a:b%40c@loki/", None), basic("a", "b@c"));
        assert_eq!(sent("http://loki/", None), "Bearer t0ken");
    }
}
