//! PagerDuty. Every event has a key that makes its repetition harmless.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::bucket::Bucket;
use super::credentials::Credential;
use super::http::{Http, Reply, TlsError};
use super::verdict::{Class, Trouble, accepted, said};
use super::{Job, Shared};
use crate::config::destinations::PagerDuty;
use crate::incident::{Answer, Incident, Kind};
use crate::render::Occasion;
use crate::render::pagerduty::{Action, first_key, internal, louder_key, v1, v2};

/// A key may have about 120 events in a minute; this leaves some to others.
const PAUSE: Duration = Duration::from_millis(600);

/// Events that go at once.
const BURST: u32 = 20;

/// After an answer 429 without `Retry-After`, as PagerDuty advises.
const THROTTLED: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Pager {
    name: String,
    url: String,
    key_file: PathBuf,
    is_v2: bool,
    http: Http,
    shared: Shared,
}

impl Pager {
    pub(super) fn new(name: &str, config: &PagerDuty, shared: &Shared) -> Result<Self, TlsError> {
        let base = config.url.trim_end_matches('/');
        let is_v2 = config.routing_key_file.is_some();
        let key_file = config.routing_key_file.as_ref().or(config.service_key_file.as_ref());
        let path = if is_v2 { "/v2/enqueue" } else { "/generic/2010-04-15/create_event.json" };
        Ok(Self {
            name: name.to_owned(),
            url: format!("{base}{path}"),
            key_file: key_file.cloned().unwrap_or_default(),
            is_v2,
            http: Http::new(None)?,
            shared: shared.clone(),
        })
    }

    fn bucket(&self, key: &Credential) -> Arc<Bucket> {
        self.shared.buckets.of(format!("pagerduty {}", key.digest), PAUSE, BURST)
    }

    async fn key(&self, path: &Path) -> Result<Credential, Trouble> {
        let read = self.shared.credentials.read(path).await;
        read.map_err(|error| Trouble::new(Class::Broken, error.to_string()))
    }

    /// Waits until an event may be sent.
    pub(super) async fn ready(&self) {
        // without a key there is nothing to wait for, and the attempt tells why
        if let Ok(key) = self.key(&self.key_file).await {
            self.bucket(&key).ready().await;
        }
    }

    pub(super) async fn send(&self, job: &Job, occasion: &Occasion<'_>) -> Result<Answer, Trouble> {
        let current = self.key(&self.key_file).await?;
        let Some(incident) = job.incidents.first() else {
            let event = internal(self.is_v2, job.delivery.severity.as_str(), occasion);
            self.call(&current, event).await?;
            return Ok(accepted(None, "", "", &current.digest));
        };
        let receipt = incident.receipts.get(&self.name);
        let opened_with = receipt.filter(|receipt| receipt.credential != current.digest);
        let known =
            opened_with.and_then(|receipt| self.shared.credentials.known(&receipt.credential));
        if opened_with.is_some() && known.is_none() {
            tracing::warn!(
                destination = self.name,
                incident = %incident.id,
                "the key that opened it is not known any more, using the one in the file"
            );
        }
        let key = known.unwrap_or(current);
        let told = receipt.map(|receipt| receipt.place.as_str()).filter(|place| !place.is_empty());
        let told = told.map_or_else(|| first_key(incident), str::to_owned);
        let mut dedup_key = told.clone();
        if job.delivery.kind == Kind::Escalate {
            // a trigger on an open key wakes nobody
            dedup_key = louder_key(incident);
        }
        let action = Action::of(job.delivery.kind);
        self.event(&key, action, &dedup_key, incident, occasion).await?;
        if dedup_key != told {
            self.event(&key, Action::Resolve, &told, incident, occasion).await?;
        }
        Ok(accepted(receipt, &dedup_key, "", &key.digest))
    }

    async fn event(
        &self,
        key: &Credential,
        action: Action,
        dedup_key: &str,
        incident: &Incident,
        occasion: &Occasion<'_>,
    ) -> Result<(), Trouble> {
        let make = if self.is_v2 { v2 } else { v1 };
        self.call(key, make(action, dedup_key, incident, occasion)).await
    }

    async fn call(&self, key: &Credential, mut event: Map<String, Value>) -> Result<(), Trouble> {
        let bucket = self.bucket(key);
        bucket.take().await;
        let name = if self.is_v2 { "routing_key" } else { "service_key" };
        event.insert(name.to_owned(), key.expose().into());
        let body = Value::Object(event).to_string().into_bytes();
        let reply = self.http.post(&self.url, &[], body).await?;
        let Some(mut trouble) = verdict(&reply, self.is_v2) else { return Ok(()) };
        trouble.problem = trouble.problem.replace(key.expose(), "***");
        if trouble.class == Class::Wait {
            bucket.sleep(trouble.pause.unwrap_or_default());
        }
        Err(trouble)
    }
}

/// `None` if it was accepted.
fn verdict(reply: &Reply, is_v2: bool) -> Option<Trouble> {
    let class = match (reply.status, is_v2) {
        (202, true) | (200, false) => return None,
        (429, _) | (403, false) => Class::Wait,
        (408 | 500..=599, _) => Class::Retry,
        (401 | 403 | 404 | 300..=399, _) => Class::Broken,
        (400..=499, _) => Class::Refused,
        // of somebody in between
        _ => Class::Retry,
    };
    let problem = format!("{} {}", reply.status, said(&reply.body));
    let pause = (class == Class::Wait).then_some(THROTTLED);
    Some(Trouble { pause: reply.pause.or(pause), ..Trouble::new(class, problem) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_class() {
        let of = |status, is_v2| {
            let reply = Reply { status, pause: None, body: "said\n so".to_owned() };
            verdict(&reply, is_v2).map(|trouble| trouble.class)
        };
        for (status, expected) in [
            (202, None),
            (400, Some(Class::Refused)),
            (429, Some(Class::Wait)),
            (500, Some(Class::Retry)),
            (503, Some(Class::Retry)),
            (408, Some(Class::Retry)),
            (401, Some(Class::Broken)),
            (403, Some(Class::Broken)),
            (404, Some(Class::Broken)),
            (302, Some(Class::Broken)),
            (413, Some(Class::Refused)),
            // a proxy's page
            (200, Some(Class::Retry)),
        ] {
            assert_eq!(of(status, true), expected, "{status}");
        }
        assert_eq!(of(200, false), None);
        assert_eq!(of(403, false), Some(Class::Wait), "version 1 throttles with 403");
        assert_eq!(of(400, false), Some(Class::Refused));
    }

    #[test]
    fn a_throttled_key_waits_as_it_is_told_or_half_a_minute() {
        let reply = |pause| Reply { status: 429, pause, body: String::new() };
        let asked = Duration::from_secs(3);
        assert_eq!(verdict(&reply(Some(asked)), true).unwrap().pause, Some(asked));
        assert_eq!(verdict(&reply(None), true).unwrap().pause, Some(THROTTLED));
    }
}
