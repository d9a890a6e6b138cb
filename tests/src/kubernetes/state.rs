//! What is stored, and how it came to be: versions as etcd counts them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Resource, namespace, name.
type Key = (String, String, String);

/// Requests are kept up to this number; a test that makes more looks at something else.
const REQUESTS_KEPT: usize = 100_000;

/// How a watch learns that its version is forgotten: real servers do both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forgotten {
    /// Status 410 instead of the watch.
    #[default]
    ByStatus,
    /// An event in the watch.
    ByEvent,
}

/// A request and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// Of the URL.
    pub path: String,
    /// Decoded pairs of its query.
    pub query: BTreeMap<String, String>,
    /// Of the answer.
    pub status: u16,
}

impl Request {
    /// Whether it is a watch that was accepted.
    pub fn is_watch(&self) -> bool {
        self.query.contains_key("watch") && self.status == 200
    }

    /// Whether it is the first page of a list that was accepted.
    pub fn is_list(&self) -> bool {
        let is_page = self.query.contains_key("watch") || self.query.contains_key("continue");
        !is_page && self.status == 200
    }
}

#[derive(Debug)]
struct Change {
    version: u64,
    resource: String,
    old: Option<Value>,
    new: Option<Value>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    version: u64,
    objects: BTreeMap<Key, Value>,
    history: Vec<Change>,
    /// Versions before this one are forgotten.
    oldest: u64,
    told: Forgotten,
    /// 0 = no limit.
    pub(super) page_limit: usize,
    pub(super) token: Option<String>,
    pub(super) fault: Option<u16>,
    pub(super) requests: Vec<Request>,
    pub(super) bookmarks: u64,
    pub(super) ended_watches: u64,
    pub(super) is_down: bool,
}

/// What an answer has to say.
#[derive(Debug)]
pub(super) enum Answer {
    Json(u16, Value),
    /// The answer goes on from this version.
    Watch {
        version: u64,
        /// Sent so far.
        bookmarks: u64,
        /// Ended so far.
        ended: u64,
    },
    /// A watch that only says that its version is forgotten.
    ForgottenWatch,
}

/// Which objects a request is about.
#[derive(Debug)]
pub(super) struct Wanted {
    resource: String,
    namespace: Option<String>,
    fields: Vec<(String, String)>,
    labels: Vec<(String, String)>,
}

impl Wanted {
    /// `None` for a path that there is not.
    pub(super) fn new(path: &str, query: &BTreeMap<String, String>) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/api/v1/")?.split('/').collect();
        let (namespace, resource) = match parts[..] {
            [resource] => (None, resource),
            ["namespaces", namespace, resource] => (Some(namespace.to_owned()), resource),
            _ => return None,
        };
        let terms = |name: &str| -> Vec<(String, String)> {
            let text = query.get(name).map_or("", String::as_str);
            let pairs = text.split(',').filter_map(|term| term.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        Some(Self {
            resource: resource.to_owned(),
            namespace,
            fields: terms("fieldSelector"),
            labels: terms("labelSelector"),
        })
    }

    fn matches(&self, object: &Value) -> bool {
        let is_in = |namespace: &String| text(object.pointer("/metadata/namespace")) == namespace;
        self.namespace.as_ref().is_none_or(is_in)
            && self.fields.iter().all(|(path, value)| {
                text(object.pointer(&format!("/{}", path.replace('.', "/")))) == value
            })
            && self.labels.iter().all(|(name, value)| {
                text(object.pointer("/metadata/labels").and_then(|labels| labels.get(name)))
                    == value
            })
    }
}

impl State {
    pub(super) fn set(&mut self, resource: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let key = (resource.to_owned(), text("namespace"), text("name"));
        assert!(!key.2.is_empty(), "an object has a name");
        let old = self.objects.insert(key, object.clone());
        self.note(resource, old, Some(object));
    }

