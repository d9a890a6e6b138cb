//! A Slack workspace: posts, edits, threads, history, incoming webhooks, limits and faults.
//!
//! It keeps channels as a person sees them, so that tests assert on what somebody would read.

mod limits;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value;

pub use self::limits::problem_of;
pub use self::state::Message;
use self::state::Workspace;
use crate::faulty_server::{Fault, Request, Server};

/// The bot token that is accepted until another one is set.
pub const TOKEN: &str = "xoxb-test-token";

/// A running workspace; gone when it is dropped.
///
/// ```
/// use stack_tests::slack::Slack;
///
/// let slack = Slack::local(&["alerts"]);
/// // start what follows slack.api(), then slack.wait_for(patience, |workspace| ...)
/// assert!(slack.messages("alerts").is_empty());
/// ```
#[derive(Debug)]
pub struct Slack(Server<Workspace>);

impl Slack {
    /// With these channels, on a free port of the loopback interface.
    pub fn local(channels: &[&str]) -> Self {
        let server: Server<Workspace> = Server::local();
        server.change(|workspace| {
            for name in channels {
                workspace.create(name);
            }
        });
        Self(server)
    }

    /// Base of the Web API, with its slash at the end.
    pub fn api(&self) -> String {
        format!("{}/api/", self.0.url())
    }

    /// The URL of an incoming webhook into a channel.
    pub fn webhook(&self, channel: &str) -> String {
        format!("{}/services/{channel}", self.0.url())
    }

    /// The id of a channel.
    pub fn id(&self, channel: &str) -> Option<String> {
        self.0.look(|workspace| workspace.id_of(channel))
    }

    /// All messages of a channel, threads included, in their order.
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        self.0.look(|workspace| workspace.messages(channel))
    }

    /// Those that are not in a thread.
    pub fn top(&self, channel: &str) -> Vec<Message> {
        let mut messages = self.messages(channel);
        messages.retain(|message| message.thread_ts.is_none());
        messages
    }

    /// Accepts another token.
    pub fn set_token(&self, token: &str) {
        self.0.change(|workspace| token.clone_into(&mut workspace.token));
    }

    /// Removes a message, as its author may.
    pub fn delete(&self, channel: &str, ts: &str) {
        self.0.change(|workspace| workspace.delete(channel, ts));
    }

    /// Archives a channel.
    pub fn archive(&self, channel: &str) {
        self.0.change(|workspace| workspace.archive(channel));
    }

    /// With the limits of the real one on posts and edits in time; without, any number is taken.
    pub fn limit_rates(&self, is_limited: bool) {
        self.0.change(|workspace| workspace.has_rates = is_limited);
    }

    /// Answers the next call of a method with `{"ok": false, "error": ERROR}`. It is not processed,
    /// unless `is_processed`.
    pub fn refuse(&self, method: &str, error: &str, is_processed: bool) {
        self.0.change(|workspace| {
            let refusal = (method.to_owned(), error.to_owned(), is_processed);
            workspace.refusals.push_back(refusal);
        });
    }

    /// What happens to the next requests, one each.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.script(faults);
    }

    /// What happens to all requests, until `None`.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.0.set_fault(fault);
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }

    /// The method and the body of every call so far.
    pub fn calls(&self) -> Vec<(String, Value)> {
        let requests = self.0.requests();
        let calls = requests.iter().map(|request| {
            let method = request.path.rsplit('/').next().unwrap_or_default();
            (method.to_owned(), state::arguments(request))
        });
        calls.collect()
    }

    /// Waits until a channel's messages are so; whether they were within the time.
    pub fn wait_for(
        &self,
        patience: Duration,
        channel: &str,
        condition: impl Fn(&[Message]) -> bool,
    ) -> bool {
        self.0.wait_for(patience, |workspace| condition(&workspace.messages(channel)))
    }
}
