//! Any HTTP server that takes JSON.

use std::path::PathBuf;

use super::http::{Http, Reply, TlsError};
use super::verdict::{Class, Trouble, accepted, said};
use super::{Job, Shared};
use crate::config::destinations::Webhook;
use crate::incident::Answer;
use crate::render::{Occasion, webhook};

#[derive(Debug)]
pub(super) struct Machine {
    name: String,
    url: Option<String>,
    url_file: PathBuf,
    token_file: Option<PathBuf>,
    http: Http,
    shared: Shared,
}

impl Machine {
    pub(super) fn new(name: &str, config: &Webhook, shared: &Shared) -> Result<Self, TlsError> {
        Ok(Self {
            name: name.to_owned(),
            url: config.url.clone(),
            url_file: config.url_file.clone().unwrap_or_default(),
            token_file: config.bearer_token_file.clone(),
            http: Http::new(config.ca_file.as_deref())?,
            shared: shared.clone(),
        })
    }

    pub(super) async fn send(&self, job: &Job, occasion: &Occasion<'_>) -> Result<Answer, Trouble> {
        let read = async |path: &PathBuf| {
            let read = self.shared.credentials.read(path).await;
            read.map_err(|error| Trouble::new(Class::Broken, error.to_string()))
        };
        let url = match &self.url {
            Some(url) => url.clone(),
            None => read(&self.url_file).await?.expose().to_owned(),
        };
        let delivery = job.delivery.id;
        let key = delivery.0.to_string();
        let mut headers = vec![("idempotency-key", key.as_str())];
        let authorization = match &self.token_file {
            Some(path) => Some(format!("Bearer {}", read(path).await?.expose())),
            None => None,
        };
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let body = webhook::body(delivery, &job.incidents, occasion).to_string();
        let reply = self.http.post(&url, &headers, body.into_bytes()).await?;
        let receipt = job.incidents.first().and_then(|one| one.receipts.get(&self.name));
        verdict(&reply).map_or_else(|| Ok(accepted(receipt, "", "", "")), Err)
    }
}

/// `None` if it was accepted.
fn verdict(reply: &Reply) -> Option<Trouble> {
    let class = match reply.status {
        200..=299 => return None,
        429 => Class::Wait,
        408 | 425 | 500..=599 => Class::Retry,
        300..=399 | 401 | 403 | 404 => Class::Broken,
        _ => Class::Refused,
    };
    let problem = format!("{} {}", reply.status, said(&reply.body));
    let is_ambiguous = reply.status >= 500;
    Some(Trouble { pause: reply.pause, is_ambiguous, ..Trouble::new(class, problem) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_class() {
        for (status, expected) in [
            (200, None),
            (204, None),
            (302, Some(Class::Broken)),
            (401, Some(Class::Broken)),
            (404, Some(Class::Broken)),
            (408, Some(Class::Retry)),
            (422, Some(Class::Refused)),
            (429, Some(Class::Wait)),
            (500, Some(Class::Retry)),
        ] {
            let reply = Reply { status, pause: None, body: String::new() };
            assert_eq!(verdict(&reply).map(|trouble| trouble.class), expected, "{status}");
        }
    }
}
