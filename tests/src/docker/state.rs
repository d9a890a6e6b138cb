//! What an engine knows: containers with their logs, networks, and what has happened.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Value, json};

/// An engine cuts longer lines into parts of this size, in bytes.
const PART: usize = 16 << 10;

/// A stream of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the streams")]
pub enum Output {
    Stdout,
    Stderr,
}

/// A container to be created.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Without the slash that the engine puts before it.
    pub name: String,
    /// It has a terminal: its log has no frames, and lines end with `\r\n`.
    pub tty: bool,
    /// By name.
    pub labels: BTreeMap<String, String>,
    /// Name and id of its network, and its address there.
    pub network: Option<(String, String, String)>,
}

impl Container {
    /// A container without anything else.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The same with a label.
    #[must_use]
    pub fn with_label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A request and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of the URL.
    pub path: String,
    /// Decoded pairs of its query.
    pub query: BTreeMap<String, String>,
    /// Of the answer.
    pub status: u16,
}

impl Request {
    /// Whether it asks for the log of a container.
    pub fn is_log_of(&self, id: &str) -> bool {
        self.path == format!("/containers/{id}/logs") && self.status == 200
    }

    /// Whether it asks for events.
    pub fn is_events(&self) -> bool {
        self.path == "/events" && self.status == 200
    }
}

/// A part of a line, with its newline if it has one.
#[derive(Debug, Clone)]
struct Record {
    time_ns: i64,
    output: Output,
    text: Vec<u8>,
}

#[derive(Debug)]
struct Known {
    container: Container,
    number: usize,
    state: &'static str,
    finished_ns: i64,
    log: Vec<Record>,
    /// Of stdout and stderr: what is held back until its line ends or fills a part.
    held: [Held; 2],
}

#[derive(Debug, Default)]
struct Held {
    text: Vec<u8>,
    /// Of the parts of the line that are in the log already.
    time_ns: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    containers: BTreeMap<String, Known>,
    created: usize,
    pub(super) networks: Vec<Value>,
    /// With their time in seconds since 1970.
    events: Vec<(i64, Value)>,
    pub(super) requests: Vec<Request>,
    /// End of path to status.
    pub(super) refused: BTreeMap<String, u16>,
    pub(super) is_down: bool,
    last_ns: i64,
}

/// How a request is answered.
pub(super) enum Answer {
    Json(u16, Value),
    Events,
    Log(Wanted),
}

/// Which part of a log.
pub(super) struct Wanted {
    id: String,
    stdout: bool,
    stderr: bool,
    since_ns: i64,
    follow: bool,
}

impl State {
    /// The clock; it never repeats.
    fn now(&mut self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let now = i64::try_from(now.as_nanos()).expect("it is before 2262");
        self.last_ns = now.max(self.last_ns + 1);
        self.last_ns
    }

    fn known(&mut self, id: &str) -> &mut Known {
        self.containers.get_mut(id).expect("the container was created")
    }

    fn tell(&mut self, action: &str, id: &str) {
        let time_ns = self.now();
        let event = json!({
            "Type": "container", "Action": action, "status": action, "id": id,
            "Actor": {"ID": id, "Attributes": {}}, "timeNano": time_ns,
        });
        self.events.push((time_ns / 1_000_000_000, event));
    }

    pub(super) fn create(&mut self, container: Container) -> String {
        self.created += 1;
        let id = format!("{:064x}", self.created);
        let number = self.created;
        let (state, log) = ("created", Vec::new());
        let known = Known {
            container,
            number,
            state,
            finished_ns: 0,
            log,
            held: [Held::default(), Held::default()],
        };
        self.containers.insert(id.clone(), known);
        self.tell("create", &id);
        id
    }

    pub(super) fn start(&mut self, id: &str) {
        self.known(id).state = "running";
        self.tell("start", id);
    }

    pub(super) fn stop(&mut self, id: &str, time_ns: Option<i64>) {
        let now = time_ns.unwrap_or_else(|| self.now());
        let known = self.known(id);
        known.state = "exited";
        known.finished_ns = now;
        for output in [Output::Stdout, Output::Stderr] {
            known.release(output, now, true);
        }
        self.tell("die", id);
    }

    pub(super) fn remove(&mut self, id: &str) {
        if self.containers.remove(id).is_some() {
            self.tell("destroy", id);
        }
    }

    pub(super) fn rename(&mut self, id: &str, name: &str) {
        name.clone_into(&mut self.known(id).container.name);
        self.tell("rename", id);
    }

