//! Slack with a bot token: an incident is one message, which is edited, with a thread.
//!
//! A post has the delivery in its metadata. Where the token may read the history, a post whose answer
//! was lost is looked for before it is made again; else it says that it may be a repeat.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::bucket::Bucket;
use super::credentials::Credential;
use super::http::{Http, Reply, TlsError};
use super::verdict::{Class, Trouble, accepted, said};
use super::{Job, Shared};
use crate::config::destinations::Slack;
use crate::incident::{Answer, Incident, Kind, Receipt};
use crate::render::Occasion;
use crate::render::slack::{Message, digest, incident, internal, thread_line, without_blocks};
use crate::time::Moment;

/// Edits of a workspace: 50 in a minute are allowed over all channels.
const EDIT_PAUSE: Duration = Duration::from_millis(1_334);

/// A post may be found in the history this long after it was made, and no sooner.
const HISTORY_LAG: Duration = Duration::from_secs(10);

/// From so many attempts on, a message that Slack refuses for an unknown reason goes as text alone.
const TEXT_AFTER: u32 = 3;

/// From so many on, the destination counts as broken, so that others are told.
const BROKEN_AFTER: u32 = 6;

#[derive(Debug)]
pub(super) struct Chat {
    name: String,
    api: String,
    token_file: PathBuf,
    channel: String,
    reads_history: bool,
    /// The channel's id, once an answer has told it.
    id: Mutex<Option<String>>,
    posts: Arc<Bucket>,
    http: Http,
    shared: Shared,
}

/// Channel and timestamp.
type Place = (String, String);

impl Chat {
    pub(super) fn new(name: &str, config: &Slack, shared: &Shared) -> Result<Self, TlsError> {
        let bucket = format!("slack channel {} {}", config.url, config.channel);
        Ok(Self {
            name: name.to_owned(),
            api: format!("{}/", config.url.trim_end_matches('/')),
            token_file: config.bot_token_file.clone(),
            channel: config.channel.clone(),
            reads_history: config.reads_history,
            id: Mutex::default(),
            posts: shared.buckets.of(bucket, Duration::from_secs(1), 3),
            http: Http::new(None)?,
            shared: shared.clone(),
        })
    }

    pub(super) async fn ready(&self) {
        self.posts.ready().await;
    }

    /// Whether nobody sees it if it is done twice.
    pub(super) fn is_idempotent(&self, job: &Job) -> bool {
        let has_message = job.incidents.first().is_some_and(|one| self.receipt(one).is_some());
        has_message && !matches!(job.delivery.kind, Kind::Escalate | Kind::Remind | Kind::Digest)
    }

    fn receipt<'i>(&self, incident: &'i Incident) -> Option<&'i Receipt> {
        incident.receipts.get(&self.name).filter(|receipt| !receipt.stamp.is_empty())
    }

    pub(super) async fn send(&self, job: &Job, occasion: &Occasion<'_>) -> Result<Answer, Trouble> {
        let read = self.shared.credentials.read(&self.token_file).await;
        let token = read.map_err(|error| Trouble::new(Class::Broken, error.to_string()))?;
        let call = Call { chat: self, token: &token, job, occasion };
        let told = job.incidents.first().filter(|_| job.delivery.kind != Kind::Digest);
        let Some((one, receipt)) = told.and_then(|one| Some((one, self.receipt(one)?))) else {
            let place = call.post_new().await?;
            return Ok(accepted(None, &place.0, &place.1, &token.digest));
        };
        let place = (receipt.place.clone(), receipt.stamp.clone());
        let place = match job.delivery.kind {
            Kind::Escalate | Kind::Remind => call.shout(one, place).await?,
            _ => call.edit(one, place).await?,
        };
        Ok(accepted(Some(receipt), &place.0, &place.1, &token.digest))
    }

    fn known_id(&self) -> Option<String> {
        let known = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone().or_else(|| is_id(&self.channel).then(|| self.channel.clone()))
    }
}

fn is_id(channel: &str) -> bool {
    channel.len() >= 9
        && channel.starts_with(['C', 'G', 'D'])
        && channel.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The message that a job begins with.
pub(super) fn message_of(job: &Job, occasion: &Occasion<'_>, is_all: bool) -> Message {
    match (job.delivery.kind, job.incidents.as_slice()) {
        (Kind::Digest, incidents) => digest(incidents, occasion),
        (_, []) => internal(occasion),
        (_, [one, ..]) => {
            let mut message = incident(one, occasion);
            // without a thread the message itself has to say it
            let is_loud = matches!(occasion.kind, Kind::Escalate | Kind::Remind);
            if is_all
                && is_loud
                && let Some(line) = thread_line(one, occasion)
            {
                message.text = line;
            }
            message
        }
    }
}

/// All that the calls of one attempt share.
struct Call<'a> {
    chat: &'a Chat,
    token: &'a Credential,
    job: &'a Job,
    occasion: &'a Occasion<'a>,
}

