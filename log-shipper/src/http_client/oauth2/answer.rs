//! What a token server's answer says. Its size is limited by whoever reads it.

use std::time::Duration;

use daemon_runtime::secret::Secret;
use serde_json::Value;
use url::form_urlencoded;

/// Characters of an error code that get into an error.
const MAX_CODE: usize = 64;

/// A token.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) access_token: Secret<String>,
    token_type: String,
    /// `None` where the answer has none, or zero: the token never expires.
    pub(super) lifetime: Option<Duration>,
}

impl Grant {
    /// The scheme before the token, in the spelling that servers expect.
    pub(super) fn scheme(&self) -> &str {
        match self.token_type.as_str() {
            "" => "Bearer",
            own if own.eq_ignore_ascii_case("bearer") => "Bearer",
            own if own.eq_ignore_ascii_case("mac") => "MAC",
            own if own.eq_ignore_ascii_case("basic") => "Basic",
            own => own,
        }
    }
}

/// Reads an answer in JSON, or as a form where its type says so.
pub(super) fn grant(content_type: &str, body: &[u8]) -> Result<Grant, &'static str> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = matches!(media_type, "application/x-www-form-urlencoded" | "text/plain");
    let text = |name: &str| -> Result<Option<String>, &'static str> {
        if is_form {
            let mut pairs = form_urlencoded::parse(body);
            return Ok(pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()));
        }
        let answer: Value = serde_json::from_slice(body).map_err(|_| "it is no JSON")?;
        Ok(match answer.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            // some servers write the seconds as a text, so both are read alike
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        })
    };
    let access_token = text("access_token")?.filter(|token| !token.is_empty());
    let access_token = access_token.ok_or("access_token is missing")?.into();
    let seconds = text("expires_in")?.and_then(|text| text.trim().parse::<f64>().ok());
    let lifetime = seconds
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Grant { access_token, token_type: text("token_type")?.unwrap_or_default(), lifetime })
}

/// `error` of a refusal, if it looks like a code.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let code = answer.get("error")?.as_str()?;
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_short = !code.is_empty() && code.len() <= MAX_CODE;
    (is_short && code.bytes().all(is_code)).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_from_json_and_from_forms() {
        let json = |text: &str| grant("application/json", text.as_bytes()).unwrap();
        let full = json(r#"{"access_token":"a","token_type":"bearer","expires_in":3600}"#);
        assert_eq!((full.scheme(), full.access_token.expose().as_str()), ("Bearer", "a"));
        assert_eq!(full.lifetime, Some(Duration::from_hours(1)));
        let text = json(r#"{"access_token":"a","token_type":"Own","expires_in":"60"}"#);
        assert_eq!((text.scheme(), text.lifetime), ("Own", Some(Duration::from_mins(1))));
        for without_end in [r#"{"access_token":"a"}"#, r#"{"access_token":"a","expires_in":0}"#] {
            assert_eq!(json(without_end).lifetime, None);
        }
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let form = grant(form, b"access_token=a%2Bb&expires_in=60").unwrap();
        assert_eq!(form.access_token.expose(), "a+b");
        assert_eq!(form.lifetime, Some(Duration::from_mins(1)));
    }

    #[test]
    fn answers_without_a_token_say_why() {
        assert_eq!(grant("", b"<html>").unwrap_err(), "it is no JSON");
        assert_eq!(grant("", b"{}").unwrap_err(), "access_token is missing");
        assert_eq!(grant("", br#"{"access_token":""}"#).unwrap_err(), "access_token is missing");
        // a lifetime that no clock can hold is none
        let huge = grant("", br#"{"access_token":"a","expires_in":1e300}"#).unwrap();
        assert_eq!(huge.lifetime, None);
    }

    #[test]
    fn only_codes_are_taken_from_a_refusal() {
        let code = |text: &str| error_code(text.as_bytes());
        assert_eq!(code(r#"{"error":"invalid_client"}"#).as_deref(), Some("invalid_client"));
        assert_eq!(code(r#"{"error":"your secret Hunter2 is wrong"}"#), None);
        assert_eq!(code("<html>"), None);
    }
}