    pub(super) fn remove(&mut self, resource: &str, namespace: &str, name: &str) {
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let Some(mut old) = self.objects.remove(&key) else { return };
        self.version += 1;
        // as a real server sends it: the last state, with the version of the deletion
        old["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.note(resource, Some(old), None);
    }

    fn note(&mut self, resource: &str, old: Option<Value>, new: Option<Value>) {
        let (version, resource) = (self.version, resource.to_owned());
        self.history.push(Change { version, resource, old, new });
    }

    pub(super) fn forget_history(&mut self, told: Forgotten) {
        self.history.clear();
        self.oldest = self.version;
        self.told = told;
    }

    /// Decides on a request and remembers it.
    pub(super) fn answer(
        &mut self,
        (method, body): (&str, &[u8]),
        path: &str,
        query: BTreeMap<String, String>,
        token: Option<&str>,
    ) -> Answer {
        let answer = match self.refusal(token) {
            Some(refusal) => refusal,
            None => match self.lease(method, path, body) {
                Some(answer) => answer,
                None => self.decide(path, &query),
            },
        };
        let status = match &answer {
            Answer::Json(status, _) => *status,
            Answer::Watch { .. } | Answer::ForgottenWatch => 200,
        };
        if self.requests.len() < REQUESTS_KEPT {
            self.requests.push(Request {
                method: method.to_owned(),
                path: path.to_owned(),
                query,
                status,
            });
        }
        answer
    }

    pub(super) fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(resource.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    fn refusal(&self, token: Option<&str>) -> Option<Answer> {
        if let Some(status) = self.fault {
            return Some(failure(status, "as ordered"));
        }
        let is_known = self.token.as_deref().is_none_or(|wanted| Some(wanted) == token);
        (!is_known).then(|| failure(401, "Unauthorized"))
    }

    fn decide(&self, path: &str, query: &BTreeMap<String, String>) -> Answer {
        let Some(wanted) = Wanted::new(path, query) else { return failure(404, "not found") };
        let version = query.get("resourceVersion").map_or("", String::as_str);
        if query.contains_key("watch") {
            return match version.parse() {
                Ok(version) if version >= self.oldest => {
                    Answer::Watch { version, bookmarks: self.bookmarks, ended: self.ended_watches }
                }
                Ok(_) if self.told == Forgotten::ByEvent => Answer::ForgottenWatch,
                Ok(_) => failure(410, "too old resource version"),
                Err(_) => failure(400, "a watch needs a version"),
            };
        }
        self.list(&wanted, query)
    }

    fn list(&self, wanted: &Wanted, query: &BTreeMap<String, String>) -> Answer {
        let (version, begin) = match query.get("continue").and_then(|token| token.split_once('/')) {
            None => (self.version, 0),
            Some((version, begin)) => {
                let version = version.parse().unwrap_or_default();
                if version < self.oldest {
                    return failure(410, "the continue token is too old");
                }
                (version, begin.parse().unwrap_or_default())
            }
        };
        let asked = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let limit = if self.page_limit == 0 { asked } else { asked.min(self.page_limit) };
        let found = self
            .objects
            .iter()
            .filter(|((resource, ..), object)| {
                *resource == wanted.resource && wanted.matches(object)
            })
            .map(|(_, object)| object);
        let mut page: Vec<&Value> = found.skip(begin).take(limit.saturating_add(1)).collect();
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if page.len() > limit {
            page.truncate(limit);
            metadata["continue"] = json!(format!("{version}/{}", begin + limit));
        }
        Answer::Json(200, json!({"apiVersion": "v1", "metadata": metadata, "items": page}))
    }

    /// What changed for a request after a version, and the version that it leads to.
    pub(super) fn events(&self, wanted: &Wanted, after: u64) -> (Vec<Value>, u64) {
        let changes = self
            .history
            .iter()
            .filter(|change| change.version > after && change.resource == wanted.resource);
        let events = changes.filter_map(|change| {
            let is_wanted = |object: &&Value| wanted.matches(object);
            let old = change.old.as_ref().filter(is_wanted);
            let new = change.new.as_ref().filter(is_wanted);
            let (kind, object) = match (old, new) {
                (None, Some(new)) => ("ADDED", new),
                (Some(_), Some(new)) => ("MODIFIED", new),
                (Some(old), None) => ("DELETED", old),
                (None, None) => return None,
            };
            Some(json!({"type": kind, "object": object}))
        });
        (events.collect(), self.version)
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn failure(status: u16, message: &str) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": message, "code": status});
    Answer::Json(status, body)
}
