//! `oauth2`: tokens by client credentials, fetched before they are needed and shared by all requests.
//!
//! Only codes from the server's answers get into errors: an answer may repeat a secret.

mod answer;

use std::fmt;
use std::time::Duration;

use daemon_runtime::secret::Secret;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, StatusCode, Url};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded;

use super::credentials::{Credential, basic, sensitive};
use super::transport::{Settings, Transport};
use super::{ConnectError, Environment, Place, SendError};
use crate::config::http_client::OAuth2;
use crate::config::http_url::HttpUrl;

/// A token is renewed this long before it expires, as Go's client does.
const EARLIER: Duration = Duration::from_secs(10);

/// For a token where requests themselves have no limit.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// Why there is no token. The next request tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The server cannot be reached, or the request for a token cannot be written.
    #[error("no answer from {host}")]
    NoAnswer {
        /// Host of `token_url`.
        host: String,
        /// Why.
        #[source]
        cause: Box<SendError>,
    },
    /// Any status that is not a success.
    #[error("{host} answered {status}{code}")]
    Refused {
        /// Host of `token_url`.
        host: String,
        /// The status.
        status: StatusCode,
        /// `error` of the answer after a colon, where it has one.
        code: String,
    },
    /// An answer without a token.
    #[error("{host} answered without a token: {problem}")]
    NoToken {
        /// Host of `token_url`.
        host: String,
        /// What is wrong with the answer.
        problem: &'static str,
    },
}

/// How the server takes the client's credentials; found out at the first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// As user and password in `Authorization`.
    Header,
    /// As parameters of the form.
    Form,
}

/// Where tokens come from.
pub(super) struct TokenSource {
    transport: Transport,
    url: Url,
    host: String,
    client_id: String,
    client_secret: Option<Credential>,
    /// Everything but the credentials.
    parameters: Vec<(String, Secret<String>)>,
    /// Held while a token is fetched, so that many requests need one.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    style: Option<Style>,
    token: Option<Token>,
}

struct Token {
    value: HeaderValue,
    /// What it was fetched with: a new secret needs a new token.
    client_secret: Secret<String>,
    /// `None`: it never expires.
    expires: Option<Instant>,
}

impl Token {
    fn is_usable(&self, now: Instant, client_secret: &str) -> bool {
        let is_fresh = self.expires.is_none_or(|expires| now + EARLIER < expires);
        is_fresh && self.client_secret.expose() == client_secret
    }
}

