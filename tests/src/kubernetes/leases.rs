//! Leases: read, created, and written over the version that was read.

use serde_json::Value;

use super::state::{Answer, State, failure};

const PREFIX: &str = "/apis/coordination.k8s.io/v1/namespaces/";

impl State {
    /// `None` for a path that is not about leases.
    pub(super) fn lease(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let parts: Vec<&str> = path.strip_prefix(PREFIX)?.split('/').collect();
        let object: Option<Value> = serde_json::from_slice(body).ok();
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        Some(match (method, &parts[..], object) {
            ("GET", [namespace, "leases", name], _) => {
                match self.object("leases", namespace, name) {
                    Some(lease) => Answer::Json(200, lease.clone()),
                    None => failure(404, "not found"),
                }
            }
            ("POST", [namespace, "leases"], Some(mut lease)) => {
                let name = lease["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                if name.is_empty() {
                    failure(422, "a name is needed")
                } else if self.object("leases", namespace, &name).is_some() {
                    failure(409, "already exists")
                } else {
                    lease["metadata"]["namespace"] = (*namespace).into();
                    self.set("leases", lease);
                    self.stored("leases", namespace, &name, 201)
                }
            }
            ("PUT", [namespace, "leases", name], Some(lease)) => {
                match self.object("leases", namespace, name) {
                    None => failure(404, "not found"),
                    Some(stored) if version(stored) != version(&lease) => {
                        failure(409, "the object has been modified")
                    }
                    Some(_) => {
                        self.set("leases", lease);
                        self.stored("leases", namespace, name, 200)
                    }
                }
            }
            (_, _, None) => failure(400, "no JSON"),
            _ => failure(405, "method not allowed"),
        })
    }

    fn stored(&self, resource: &str, namespace: &str, name: &str, status: u16) -> Answer {
        let object = self.object(resource, namespace, name).cloned();
        object.map_or_else(|| failure(404, "not found"), |object| Answer::Json(status, object))
    }
}
