//! Who may send: bearer tokens and passwords from files, which are read again when they change.
//!
//! All of them are looked at, each in constant time, so that an answer's time says nothing of them.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use daemon_runtime::secret::{SecretFile, SecretFileError};
use instrumentation::json_log::ErrorChain;
use instrumentation::rate_limit::Repeated;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::config::inputs::Receive;

/// Why there are no credentials to hold requests against.
#[derive(Debug, thiserror::Error)]
#[error("{place}")]
pub struct CredentialsError {
    /// The key of the configuration.
    place: String,
    /// What is wrong with its file.
    #[source]
    cause: SecretFileError,
}

/// Tokens and passwords. Without any, everybody may send.
#[derive(Debug)]
pub struct Credentials {
    tokens: Vec<SecretFile>,
    users: Vec<(String, SecretFile)>,
}

static UNREADABLE: Repeated = Repeated::every(Duration::from_mins(1));

impl Credentials {
    /// Reads the files of a configuration.
    ///
    /// # Errors
    /// One of them holds no secret.
    pub fn open(config: &Receive) -> Result<Self, CredentialsError> {
        let open = |place: String, path: &std::path::Path| {
            SecretFile::open(path).map_err(|cause| CredentialsError { place, cause })
        };
        let tokens = config.bearer_token_files.iter().enumerate();
        let users = config.basic.iter().enumerate();
        Ok(Self {
            tokens: tokens
                .map(|(index, path)| open(format!("receive.bearer_token_files[{index}]"), path))
                .collect::<Result<_, _>>()?,
            users: users
                .map(|(index, user)| {
                    let place = format!("receive.basic[{index}].password_file");
                    Ok((user.username.clone(), open(place, &user.password_file)?))
                })
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether these headers are those of somebody who may send. Looks at the files at most once a
    /// second.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.tokens.is_empty() && self.users.is_empty() {
            return true;
        }
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, told)) = value.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let told = told.trim_start();
        if scheme.eq_ignore_ascii_case("bearer") {
            let same = self.tokens.iter().map(|file| same(told, &[&secret(file)]));
            same.fold(Choice::from(0), |any, same| any | same).into()
        } else if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(told).ok().and_then(|told| String::from_utf8(told).ok());
            let Some(told) = decoded else { return false };
            let same =
                self.users.iter().map(|(user, file)| same(&told, &[user, ":", &secret(file)]));
            same.fold(Choice::from(0), |any, same| any | same).into()
        } else {
            false
        }
    }
}

/// Digests have one length, so that not even that of the secret is told.
fn same(told: &str, parts: &[&str]) -> Choice {
    let mut expected = Sha256::new();
    for part in parts {
        expected.update(part);
    }
    Sha256::digest(told)[..].ct_eq(&expected.finalize()[..])
}

fn secret(file: &SecretFile) -> String {
    let reading = file.read();
    if let Some(problem) = reading.problem
        && let Some(suppressed) = UNREADABLE.admit(Instant::now())
    {
        let error = ErrorChain(&problem);
        tracing::warn!(%error, suppressed, "credentials cannot be read, those before stay in force");
    }
    reading.secret.expose().clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::inputs::BasicUser;

    fn credentials(folder: &std::path::Path) -> Credentials {
        for (name, text) in [("new", "n3w\n"), ("old", "0ld"), ("password", "p:w")] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        Credentials::open(&Receive {
            bearer_token_files: vec![folder.join("new"), folder.join("old")],
            basic: vec![BasicUser {
                username: "am".to_owned(),
                password_file: folder.join("password"),
            }],
            ..Receive::default()
        })
        .unwrap()
    }

    fn admits(credentials: &Credentials, value: &str) -> bool {
        let headers = [(header::AUTHORIZATION, value.parse().unwrap())];
        credentials.admit(&HeaderMap::from_iter(headers))
    }

    #[test]
    fn any_token_and_any_user_is_admitted_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = credentials(folder.path());
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for good in ["Bearer n3w", "bearer 0ld", &basic("am:p:w")] {
            assert!(admits(&credentials, good), "{good}");
        }
        for bad in [
            "Bearer n3w2",
            "Bearer n3",
            "Bearer ",
            "n3w",
            "Basic n3w",
            "Digest n3w",
            "Bearer p:w",
            &basic("am:n3w"),
            &basic("am"),
            &basic("a:m:p:w"),
        ] {
            assert!(!admits(&credentials, bad), "{bad}");
        }
        assert!(!credentials.admit(&HeaderMap::new()));
        let open = Credentials::open(&Receive::default()).unwrap();
        assert!(open.admit(&HeaderMap::new()));
    }

    #[test]
    fn a_file_that_is_not_there_is_told_with_its_key() {
        let files = vec!["/nonexistent/token".into()];
        let config = Receive { bearer_token_files: files, ..Receive::default() };
        let error = Credentials::open(&config).unwrap_err();
        let shown = ErrorChain(&error).to_string();
        assert!(shown.starts_with("receive.bearer_token_files[0]: cannot read"), "{shown}");
    }
}
