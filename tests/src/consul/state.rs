//! What is registered, and what each endpoint says of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of the URL.
    pub path: String,
    /// Decoded pairs of its query; a name may stand several times.
    pub query: Vec<(String, String)>,
    /// `X-Consul-Token`.
    pub token: Option<String>,
}

impl Request {
    /// The first value under a name of the query.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| &**value)
    }
}

/// An instance of a service.
#[derive(Debug, Clone)]
pub struct Service {
    name: String,
    id: String,
    tags: Vec<String>,
    meta: BTreeMap<String, String>,
    status: String,
}

impl Service {
    /// On this agent's node, without tags, passing.
    pub fn new(name: &str, id: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: id.to_owned(),
            tags: Vec::new(),
            meta: BTreeMap::new(),
            status: "passing".to_owned(),
        }
    }

    /// With these tags.
    #[must_use]
    pub fn tags(mut self, tags: &[&str]) -> Self {
        self.tags = tags.iter().map(ToString::to_string).collect();
        self
    }

    /// With one more pair of metadata.
    #[must_use]
    pub fn meta(mut self, key: &str, value: &str) -> Self {
        self.meta.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With its one check in this state: `passing`, `warning` or `critical`.
    #[must_use]
    pub fn status(mut self, status: &str) -> Self {
        status.clone_into(&mut self.status);
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "ID": self.id,
            "Service": self.name,
            "Tags": if self.tags.is_empty() { Value::Null } else { json!(self.tags) },
            "Address": "",
            "Port": 8080,
            "Meta": self.meta,
            "TaggedAddresses": {},
        })
    }

    fn checks(&self) -> Value {
        json!([
            {"CheckID": "serfHealth", "Status": "passing"},
            {"CheckID": format!("service:{}", self.id), "Status": self.status},
        ])
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) index: u64,
    pub(super) requests: Vec<Request>,
    pub(super) token: Option<String>,
    pub(super) fault: Option<u16>,
    pub(super) is_over: bool,
    /// By id.
    services: BTreeMap<String, Service>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            index: 1_000,
            requests: Vec::new(),
            token: None,
            fault: None,
            is_over: false,
            services: BTreeMap::new(),
        }
    }
}

impl State {
    pub(super) fn register(&mut self, service: Service) {
        self.services.insert(service.id.clone(), service);
        self.index += 1;
    }

    pub(super) fn deregister(&mut self, id: &str) {
        self.services.remove(id);
        self.index += 1;
    }

    pub(super) fn restart_history(&mut self) {
        self.index = 10;
    }

    /// Status and body.
    pub(super) fn answer(&self, request: &Request) -> (u16, String) {
        if let Some(status) = self.fault {
            return (status, "no cluster leader".to_owned());
        }
        if self.token.is_some() && self.token != request.token {
            let given = request.token.as_deref().unwrap_or("anonymous");
            // A careless one: it repeats what it was given.
            return (403, format!("ACL not found for {given}\n"));
        }
        let path = request.path.strip_prefix("/v1/").unwrap_or_default();
        let (status, body) = match path {
            "agent/self" => (200, agent_self()),
            "agent/services" => (200, self.agent_services()),
            "catalog/services" => (200, self.catalog_services()),
            _ => {
                if let Some(name) = path.strip_prefix("health/service/") {
                    (200, self.health(name, request))
                } else if let Some(name) = path.strip_prefix("agent/health/service/name/") {
                    self.agent_health(name)
                } else {
                    (404, json!("no such path"))
                }
            }
        };
        (status, body.to_string())
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Service> {
        self.services.values().filter(move |service| service.name == name)
    }

    fn catalog_services(&self) -> Value {
        let mut tags: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for service in self.services.values() {
            let known = tags.entry(&service.name).or_default();
            known.extend(service.tags.iter().map(String::as_str));
        }
        json!(tags)
    }

    fn health(&self, name: &str, request: &Request) -> Value {
        let has_tags = |service: &&Service| {
            request.values("tag").all(|tag| service.tags.iter().any(|own| own == tag))
        };
        let node = json!({
            "Node": "n1", "Address": "10.0.0.1", "Datacenter": "dc1", "Meta": {"rack": "r7"},
            "TaggedAddresses": null,
        });
        let instance = |service: &Service| json!({"Node": node, "Service": service.to_json(), "Checks": service.checks()});
        self.named(name).filter(has_tags).map(instance).collect()
    }

    fn agent_services(&self) -> Value {
        let by_id = self.services.iter().map(|(id, service)| (id.clone(), service.to_json()));
        Value::Object(by_id.collect())
    }

    /// The status is that of the worst instance.
    fn agent_health(&self, name: &str) -> (u16, Value) {
        let instances: Vec<Value> = self
            .named(name)
            .map(|service| {
                json!({"AggregatedStatus": service.status, "Service": service.to_json(),
                       "Checks": service.checks()})
            })
            .collect();
        let has = |status: &str| self.named(name).any(|service| service.status == status);
        let status = match () {
            () if instances.is_empty() => 404,
            () if has("critical") => 503,
            () if has("warning") => 429,
            () => 200,
        };
        (status, Value::Array(instances))
    }
}

fn agent_self() -> Value {
    json!({
        "Config": {"Datacenter": "dc1", "NodeName": "n1"},
        "Member": {"Addr": "10.0.0.1"},
        "Meta": {"rack": "r7"},
    })
}
