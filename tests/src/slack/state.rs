//! The channels, and what each method does to them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::limits::problem_of;
use crate::faulty_server::{Answer, Pace, Request, Service, Window};

/// Characters of a text that is posted; the rest is cut off.
const MAX_TEXT: usize = 40_000;

/// A message as a person sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Unique in its channel, and increasing.
    pub ts: String,
    /// Its text.
    pub text: String,
    /// Its attachments.
    pub attachments: Value,
    /// Its blocks.
    pub blocks: Value,
    /// The message whose thread it is in.
    pub thread_ts: Option<String>,
    /// In a thread, and shown in the channel too.
    pub is_broadcast: bool,
    /// How often it was edited.
    pub edits: u32,
    /// Not seen by people.
    pub metadata: Value,
}

impl Message {
    /// All that can be read in it, as Slack shows it: entities are resolved.
    pub fn shown(&self) -> String {
        let mut shown = self.text.clone();
        collect(&self.attachments, &mut shown);
        collect(&self.blocks, &mut shown);
        shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }
}

fn collect(value: &Value, shown: &mut String) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == "text" => {
                        shown.push('\n');
                        shown.push_str(text);
                    }
                    other => collect(other, shown),
                }
            }
        }
        Value::Array(array) => array.iter().for_each(|value| collect(value, shown)),
        _ => {}
    }
}

#[derive(Debug)]
struct Channel {
    name: String,
    messages: Vec<Message>,
    is_archived: bool,
    /// One a second, and short bursts.
    posts: Pace,
}

#[derive(Debug)]
pub(crate) struct Workspace {
    channels: BTreeMap<String, Channel>,
    pub(super) token: String,
    pub(super) has_rates: bool,
    pub(super) refusals: VecDeque<(String, String, bool)>,
    /// Tier 3, over all channels.
    edits: Window,
    last: u64,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            channels: BTreeMap::new(),
            token: super::TOKEN.to_owned(),
            has_rates: false,
            refusals: VecDeque::new(),
            edits: Window::new(50, Duration::from_mins(1)),
            last: 0,
        }
    }
}

type Outcome = Result<Map<String, Value>, (String, Option<u32>)>;

fn error(name: &str) -> (String, Option<u32>) {
    (name.to_owned(), None)
}

impl Workspace {
    pub(super) fn create(&mut self, name: &str) {
        let id = format!("C{:09X}", self.channels.len() + 1);
        let channel = Channel {
            name: name.to_owned(),
            messages: Vec::new(),
            is_archived: false,
            posts: Pace::new(5, Duration::from_secs(1)),
        };
        self.channels.insert(id, channel);
    }

    pub(super) fn id_of(&self, channel: &str) -> Option<String> {
        let name = channel.trim_start_matches('#');
        let mut channels = self.channels.iter();
        let found = channels.find(|(id, one)| one.name == name || *id == channel);
        found.map(|(id, _)| id.clone())
    }

    pub(super) fn messages(&self, channel: &str) -> Vec<Message> {
        let id = self.id_of(channel).unwrap_or_default();
        self.channels.get(&id).map(|channel| channel.messages.clone()).unwrap_or_default()
    }

    fn channel(&mut self, name: &str) -> Option<&mut Channel> {
        let id = self.id_of(name)?;
        self.channels.get_mut(&id)
    }

    pub(super) fn delete(&mut self, channel: &str, ts: &str) {
        if let Some(channel) = self.channel(channel) {
            channel.messages.retain(|message| message.ts != ts);
        }
    }

    pub(super) fn archive(&mut self, channel: &str) {
        if let Some(channel) = self.channel(channel) {
            channel.is_archived = true;
        }
    }

    fn post(&mut self, id: &str, arguments: &Value, now: Instant) -> Outcome {
        if let Some(problem) = problem_of(arguments, false) {
            return Err(error(problem));
        }
        self.last += 1;
        let (ts, has_rates) = (format!("1790000000.{:06}", self.last), self.has_rates);
        let channel = self.channels.get_mut(id).ok_or_else(|| error("channel_not_found"))?;
        if channel.is_archived {
            return Err(error("is_archived"));
        }
        if has_rates && channel.posts.exceeded(now) {
            return Err(("ratelimited".to_owned(), Some(1)));
        }
        let text: String =
            arguments["text"].as_str().unwrap_or_default().chars().take(MAX_TEXT).collect();
        let message = Message {
            ts: ts.clone(),
            text,
            attachments: arguments["attachments"].clone(),
            blocks: arguments["blocks"].clone(),
            thread_ts: arguments["thread_ts"].as_str().map(str::to_owned),
            is_broadcast: arguments["reply_broadcast"] == true,
            edits: 0,
            metadata: arguments["metadata"].clone(),
        };
        channel.messages.push(message.clone());
        let shown = json!({"text": message.text, "ts": ts});
        Ok(Map::from_iter([
            ("channel".to_owned(), id.into()),
            ("ts".to_owned(), ts.into()),
            ("message".to_owned(), shown),
        ]))
    }