impl Call<'_> {
    /// Posts a message, unless an earlier attempt did.
    async fn post_new(&self) -> Result<Place, Trouble> {
        let mut occasion = *self.occasion;
        if let Some(since) = self.job.delivery.ambiguous_since {
            match self.find(since).await? {
                Found::At(place) => return Ok(place),
                Found::Nothing => {}
                Found::Unknown => occasion.is_repeat = true,
            }
        }
        let message = message_of(self.job, &occasion, true);
        let metadata = json!({
            "event_type": "alert_relay",
            "event_payload": {"delivery": self.job.delivery.id.0.to_string()},
        });
        let extra = json!({"channel": self.chat.channel, "metadata": metadata});
        let answer = self.post(&message, extra).await?;
        let place = place_of(&answer).ok_or_else(|| Trouble {
            is_ambiguous: true,
            ..Trouble::new(Class::Retry, "the answer has no channel and ts")
        })?;
        let mut known = self.chat.id.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(place.0.clone());
        Ok(place)
    }

    /// Edits the incident's message and adds a line to its thread. Where the message is gone, it is
    /// posted anew.
    async fn edit(&self, one: &Incident, place: Place) -> Result<Place, Trouble> {
        let message = incident(one, self.occasion);
        match self.update(&message, &place).await {
            Ok(()) => {}
            Err(trouble) if trouble.class == Class::Gone => return self.post_new().await,
            Err(trouble) => return Err(trouble),
        }
        if let Some(line) = thread_line(one, self.occasion)
            && let Err(trouble) = self.reply(&line, &place, false).await
        {
            // the message says it too
            tracing::warn!(
                destination = self.chat.name,
                problem = trouble.problem,
                "line of a thread was not sent"
            );
        }
        Ok(place)
    }

    /// Tells something aloud: in the thread, and shown in the channel.
    async fn shout(&self, one: &Incident, place: Place) -> Result<Place, Trouble> {
        let mut occasion = *self.occasion;
        occasion.is_repeat |= self.job.delivery.ambiguous_since.is_some();
        let line = thread_line(one, &occasion).unwrap_or_default();
        match self.reply(&line, &place, true).await {
            Ok(()) => {}
            Err(trouble) if trouble.class == Class::Gone => return self.post_new().await,
            Err(trouble) => return Err(trouble),
        }
        if let Err(trouble) = self.update(&incident(one, self.occasion), &place).await {
            tracing::warn!(
                destination = self.chat.name,
                problem = trouble.problem,
                "message was not edited after it was told aloud"
            );
        }
        Ok(place)
    }

    async fn reply(&self, line: &str, place: &Place, is_broadcast: bool) -> Result<(), Trouble> {
        let message = Message { text: line.to_owned(), attachments: json!([]) };
        let extra = json!({
            "channel": place.0,
            "thread_ts": place.1,
            "reply_broadcast": is_broadcast,
        });
        self.chat.posts.take().await;
        self.method("chat.postMessage", &body(&message, extra), true).await.map(|_| ())
    }

    async fn post(&self, message: &Message, extra: Value) -> Result<Value, Trouble> {
        self.chat.posts.take().await;
        let is_text = self.job.delivery.attempts > TEXT_AFTER;
        let plain = || without_blocks(message, &self.job.incidents, self.occasion);
        let first = if is_text { plain() } else { message.clone() };
        match self.method("chat.postMessage", &body(&first, extra.clone()), true).await {
            Err(trouble) if trouble.class == Class::Format && !is_text => {
                self.warn(&trouble);
                self.chat.posts.take().await;
                self.method("chat.postMessage", &body(&plain(), extra), true).await
            }
            other => other,
        }
    }

    async fn update(&self, message: &Message, place: &Place) -> Result<(), Trouble> {
        let edits = format!("slack edits {} {}", self.chat.api, self.token.digest);
        let edits = self.chat.shared.buckets.of(edits, EDIT_PAUSE, 5);
        edits.take().await;
        let extra = json!({"channel": place.0, "ts": place.1});
        let mut outcome = self.method("chat.update", &body(message, extra.clone()), false).await;
        if let Err(trouble) = &outcome
            && trouble.class == Class::Format
        {
            self.warn(trouble);
            let plain = without_blocks(message, &self.job.incidents, self.occasion);
            edits.take().await;
            outcome = self.method("chat.update", &body(&plain, extra), false).await;
        }
        if let Err(trouble) = &outcome
            && trouble.class == Class::Wait
        {
            edits.sleep(trouble.pause.unwrap_or(Duration::from_secs(1)));
        }
        outcome.map(|_| ())
    }

    fn warn(&self, trouble: &Trouble) {
        tracing::warn!(
            destination = self.chat.name,
            delivery = self.job.delivery.id.0,
            problem = trouble.problem,
            "message refused for its form, sending it as text alone"
        );
    }

    /// Looks for a post that an earlier attempt may have made.
    async fn find(&self, since: Moment) -> Result<Found, Trouble> {
        let Some(id) = self.chat.known_id().filter(|_| self.chat.reads_history) else {
            return Ok(Found::Unknown);
        };
        let oldest = since.before(Duration::from_secs(5)).as_millis();
        let arguments = json!({
            "channel": id,
            "oldest": format!("{}.{:03}", oldest.div_euclid(1_000), oldest.rem_euclid(1_000)),
            "limit": 200,
            "include_all_metadata": true,
        });
        let answer = match self.method("conversations.history", &arguments, false).await {
            Ok(answer) => answer,
            // a token without the scope is no reason to keep the message back
            Err(trouble) if matches!(trouble.class, Class::Broken | Class::Unknown) => {
                return Ok(Found::Unknown);
            }
            Err(trouble) => return Err(trouble),
        };
        let wanted = self.job.delivery.id.0.to_string();
        let mut messages = answer["messages"].as_array().into_iter().flatten();
        let found = messages.find(|message| {
            let metadata = &message["metadata"];
            metadata["event_type"] == "alert_relay"
                && metadata["event_payload"]["delivery"] == wanted.as_str()
        });
        if let Some(ts) = found.and_then(|message| message["ts"].as_str()) {
            return Ok(Found::At((id, ts.to_owned())));
        }
        let visible = since.after(HISTORY_LAG);
        let now = Moment::now();
        if visible > now {
            let pause = Some(visible.since(now));
            let problem = "an earlier attempt is not in the history yet";
            return Err(Trouble {
                pause,
                is_ambiguous: true,
                ..Trouble::new(Class::Retry, problem)
            });
        }
        Ok(Found::Nothing)
    }

    async fn method(&self, method: &str, body: &Value, is_post: bool) -> Result<Value, Trouble> {
        let authorization = format!("Bearer {}", self.token.expose());
        let url = format!("{}{method}", self.chat.api);
        let headers = [("authorization", authorization.as_str())];
        let reply = self.chat.http.post(&url, &headers, body.to_string().into_bytes()).await?;
        let mut trouble = match verdict(&reply) {
            Ok(answer) => return Ok(answer),
            Err(trouble) => trouble,
        };
        let pause = trouble.pause.unwrap_or(Duration::from_secs(1));
        if trouble.class == Class::Wait && is_post {
            self.chat.posts.sleep(pause + Duration::from_millis(fastrand::u64(0..500)));
        }
        if trouble.class == Class::Unknown && self.job.delivery.attempts >= BROKEN_AFTER {
            trouble.class = Class::Broken;
        }
        Err(trouble)
    }
}

