//! Slack by an incoming webhook: only new messages, and an answer that says little.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::bucket::Bucket;
use super::http::{Http, Reply, TlsError};
use super::slack::message_of;
use super::verdict::{Class, Trouble, accepted, said};
use super::{Job, Shared};
use crate::config::destinations::SlackWebhook;
use crate::incident::Answer;
use crate::render::Occasion;
use crate::render::slack::{Message, without_blocks};

#[derive(Debug)]
pub(super) struct Hook {
    name: String,
    url_file: PathBuf,
    bucket: Arc<Bucket>,
    http: Http,
    shared: Shared,
}

impl Hook {
    pub(super) fn new(
        name: &str,
        config: &SlackWebhook,
        shared: &Shared,
    ) -> Result<Self, TlsError> {
        let bucket = format!("slack webhook {}", config.url_file.display());
        Ok(Self {
            name: name.to_owned(),
            url_file: config.url_file.clone(),
            bucket: shared.buckets.of(bucket, Duration::from_secs(1), 3),
            http: Http::new(None)?,
            shared: shared.clone(),
        })
    }

    pub(super) async fn ready(&self) {
        self.bucket.ready().await;
    }

    pub(super) async fn send(&self, job: &Job, occasion: &Occasion<'_>) -> Result<Answer, Trouble> {
        let message = message_of(job, occasion, true);
        let sent = match self.post(&message).await {
            Err(trouble) if trouble.class == Class::Format => {
                tracing::warn!(
                    destination = self.name,
                    delivery = job.delivery.id.0,
                    problem = trouble.problem,
                    "message refused for its form, sending it as text alone"
                );
                self.post(&without_blocks(&message, &job.incidents, occasion)).await
            }
            other => other,
        };
        let receipt = job.incidents.first().and_then(|one| one.receipts.get(&self.name));
        sent.map(|()| accepted(receipt, "", "", ""))
    }

    async fn post(&self, message: &Message) -> Result<(), Trouble> {
        let read = self.shared.credentials.read(&self.url_file).await;
        let url = read.map_err(|error| Trouble::new(Class::Broken, error.to_string()))?;
        self.bucket.take().await;
        let body = json!({
            "text": message.text,
            "mrkdwn": false,
            "attachments": message.attachments,
        });
        let reply = self.http.post(url.expose(), &[], body.to_string().into_bytes()).await?;
        let Some(trouble) = verdict(&reply) else { return Ok(()) };
        if trouble.class == Class::Wait {
            self.bucket.sleep(trouble.pause.unwrap_or(Duration::from_secs(1)));
        }
        Err(trouble)
    }
}

/// `None` if it was accepted: 200 with the body `ok`, and nothing else.
fn verdict(reply: &Reply) -> Option<Trouble> {
    let body = reply.body.trim();
    let class = match (reply.status, body) {
        (200, "ok") => return None,
        (429, _) => Class::Wait,
        (200..=299 | 408 | 500..=599, _) => Class::Retry,
        (
            _,
            "user_not_found"
            | "action_prohibited"
            | "channel_not_found"
            | "no_service"
            | "channel_is_archived"
            | "no_team"
            | "team_disabled"
            | "invalid_token",
        )
        | (300..=399 | 401 | 403 | 404 | 410, _) => Class::Broken,
        (400, _) => Class::Format,
        _ => Class::Refused,
    };
    // what is no answer of Slack, or a failure inside of it, says nothing about the message
    let is_ambiguous = class == Class::Retry;
    let problem = format!("{} {}", reply.status, said(body));
    Some(Trouble { pause: reply.pause, is_ambiguous, ..Trouble::new(class, problem) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_class() {
        for (status, body, expected) in [
            (200, "ok", None),
            (200, "<html>log in</html>", Some(Class::Retry)),
            (400, "invalid_payload", Some(Class::Format)),
            (400, "user_not_found", Some(Class::Broken)),
            (403, "action_prohibited", Some(Class::Broken)),
            (404, "channel_not_found", Some(Class::Broken)),
            (404, "no_service", Some(Class::Broken)),
            (410, "channel_is_archived", Some(Class::Broken)),
            (429, "rate_limited", Some(Class::Wait)),
            (500, "rollup_error", Some(Class::Retry)),
            (302, "", Some(Class::Broken)),
        ] {
            let reply = Reply { status, pause: None, body: body.to_owned() };
            assert_eq!(verdict(&reply).map(|trouble| trouble.class), expected, "{status} {body}");
        }
    }
}