    pub(super) fn write(&mut self, id: &str, output: Output, text: &[u8], time: Option<i64>) {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let now = match time {
                Some(time_ns) => time_ns,
                None => self.now(),
            };
            let known = self.known(id);
            let is_tty = known.container.tty;
            let output = if is_tty { Output::Stdout } else { output };
            let held = &mut known.held[output as usize].text;
            held.extend_from_slice(line);
            if is_tty && held.pop_if(|last| *last == b'\n').is_some() {
                held.extend_from_slice(b"\r\n");
            }
            known.release(output, now, line.ends_with(b"\n"));
        }
    }

    /// Notes the request and says how it is answered.
    pub(super) fn answer(&mut self, path: &str, query: &BTreeMap<String, String>) -> Answer {
        let refused = self.refused.iter().find(|(end, _)| path.ends_with(*end));
        let answer = match refused {
            Some((_, status)) => Answer::Json(*status, json!({"message": "not here"})),
            None => self.accept(path, query),
        };
        let status = if let Answer::Json(status, _) = answer { status } else { 200 };
        self.requests.push(Request { path: path.to_owned(), query: query.clone(), status });
        answer
    }

    fn accept(&self, path: &str, query: &BTreeMap<String, String>) -> Answer {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments[..] {
            ["containers", "json"] => {
                let filters = query.get("filters").map_or("{}", String::as_str);
                let filters: BTreeMap<String, Vec<String>> =
                    serde_json::from_str(filters).unwrap_or_default();
                let is_listed = |(id, known): &(&String, &Known)| {
                    let is_in_state = filters.contains_key("status")
                        || query.contains_key("all")
                        || known.state == "running";
                    is_in_state && known.matches(id, &filters)
                };
                let listed = self.containers.iter().filter(is_listed);
                let mut listed: Vec<_> = listed.collect();
                // the newest first
                listed.sort_by_key(|(_, known)| std::cmp::Reverse(known.number));
                Answer::Json(200, listed.iter().map(|(id, known)| known.listed(id)).collect())
            }
            ["networks"] => Answer::Json(200, Value::Array(self.networks.clone())),
            ["events"] => Answer::Events,
            ["containers", id, what] => match (self.containers.get(id), what) {
                (Some(known), "json") => Answer::Json(200, known.inspected(id)),
                (Some(_), "logs") => {
                    let is_set = |key| query.get(key).is_some_and(|value| value == "1");
                    let since: f64 =
                        query.get("since").and_then(|text| text.parse().ok()).unwrap_or_default();
                    #[expect(clippy::cast_possible_truncation, reason = "seconds of this age")]
                    let since_ns = since as i64 * 1_000_000_000;
                    Answer::Log(Wanted {
                        id: id.to_owned(),
                        stdout: is_set("stdout"),
                        stderr: is_set("stderr"),
                        since_ns,
                        follow: is_set("follow"),
                    })
                }
                _ => Answer::Json(404, json!({"message": format!("No such container: {id}")})),
            },
            _ => Answer::Json(404, json!({"message": "page not found"})),
        }
    }

    /// Events from index `next` on that are not older than `since`, each as a line, and the next
    /// index.
    pub(super) fn events(&self, next: usize, since: i64, actions: &[String]) -> (Vec<u8>, usize) {
        let mut lines = Vec::new();
        for (_, event) in self.events.iter().skip(next).filter(|(time, _)| *time >= since) {
            let is_wanted = actions.iter().any(|action| event["Action"] == action.as_str());
            if is_wanted || actions.is_empty() {
                lines.extend_from_slice(format!("{event}\n").as_bytes());
            }
        }
        (lines, self.events.len())
    }

    /// What a log has from record `next` on, as it is sent, the next record, and whether that is
    /// all that will ever come.
    pub(super) fn log(&self, wanted: &Wanted, next: usize) -> (Vec<u8>, usize, bool) {
        let Some(known) = self.containers.get(&wanted.id) else { return (Vec::new(), next, true) };
        let mut sent = Vec::new();
        for record in known.log.iter().skip(next).filter(|record| record.time_ns >= wanted.since_ns)
        {
            let (kind, is_wanted) = match record.output {
                Output::Stdout => (1, wanted.stdout),
                Output::Stderr => (2, wanted.stderr),
            };
            if !is_wanted {
                continue;
            }
            let mut text = format!("{:.9} ", timestamp(record.time_ns)).into_bytes();
            text.extend_from_slice(&record.text);
            if !known.container.tty {
                let length = u32::try_from(text.len()).expect("parts are short");
                sent.extend_from_slice(&[kind, 0, 0, 0]);
                sent.extend_from_slice(&length.to_be_bytes());
            }
            sent.extend_from_slice(&text);
        }
        (sent, known.log.len(), !wanted.follow || known.state != "running")
    }
}

impl Known {
    /// Logs whole parts of what is held back; all of it if it `ends`.
    fn release(&mut self, output: Output, now: i64, ends: bool) {
        let held = &mut self.held[output as usize];
        while held.text.len() >= PART || (ends && !held.text.is_empty()) {
            let time_ns = *held.time_ns.get_or_insert(now);
            let rest = held.text.split_off(held.text.len().min(PART));
            let text = std::mem::replace(&mut held.text, rest);
            self.log.push(Record { time_ns, output, text });
        }
        if ends {
            held.time_ns = None;
        }
    }

    fn matches(&self, id: &str, filters: &BTreeMap<String, Vec<String>>) -> bool {
        filters.iter().all(|(name, values)| {
            values.iter().any(|value| match name.as_str() {
                "id" => id.starts_with(value.as_str()),
                "name" => self.container.name.contains(value.as_str()),
                "status" => self.state == value,
                "label" => {
                    self.container.labels.iter().any(|(label, text)| {
                        *value == *label || *value == format!("{label}={text}")
                    })
                }
                _ => false,
            })
        })
    }

    fn listed(&self, id: &str) -> Value {
        let networks = match &self.container.network {
            Some((name, network, ip)) => json!({name: {"NetworkID": network, "IPAddress": ip}}),
            None => Value::Null,
        };
        let mode = self.container.network.as_ref().map_or("none", |(name, ..)| name);
        json!({
            "Id": id,
            "Names": [format!("/{}", self.container.name)],
            "Labels": self.container.labels,
            "State": self.state,
            "Ports": [],
            "HostConfig": {"NetworkMode": mode},
            "NetworkSettings": {"Networks": networks},
        })
    }

    fn inspected(&self, id: &str) -> Value {
        json!({
            "Id": id,
            "Config": {"Tty": self.container.tty},
            "State": {
                "Running": self.state == "running",
                "Restarting": false,
                "FinishedAt": timestamp(self.finished_ns).to_string(),
            },
        })
    }
}

fn timestamp(ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(ns.into()).expect("an i64 of nanoseconds is a time")
}
