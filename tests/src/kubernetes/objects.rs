//! Objects as a cluster has them, to be changed by the test that needs something special.

use serde_json::{Value, json};

/// A running pod of one container, `main`, on a node. Its UID is `uid-NAME`.
pub fn pod(namespace: &str, name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": format!("uid-{name}"),
            "labels": {},
            "annotations": {},
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}],
        },
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": "registry.example/main:1"}],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.1.2.3",
            "hostIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "main", "containerID": format!("containerd://{name}")}],
        },
    })
}

/// A node with labels.
pub fn node(name: &str, labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": labels},
        "status": {"capacity": {"cpu": "2"}},
    })
}
