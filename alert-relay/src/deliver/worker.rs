//! The loop of one destination: wait for the pace, take a message, send it, tell what became of it.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::http::TlsError;
use super::mail::Postman;
use super::pagerduty::Pager;
use super::slack::Chat;
use super::slack_webhook::Hook;
use super::verdict::{Class, Trouble};
use super::webhook::Machine;
use super::{Job, Shared, Work};
use crate::config::Config;
use crate::config::destinations::{Destination, Target};
use crate::incident::{Answer, Kind};
use crate::render::Occasion;
use crate::time::Moment;

/// Messages that one destination is sent at the same time: a call that hangs must not stop the rest.
const PARALLEL: usize = 4;

/// After so many attempts that ended in a panic, a message is given up.
const MAX_PANICS: u32 = 2;

/// Why a destination cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliverError {
    /// A value of the configuration.
    #[error("destination {destination}: {key}: {problem}")]
    Value {
        /// Which destination.
        destination: String,
        /// Which of its keys.
        key: String,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// Its TLS.
    #[error("destination {destination}")]
    Tls {
        /// Which destination.
        destination: String,
        /// Why.
        #[source]
        cause: TlsError,
    },
}

/// Sends the messages of one destination.
#[derive(Debug)]
pub struct Worker {
    name: String,
    external_url: Option<String>,
    has_buttons: bool,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Pager(Pager),
    Chat(Chat),
    Hook(Hook),
    Mail(Box<Postman>),
    Machine(Machine),
}

impl Worker {
    pub(super) fn new(
        destination: &Destination,
        config: &Config,
        shared: &Shared,
    ) -> Result<Self, DeliverError> {
        let name = destination.name.as_str();
        let failed = |cause| DeliverError::Tls { destination: name.to_owned(), cause };
        let way = match destination.target() {
            Some(Target::PagerDuty(keys)) => Pager::new(name, keys, shared).map(Way::Pager),
            Some(Target::Slack(keys)) => Chat::new(name, keys, shared).map(Way::Chat),
            Some(Target::SlackWebhook(keys)) => Hook::new(name, keys, shared).map(Way::Hook),
            Some(Target::Webhook(keys)) => Machine::new(name, keys, shared).map(Way::Machine),
            Some(Target::Email(keys)) => Ok(Way::Mail(Box::new(Postman::new(name, keys, shared)?))),
            None => {
                return Err(DeliverError::Value {
                    destination: name.to_owned(),
                    key: "kind".to_owned(),
                    problem: "needs exactly one of pagerduty, slack, slack_webhook, email, webhook"
                        .to_owned(),
                });
            }
        };
        Ok(Self {
            name: name.to_owned(),
            external_url: config.external_url.clone(),
            has_buttons: config.receive.slack_signing_secret_file.is_some(),
            way: way.map_err(failed)?,
        })
    }

    /// The destination.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends until there is no more work. What is being sent when this is dropped is sent again
    /// after a restart.
    pub async fn run<W: Work>(self: Arc<Self>, work: Arc<W>) {
        let mut loops = JoinSet::new();
        for _ in 0..PARALLEL {
            let (worker, work) = (Arc::clone(&self), Arc::clone(&work));
            loops.spawn(async move { worker.one_after_another(&work).await });
        }
        while loops.join_next().await.is_some() {}
    }

    async fn one_after_another<W: Work>(self: &Arc<Self>, work: &Arc<W>) {
        loop {
            match &self.way {
                Way::Pager(pager) => pager.ready().await,
                Way::Chat(chat) => chat.ready().await,
                Way::Hook(hook) => hook.ready().await,
                Way::Mail(_) | Way::Machine(_) => {}
            }
            let Some(job) = work.next(&self.name).await else { return };
            let (id, attempts) = (job.delivery.id, job.delivery.attempts);
            if !self.is_idempotent(&job) && !work.started(id).await {
                continue;
            }
            // in a task of its own, so that a panic costs one message one attempt
            let mut attempt = JoinSet::new();
            let worker = Arc::clone(self);
            attempt.spawn(async move { worker.attempt(&job).await });
            let answer = match attempt.join_next().await {
                Some(Ok(answer)) => answer,
                _ if attempts + 1 < MAX_PANICS => {
                    let trouble = Trouble::new(Class::Retry, "the attempt panicked");
                    Trouble { is_ambiguous: true, ..trouble }.answer(attempts)
                }
                _ => Answer::Refused { problem: "the attempt panicked".to_owned() },
            };
            work.answered(id, answer).await;
        }
    }

    /// Whether nobody sees it if it is sent twice.
    fn is_idempotent(&self, job: &Job) -> bool {
        match &self.way {
            Way::Pager(_) | Way::Mail(_) => true,
            Way::Chat(chat) => chat.is_idempotent(job),
            Way::Hook(_) | Way::Machine(_) => false,
        }
    }

    /// Makes one attempt; what it came to.
    pub async fn attempt(&self, job: &Job) -> Answer {
        let delivery = &job.delivery;
        if job.incidents.is_empty() && delivery.kind != Kind::Internal {
            return Answer::Refused { problem: "its incident is not known any more".to_owned() };
        }
        let is_hook = matches!(self.way, Way::Hook(_));
        let occasion = Occasion {
            kind: delivery.kind,
            text: &delivery.text,
            now: Moment::now(),
            external_url: self.external_url.as_deref(),
            is_repeat: is_hook && delivery.ambiguous_since.is_some(),
            has_buttons: self.has_buttons && !is_hook,
        };
        let sent = match &self.way {
            Way::Pager(pager) => pager.send(job, &occasion).await,
            Way::Chat(chat) => chat.send(job, &occasion).await,
            Way::Hook(hook) => hook.send(job, &occasion).await,
            Way::Mail(postman) => postman.send(job, &occasion).await,
            Way::Machine(machine) => machine.send(job, &occasion).await,
        };
        sent.unwrap_or_else(|trouble| trouble.answer(delivery.attempts))
    }
}