    fn update(&mut self, arguments: &Value, now: Instant) -> Outcome {
        if let Some(pause) = self.edits.exceeded(now).filter(|_| self.has_rates) {
            return Err(("ratelimited".to_owned(), Some(pause)));
        }
        // an edit wants the id: a name is not enough
        let id = arguments["channel"].as_str().unwrap_or_default();
        let channel = self.channels.get_mut(id).ok_or_else(|| error("channel_not_found"))?;
        if let Some(problem) = problem_of(arguments, true) {
            return Err(error(problem));
        }
        let ts = arguments["ts"].as_str().unwrap_or_default();
        let message = channel.messages.iter_mut().find(|message| message.ts == ts);
        let message = message.ok_or_else(|| error("message_not_found"))?;
        message.edits += 1;
        if let Some(text) = arguments["text"].as_str() {
            text.clone_into(&mut message.text);
        }
        // what an edit does not name stays
        for (name, kept) in
            [("attachments", &mut message.attachments), ("blocks", &mut message.blocks)]
        {
            if !arguments[name].is_null() {
                kept.clone_from(&arguments[name]);
            }
        }
        Ok(Map::from_iter([
            ("channel".to_owned(), id.into()),
            ("ts".to_owned(), ts.into()),
            ("text".to_owned(), message.text.clone().into()),
        ]))
    }

    fn history(&mut self, arguments: &Value) -> Outcome {
        let id = arguments["channel"].as_str().unwrap_or_default();
        let channel = self.channels.get(id).ok_or_else(|| error("channel_not_found"))?;
        // clients write it in several ways
        let with_metadata = match &arguments["include_all_metadata"] {
            Value::Bool(wanted) => *wanted,
            other => ["1", "true", "\"1\"", "\"true\""].contains(&other.to_string().as_str()),
        };
        let top = channel.messages.iter().rev().filter(|message| message.thread_ts.is_none());
        let messages: Vec<Value> = top
            .map(|message| {
                let mut shown = json!({"type": "message", "ts": message.ts, "text": message.text});
                if with_metadata && !message.metadata.is_null() {
                    shown["metadata"] = message.metadata.clone();
                }
                shown
            })
            .collect();
        Ok(Map::from_iter([
            ("messages".to_owned(), messages.into()),
            ("has_more".to_owned(), false.into()),
        ]))
    }

    fn call(&mut self, method: &str, arguments: &Value, now: Instant) -> Outcome {
        match method {
            "auth.test" => Ok(Map::from_iter([("team".to_owned(), "test".into())])),
            "chat.postMessage" => {
                let name = arguments["channel"].as_str().unwrap_or_default();
                let id = self.id_of(name).ok_or_else(|| error("channel_not_found"))?;
                self.post(&id, arguments, now)
            }
            "chat.update" => self.update(arguments, now),
            "conversations.history" => self.history(arguments),
            _ => Err(error("unknown_method")),
        }
    }

    fn api(&mut self, method: &str, request: &Request, now: Instant) -> Answer {
        let refusal = self.refusals.front().filter(|(wanted, _, _)| wanted == method).cloned();
        if let Some((_, name, is_processed)) = refusal {
            self.refusals.pop_front();
            if is_processed {
                let _ = self.call(method, &arguments(request), now);
            }
            return Answer::json(200, &json!({"ok": false, "error": name}));
        }
        let bearer = request.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
        let outcome = match bearer {
            None => Err(error("not_authed")),
            Some(token) if token != self.token => Err(error("invalid_auth")),
            Some(_) => self.call(method, &arguments(request), now),
        };
        match outcome {
            Ok(mut fields) => {
                fields.insert("ok".to_owned(), true.into());
                Answer::json(200, &Value::Object(fields))
            }
            Err((name, retry_after)) => {
                let status = if retry_after.is_some() { 429 } else { 200 };
                let answer = Answer::json(status, &json!({"ok": false, "error": name}));
                Answer { retry_after, ..answer }
            }
        }
    }

    fn webhook(&mut self, channel: &str, request: &Request, now: Instant) -> Answer {
        let Some(id) = self.id_of(channel) else { return Answer::text(404, "no_service") };
        let arguments = arguments(request);
        if arguments.is_null() {
            return Answer::text(400, "invalid_payload");
        }
        match self.post(&id, &arguments, now) {
            Ok(_) => Answer::text(200, "ok"),
            Err((_, Some(pause))) => {
                Answer { retry_after: Some(pause), ..Answer::text(429, "rate_limited") }
            }
            Err((name, None)) if name == "is_archived" => Answer::text(410, "channel_is_archived"),
            Err((name, None)) => Answer::text(400, &name),
        }
    }
}

impl Service for Workspace {
    fn answer(&mut self, request: &Request, now: Instant) -> Answer {
        let path = request.path.split('?').next().unwrap_or_default();
        if let Some(method) = path.strip_prefix("/api/") {
            return self.api(method, request, now);
        }
        match path.strip_prefix("/services/") {
            Some(channel) => self.webhook(channel, request, now),
            None => Answer::text(404, "not found"),
        }
    }
}

/// From JSON, or from a form whose values may be JSON.
pub(super) fn arguments(request: &Request) -> Value {
    let is_json =
        request.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    if is_json {
        return serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    }
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let pairs = pairs.chain(url::form_urlencoded::parse(&request.body));
    let mut arguments = Map::new();
    for (name, value) in pairs {
        let structured = ["attachments", "blocks", "metadata", "reply_broadcast"];
        let parsed = structured.contains(&&*name).then(|| serde_json::from_str(&value).ok());
        let parsed = parsed.flatten().unwrap_or_else(|| Value::from(&*value));
        arguments.insert(name.into_owned(), parsed);
    }
    if let Some(Value::String(payload)) = arguments.get("payload") {
        return serde_json::from_str(payload).unwrap_or(Value::Null);
    }
    Value::Object(arguments)
}