enum Found {
    At(Place),
    Nothing,
    /// It cannot be looked for.
    Unknown,
}

fn body(message: &Message, mut extra: Value) -> Value {
    extra["text"] = message.text.clone().into();
    // an edit keeps what it does not name: an empty list removes it
    extra["attachments"] = message.attachments.clone();
    extra["mrkdwn"] = false.into();
    extra["parse"] = "none".into();
    extra["link_names"] = false.into();
    extra["unfurl_links"] = false.into();
    extra["unfurl_media"] = false.into();
    extra
}

fn place_of(answer: &Value) -> Option<Place> {
    let channel = answer["channel"].as_str()?.to_owned();
    Some((channel, answer["ts"].as_str()?.to_owned()))
}

/// The answer, if it says `ok`.
fn verdict(reply: &Reply) -> Result<Value, Trouble> {
    let parsed: Option<Value> = serde_json::from_str(&reply.body).ok();
    let error = parsed.as_ref().and_then(|body| body["error"].as_str());
    if reply.status == 429 {
        let problem = format!("429 {}", error.unwrap_or_default());
        return Err(Trouble { pause: reply.pause, ..Trouble::new(Class::Wait, problem) });
    }
    match (reply.status, parsed.as_ref().map(|body| &body["ok"]), error) {
        (200, Some(Value::Bool(true)), _) => Ok(parsed.unwrap_or_default()),
        (200, _, Some(error)) => {
            let is_ambiguous = matches!(error, "fatal_error" | "internal_error");
            let class = class_of(error);
            Err(Trouble { pause: reply.pause, is_ambiguous, ..Trouble::new(class, said(error)) })
        }
        (300..=399 | 401 | 403 | 404, _, _) => {
            let problem = format!("{} {}", reply.status, said(&reply.body));
            Err(Trouble::new(Class::Broken, problem))
        }
        // a failure, or a page of a proxy: it may have arrived
        _ => {
            let problem = format!("{} {}", reply.status, said(&reply.body));
            let trouble = Trouble::new(Class::Retry, problem);
            Err(Trouble { pause: reply.pause, is_ambiguous: true, ..trouble })
        }
    }
}

