//! The few answers of a Kubernetes API that pod discovery needs: lists from a file, and a watch that
//! reports nothing.
//!
//! Only selectors that the cases use are understood; the request's selectors are recorded, because a
//! shipper that asks for all pods of a cluster behaves differently at scale.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::http_exchange::Request;

/// Objects by URL path, and who asked for them.
#[derive(Debug, Default)]
pub(super) struct Kubernetes {
    objects: Map<String, Value>,
    requests: BTreeSet<(String, String)>,
}

/// What to answer.
#[derive(Debug)]
pub(super) enum KubernetesAnswer {
    /// A complete answer.
    Json {
        /// Status code.
        status: u16,
        /// The body.
        body: Value,
    },
    /// A watch: headers, then silence until the sink is closed.
    SilentWatch,
}

impl Kubernetes {
    /// Serves `objects`: URL path to list object.
    pub(super) fn new(objects: Map<String, Value>) -> Self {
        Self { objects, requests: BTreeSet::new() }
    }

    /// Path and selectors (as a JSON object) of all requests, each once, sorted.
    pub(super) fn requests(&self) -> Value {
        let pair = |(path, selectors): &(String, String)| {
            json!([path, serde_json::from_str::<Value>(selectors).expect("it was written by us")])
        };
        self.requests.iter().map(pair).collect()
    }

    /// Answers one request.
    pub(super) fn answer(&mut self, request: &Request) -> KubernetesAnswer {
        let mut selectors = Map::new();
        for name in ["fieldSelector", "labelSelector"] {
            if let Some(value) = request.parameter(name) {
                selectors.insert(name.to_owned(), value.into());
            }
        }
        self.requests.insert((request.path.clone(), Value::Object(selectors).to_string()));
        let Some(Value::Object(list)) = self.objects.get(&request.path) else {
            let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "reason": "NotFound", "code": 404, "metadata": {}});
            return KubernetesAnswer::Json { status: 404, body };
        };
        if matches!(request.parameter("watch"), Some("1" | "true")) {
            return KubernetesAnswer::SilentWatch;
        }
        let mut list = list.clone();
        if let Some(Value::Array(items)) = list.get_mut("items") {
            items.retain(|object| is_selected(object, request));
        }
        list.entry("metadata").or_insert_with(|| json!({"resourceVersion": "1"}));
        KubernetesAnswer::Json { status: 200, body: Value::Object(list) }
    }
}

fn is_selected(object: &Value, request: &Request) -> bool {
    let terms = |name| request.parameter(name).unwrap_or_default().split(',').map(str::trim);
    let matches = |have: Option<&Value>, want: &str| {
        have.and_then(Value::as_str).unwrap_or_default() == want.trim_start_matches('=')
    };
    let mut fields = terms("fieldSelector").filter_map(|term| term.split_once('='));
    let mut labels = terms("labelSelector").filter_map(|term| term.split_once('='));
    let has_fields = fields
        .all(|(path, want)| matches(object.pointer(&format!("/{}", path.replace('.', "/"))), want));
    let own = object.pointer("/metadata/labels");
    let has_labels = labels.all(|(name, want)| matches(own.and_then(|own| own.get(name)), want));
    has_fields && has_labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::http_exchange::read_request;

    fn ask(kubernetes: &mut Kubernetes, target: &str) -> KubernetesAnswer {
        let raw = format!("GET {target} HTTP/1.1\r\n\r\n");
        kubernetes.answer(&read_request(&mut raw.as_bytes()).unwrap().unwrap())
    }

    #[test]
    fn lists_are_selected_and_watches_are_silent() {
        let objects = json!({"/pods": {"items": [
            {"metadata": {"labels": {"app": "a"}}, "spec": {"nodeName": "n1"}},
            {"metadata": {"labels": {"app": "b"}}, "spec": {"nodeName": "n2"}}]}});
        let Value::Object(objects) = objects else { unreachable!("an object was written") };
        let mut kubernetes = Kubernetes::new(objects);
        let answer = ask(&mut kubernetes, "/pods?fieldSelector=spec.nodeName%3Dn2");
        let KubernetesAnswer::Json { status: 200, body } = answer else { panic!("{answer:?}") };
        assert_eq!(body["items"].as_array().unwrap().len(), 1);
        assert_eq!(body["items"][0]["metadata"]["labels"]["app"], "b");
        let watch = ask(&mut kubernetes, "/pods?watch=true");
        assert!(matches!(watch, KubernetesAnswer::SilentWatch));
        let unknown = ask(&mut kubernetes, "/nodes");
        assert!(matches!(unknown, KubernetesAnswer::Json { status: 404, .. }));
        assert_eq!(
            kubernetes.requests(),
            json!([["/nodes", {}], ["/pods", {"fieldSelector": "spec.nodeName=n2"}], ["/pods", {}]])
        );
    }
}
