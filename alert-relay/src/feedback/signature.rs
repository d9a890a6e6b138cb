//! Signatures of requests: HMAC-SHA256 in hexadecimal over the raw bytes, compared in constant time.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::HeaderMap;
use daemon_runtime::secret::SecretFile;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::time::Moment;

/// How far Slack's clock may be from ours.
const WINDOW: Duration = Duration::from_mins(5);

/// Signatures of the last minutes that are remembered: 320 KiB. Only Slack itself can fill it.
const REMEMBERED: usize = 10_000;

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A header is missing or not of its form.
    #[error("no signature, or not of the known form")]
    Missing,
    /// It was signed too long ago, or is from the future.
    #[error("signed more than {} s away from now", WINDOW.as_secs())]
    Stale,
    /// Another secret, or another body.
    #[error("signature does not fit")]
    Wrong,
    /// The same request again.
    #[error("came before")]
    Replayed,
    /// More requests than can be remembered.
    #[error("more than {REMEMBERED} requests in {} s", WINDOW.as_secs())]
    TooMany,
}

/// Slack's signatures that were seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// With the time after which it is stale anyway; the oldest first.
    signatures: VecDeque<(Moment, [u8; 32])>,
}

impl Seen {
    fn admit(&mut self, signature: [u8; 32], now: Moment) -> Result<(), SignatureError> {
        // a clock that was set back empties the memory later, never sooner
        while self.signatures.front().is_some_and(|(until, _)| *until < now) {
            self.signatures.pop_front();
        }
        if self.signatures.iter().any(|(_, seen)| *seen == signature) {
            return Err(SignatureError::Replayed);
        }
        if self.signatures.len() >= REMEMBERED {
            return Err(SignatureError::TooMany);
        }
        // one from the future can come again for twice the window
        self.signatures.push_back((now.after(2 * WINDOW), signature));
        Ok(())
    }
}

fn fits(secret: &str, parts: &[&[u8]], signature: &[u8; 32]) -> bool {
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    for part in parts {
        hmac.update(part);
    }
    hmac.verify_slice(signature).is_ok()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, SignatureError> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or(SignatureError::Missing)
}

/// Slack's `v0`: over version, time and body.
pub(super) fn slack(
    secret: &SecretFile,
    headers: &HeaderMap,
    body: &[u8],
    seen: &mut Seen,
    now: Moment,
) -> Result<(), SignatureError> {
    let stamp = header(headers, "x-slack-request-timestamp")?;
    let seconds: i64 = stamp.parse().map_err(|_| SignatureError::Missing)?;
    let signature = header(headers, "x-slack-signature")?.strip_prefix("v0=").and_then(from_hex);
    let signature = signature.ok_or(SignatureError::Missing)?;
    let signed_at = Moment::from_millis(seconds.saturating_mul(1000));
    if now.since(signed_at).max(signed_at.since(now)) > WINDOW {
        return Err(SignatureError::Stale);
    }
    let parts = [b"v0:", stamp.as_bytes(), b":", body];
    if !fits(secret.read().secret.expose(), &parts, &signature) {
        return Err(SignatureError::Wrong);
    }
    seen.admit(signature, now)
}

/// PagerDuty's `v1`, of which there are several while a secret is replaced.
pub(super) fn pagerduty(
    secrets: &[SecretFile],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), SignatureError> {
    let listed = header(headers, "x-pagerduty-signature")?;
    let signatures: Vec<[u8; 32]> = listed
        .split(',')
        // PagerDuty sends one for each secret; a longer list only costs time
        .take(8)
        .filter_map(|one| one.trim().strip_prefix("v1=").and_then(from_hex))
        .collect();
    if signatures.is_empty() {
        return Err(SignatureError::Missing);
    }
    let is_known = secrets.iter().any(|secret| {
        let secret = secret.read().secret;
        signatures.iter().any(|signature| fits(secret.expose(), &[body], signature))
    });
    if is_known { Ok(()) } else { Err(SignatureError::Wrong) }
}

#[cfg(test)]
pub(super) fn sign(secret: &str, parts: &[&[u8]]) -> String {
    use std::fmt::Write as _;

    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in parts {
        hmac.update(part);
    }
    hmac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_signatures_is_bounded_and_forgets_what_is_stale() {
        let mut seen = Seen::default();
        let now = Moment::from_millis(0);
        let signature = |number: usize| {
            let mut signature = [0; 32];
            signature[..8].copy_from_slice(&number.to_le_bytes());
            signature
        };
        for number in 0..REMEMBERED {
            assert_eq!(seen.admit(signature(number), now), Ok(()));
        }
        assert_eq!(seen.admit(signature(0), now), Err(SignatureError::Replayed));
        assert_eq!(seen.admit(signature(REMEMBERED), now), Err(SignatureError::TooMany));
        let later = now.after(2 * WINDOW + Duration::from_millis(1));
        assert_eq!(seen.admit(signature(0), later), Ok(()));
        assert_eq!(seen.signatures.len(), 1);
    }
}