fn class_of(error: &str) -> Class {
    match error {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => Class::Wait,
        "service_unavailable"
        | "request_timeout"
        | "fatal_error"
        | "internal_error"
        | "update_failed"
        | "team_added_to_org"
        | "org_login_required" => Class::Retry,
        "channel_not_found" | "not_in_channel" | "is_archived" | "invalid_auth" | "not_authed"
        | "token_revoked" | "token_expired" | "account_inactive" | "missing_scope"
        | "no_permission" => Class::Broken,
        "invalid_blocks"
        | "invalid_blocks_format"
        | "msg_too_long"
        | "msg_blocks_too_long"
        | "too_many_attachments"
        | "attachment_payload_limit_exceeded"
        | "no_text"
        | "invalid_attachments" => Class::Format,
        "message_not_found"
        | "cant_update_message"
        | "edit_window_closed"
        | "is_inactive"
        | "block_mismatch"
        | "thread_not_found"
        | "cannot_reply_to_message" => Class::Gone,
        _ if error.starts_with("restricted_action") => Class::Broken,
        _ => Class::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_class() {
        for (class, errors) in [
            (Class::Wait, "ratelimited rate_limited message_limit_exceeded"),
            (
                Class::Retry,
                "service_unavailable request_timeout fatal_error internal_error update_failed \
                 team_added_to_org org_login_required",
            ),
            (
                Class::Broken,
                "channel_not_found not_in_channel is_archived restricted_action \
                 restricted_action_read_only_channel invalid_auth not_authed token_revoked \
                 token_expired account_inactive missing_scope no_permission",
            ),
            (
                Class::Format,
                "invalid_blocks invalid_blocks_format msg_too_long msg_blocks_too_long \
                 too_many_attachments attachment_payload_limit_exceeded no_text invalid_attachments",
            ),
            (
                Class::Gone,
                "message_not_found cant_update_message edit_window_closed is_inactive block_mismatch",
            ),
            (Class::Unknown, "something_new"),
        ] {
            for error in errors.split_whitespace() {
                let reply = Reply {
                    status: 200,
                    pause: None,
                    body: json!({"ok": false, "error": error}).to_string(),
                };
                let trouble = verdict(&reply).unwrap_err();
                assert_eq!(trouble.class, class, "{error}");
                let may_have_succeeded = ["fatal_error", "internal_error"].contains(&error);
                assert_eq!(trouble.is_ambiguous, may_have_succeeded, "{error}");
            }
        }
    }

    #[test]
    fn only_json_that_says_ok_is_an_answer() {
        let of =
            |status, body: &str| verdict(&Reply { status, pause: None, body: body.to_owned() });
        assert!(of(200, r#"{"ok": true, "ts": "1"}"#).is_ok());
        for (status, body) in [
            (200, "<html>log in</html>"),
            (200, r#"{"ok": tru"#),
            (200, "ok"),
            (200, r#"{"ok": "true"}"#),
            (500, r#"{"ok": true}"#),
        ] {
            let trouble = of(status, body).unwrap_err();
            assert_eq!((trouble.class, trouble.is_ambiguous), (Class::Retry, true), "{body}");
        }
        assert_eq!(of(302, "").unwrap_err().class, Class::Broken);
    }

    #[test]
    fn ids_of_channels_are_told_from_names() {
        assert!(is_id("C012AB3CD") && is_id("G012AB3CDEF"));
        assert!(!is_id("general") && !is_id("#ALERTS") && !is_id("C1"));
    }
}
