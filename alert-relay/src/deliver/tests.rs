//! Attempts against fakes that have the rules of the real ones: what a person sees of them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use stack_tests::faulty_server::Fault;
use stack_tests::pagerduty::{PagerDuty, Status};
use stack_tests::slack::Slack;

use super::*;
use crate::incident::{Kind, Phase, Receipt};
use crate::route::examples::incident;
use crate::route::tests::draft_for_tests;
use crate::time::Moment;

mod mails;
mod pagers;
mod slacks;

/// A directory with secrets, and the configuration that names them.
pub(super) struct Desk {
    pub(super) directory: tempfile::TempDir,
    pub(super) shared: Shared,
    pub(super) incident: Incident,
    next: u64,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            shared: Shared::default(),
            incident: incident(),
            next: 1,
        }
    }

    pub(super) fn secret(&self, name: &str, value: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, format!("{value}\n")).unwrap();
        path
    }

    /// The worker of one destination, named `d`.
    pub(super) fn worker(&self, kind: &str) -> Arc<Worker> {
        let text = format!(
            "destinations: [{{name: d, {kind}}}]\nroutes: [{{destinations: [d]}}]\n\
             receive: {{slack_signing_secret_file: /k}}\n"
        );
        let config = Config::parse(&text, "relay.yml").unwrap();
        Arc::new(self.shared.workers(&config).unwrap().remove(0))
    }

    pub(super) fn job(&mut self, kind: Kind) -> Job {
        let id = DeliveryId(self.next);
        self.next += 1;
        let delivery = draft_for_tests(id, kind, std::slice::from_ref(&self.incident.id));
        Job { delivery, incidents: vec![self.incident.clone()] }
    }

    /// Makes an attempt, and keeps its receipt as the ledger does.
    pub(super) async fn send(&mut self, worker: &Worker, kind: Kind) -> Answer {
        let job = self.job(kind);
        self.attempt(worker, &job).await
    }

    pub(super) async fn attempt(&mut self, worker: &Worker, job: &Job) -> Answer {
        let answer = worker.attempt(job).await;
        if let Answer::Accepted { receipt } = &answer {
            self.incident.receipts.insert("d".to_owned(), receipt.clone());
        }
        answer
    }

    pub(super) fn resolve(&mut self) {
        let at = self.incident.starts_at.after(Duration::from_secs(40));
        self.incident.phase = Phase::Resolved { at };
    }
}

pub(super) fn problem(answer: &Answer) -> &str {
    match answer {
        Answer::Accepted { .. } => "",
        Answer::Retry { problem, .. }
        | Answer::Broken { problem, .. }
        | Answer::Refused { problem } => problem,
    }
}

pub(super) fn is_accepted(answer: &Answer) -> bool {
    matches!(answer, Answer::Accepted { .. })
}

/// Work from a list; what is told of it is kept.
#[derive(Debug, Default)]
struct List {
    jobs: Mutex<VecDeque<Job>>,
    log: Mutex<Vec<String>>,
    cannot_start: bool,
}

impl Work for List {
    async fn next(&self, destination: &str) -> Option<Job> {
        assert_eq!(destination, "d");
        self.jobs.lock().unwrap().pop_front()
    }

    async fn started(&self, delivery: DeliveryId) -> bool {
        self.log.lock().unwrap().push(format!("started {}", delivery.0));
        !self.cannot_start
    }

    async fn answered(&self, delivery: DeliveryId, answer: Answer) {
        let what = if is_accepted(&answer) { "accepted" } else { problem(&answer) };
        self.log.lock().unwrap().push(format!("{what} {}", delivery.0));
    }
}

#[tokio::test]
async fn only_a_call_whose_repetition_is_seen_is_written_down_before_it() {
    let mut desk = Desk::new();
    let (slack, pager) = (Slack::local(&["alerts"]), PagerDuty::local());
    let token = desk.secret("slack", stack_tests::slack::TOKEN);
    let key = desk.secret("key", pagers::KEY);
    let chat = desk.worker(&format!(
        "slack: {{bot_token_file: {}, channel: alerts, url: '{}'}}",
        token.display(),
        slack.api()
    ));
    let pages = desk.worker(&format!(
        "pagerduty: {{routing_key_file: {}, url: '{}'}}",
        key.display(),
        pager.url()
    ));
    let run = async |worker: &Arc<Worker>, job: Job| {
        let list = Arc::new(List { jobs: Mutex::new([job].into()), ..List::default() });
        Arc::clone(worker).run(Arc::clone(&list)).await;
        list.log.lock().unwrap().clone()
    };
    let open = desk.job(Kind::Open);
    assert_eq!(run(&pages, open.clone()).await, ["accepted 1"]);
    assert_eq!(run(&chat, open).await, ["started 1", "accepted 1"]);
    let message = slack.top("alerts").remove(0);
    let receipt =
        Receipt { place: slack.id("alerts").unwrap(), stamp: message.ts, ..Receipt::default() };
    desk.incident.receipts.insert("d".to_owned(), receipt);
    let update = desk.job(Kind::Update);
    assert_eq!(run(&chat, update).await, ["accepted 2"]);
    let escalate = desk.job(Kind::Escalate);
    assert_eq!(run(&chat, escalate).await, ["started 3", "accepted 3"]);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_sent() {
    let mut desk = Desk::new();
    let slack = Slack::local(&["alerts"]);
    let url = desk.secret("url", &slack.webhook("alerts"));
    let worker = desk.worker(&format!("slack_webhook: {{url_file: {}}}", url.display()));
    let jobs = Mutex::new([desk.job(Kind::Open)].into());
    let list = Arc::new(List { jobs, cannot_start: true, ..List::default() });
    worker.run(Arc::clone(&list)).await;
    assert_eq!(*list.log.lock().unwrap(), ["started 1"]);
    assert!(slack.messages("alerts").is_empty());
}

#[tokio::test]
async fn a_message_whose_incident_is_gone_is_refused() {
    let mut desk = Desk::new();
    let worker = desk.worker("webhook: {url: 'http://127.0.0.1:1/'}");
    let job = Job { incidents: Vec::new(), ..desk.job(Kind::Open) };
    let answer = worker.attempt(&job).await;
    assert_eq!(problem(&answer), "its incident is not known any more");
}

#[test]
fn a_destination_that_cannot_be_used_is_named() {
    let shared = Shared::default();
    let error = |kind: &str| {
        let text =
            format!("destinations: [{{name: d, {kind}}}]\nroutes: [{{destinations: [d]}}]\n");
        let config = Config::parse(&text, "relay.yml").unwrap();
        let error = shared.workers(&config).unwrap_err();
        instrumentation::json_log::ErrorChain(&error).to_string()
    };
    let email = |rest: &str| error(&format!("email: {{to: [a@b.c], from: x@b.c, {rest}}}"));
    assert_eq!(
        email("smarthost: nowhere"),
        "destination d: email.smarthost: \"nowhere\" is no HOST:PORT"
    );
    assert!(email("smarthost: 'a:1', username: x").contains("needs username and password_file"));
    let webhook = error("webhook: {url: 'https://x', ca_file: /nonexistent}");
    assert!(webhook.starts_with("destination d: cannot read /nonexistent: "), "{webhook}");
}