impl TokenSource {
    pub(super) fn new(
        config: &OAuth2,
        owner: &str,
        timeout: Option<Duration>,
        environment: &Environment,
    ) -> Result<Self, ConnectError> {
        let place = Place { owner: owner.to_owned(), prefix: "oauth2." };
        let url = HttpUrl::parse(&config.token_url)
            .map_err(|error| place.value("token_url", error.to_string()))?;
        let url = url.get().ok_or_else(|| place.value("token_url", "must be set"))?.clone();
        let settings = Settings {
            tls: &config.tls_config,
            proxy: &config.proxy,
            follow_redirects: true,
            timeout: Some(timeout.unwrap_or(DEFAULT_TIMEOUT)),
            server: &url,
            socket: None,
        };
        let transport = Transport::new(&settings, &place, environment)?;
        let secret = config.client_secret.expose();
        let client_secret =
            Credential::new(&place, "client_secret_file", secret, &config.client_secret_file)?;
        let mut parameters = Vec::new();
        if !config.endpoint_params.contains_key("grant_type") {
            parameters.push(("grant_type".to_owned(), "client_credentials".to_owned().into()));
        }
        if !config.scopes.is_empty() {
            parameters.push(("scope".to_owned(), config.scopes.join(" ").into()));
        }
        for (name, value) in &config.endpoint_params {
            if name == "scope" && !config.scopes.is_empty() {
                return Err(place.value("endpoint_params", "has scope, which scopes sets already"));
            }
            parameters.push((name.clone(), value.clone()));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let state = Mutex::default();
        let client_id = config.client_id.clone();
        Ok(Self { transport, url, host, client_id, client_secret, parameters, state })
    }

    /// The value of `Authorization`, fetched if there is none, it is about to expire, or it is the
    /// one that a server has `rejected`.
    pub(super) async fn token(
        &self,
        rejected: Option<&HeaderValue>,
    ) -> Result<HeaderValue, TokenError> {
        let mut state = self.state.lock().await;
        let secret = self.client_secret.as_ref().map(Credential::read).unwrap_or_default();
        if let Some(token) = &state.token
            && token.is_usable(Instant::now(), &secret)
            && rejected != Some(&token.value)
        {
            return Ok(token.value.clone());
        }
        let fetched = match state.style {
            Some(style) => self.fetch(style, &secret).await?,
            None => match self.fetch(Style::Header, &secret).await {
                // some servers take the credentials in the form only, and say so in many ways
                Err(TokenError::Refused { status, .. }) if status.is_client_error() => {
                    let token = self.fetch(Style::Form, &secret).await?;
                    state.style = Some(Style::Form);
                    token
                }
                other => {
                    let token = other?;
                    state.style = Some(Style::Header);
                    token
                }
            },
        };
        let value = fetched.value.clone();
        state.token = Some(fetched);
        Ok(value)
    }

    async fn fetch(&self, style: Style, secret: &str) -> Result<Token, TokenError> {
        let no_answer =
            |cause| TokenError::NoAnswer { host: self.host.clone(), cause: Box::new(cause) };
        let asked = Instant::now();
        let request = self.request(style, secret).map_err(no_answer)?;
        let mut answer = self.transport.send(request).await.map_err(no_answer)?;
        let status = answer.status();
        let header = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = header.unwrap_or_default().to_owned();
        let mut body = Vec::new();
        while let Some(piece) = answer
            .chunk()
            .await
            .map_err(|cause| no_answer(SendError::NoAnswer { cause: cause.without_url() }))?
        {
            body.extend_from_slice(&piece);
            if body.len() > MAX_ANSWER {
                return Err(self.no_token("it is longer than 1 MiB"));
            }
        }
        if !status.is_success() {
            let code = answer::error_code(&body).map(|code| format!(": {code}"));
            let (host, code) = (self.host.clone(), code.unwrap_or_default());
            return Err(TokenError::Refused { host, status, code });
        }
        let grant =
            answer::grant(&content_type, &body).map_err(|problem| self.no_token(problem))?;
        let value = format!("{} {}", grant.scheme(), grant.access_token.expose());
        let value = sensitive(&value, "Authorization")
            .map_err(|_| self.no_token("the token has characters that no header may have"))?;
        let expires = grant.lifetime.and_then(|lifetime| asked.checked_add(lifetime));
        Ok(Token { value, client_secret: secret.to_owned().into(), expires })
    }

    fn no_token(&self, problem: &'static str) -> TokenError {
        TokenError::NoToken { host: self.host.clone(), problem }
    }

    fn request(&self, style: Style, secret: &str) -> Result<Request, SendError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.parameters {
            form.append_pair(name, value.expose());
        }
        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, kind);
        if style == Style::Header {
            let escape = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let (user, password): (String, String) = (escape(&self.client_id), escape(secret));
            headers.insert(AUTHORIZATION, sensitive(&basic(&user, &password), "Authorization")?);
        } else {
            form.append_pair("client_id", &self.client_id);
            if !secret.is_empty() {
                form.append_pair("client_secret", secret);
            }
        }
        *request.body_mut() = Some(form.finish().into());
        Ok(request)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("host", &self.host).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_shortly_before_it_expires_and_with_a_new_secret() {
        let now = Instant::now();
        let expires = Some(now + Duration::from_mins(1));
        let value = HeaderValue::from_static("Bearer a");
        let token = Token { value, client_secret: "s".to_owned().into(), expires };
        assert!(token.is_usable(now + Duration::from_secs(49), "s"));
        assert!(!token.is_usable(now + Duration::from_secs(50), "s"));
        assert!(!token.is_usable(now, "other"));
        assert!(Token { expires: None, ..token }.is_usable(now + Duration::from_hours(9999), "s"));
    }
}
