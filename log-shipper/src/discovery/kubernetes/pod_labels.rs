//! A pod to the labels that relabelling sees, under the names of Prometheus' discovery.
//!
//! A container has one target for each port that it declares, or one if it declares none; a pod
//! without an address has no targets.

use prometheus_model::label_set::LabelSet;

use super::objects::{Container, ContainerStatus, Metadata, Node, Pod};
use crate::discovery::target::{ADDRESS_LABEL, Group};

const POD: &str = "__meta_kubernetes_pod";
const NODE: &str = "__meta_kubernetes_node";
const NAMESPACE_LABEL: &str = "__meta_kubernetes_namespace";

/// The targets of a pod.
pub(super) fn group(pod: &Pod) -> Group {
    let Metadata { namespace, name, .. } = &pod.metadata;
    let source = format!("pod/{namespace}/{name}");
    if pod.status.pod_ip.is_empty() {
        return Group { source, targets: Vec::new(), labels: LabelSet::new() };
    }
    let spec = &pod.spec;
    let containers = spec.containers.iter().map(|container| (container, false));
    let init_containers = spec.init_containers.iter().map(|container| (container, true));
    let targets = containers
        .chain(init_containers)
        .flat_map(|(container, is_init)| targets(pod, container, is_init))
        .collect();
    Group { source, targets, labels: labels(pod) }
}

/// Labels of a pod's node, for `attach_metadata`.
pub(super) fn of_node(node: &Node) -> LabelSet {
    let mut labels = LabelSet::new();
    add_metadata(&mut labels, NODE, &node.metadata);
    labels
}

fn labels(pod: &Pod) -> LabelSet {
    let (metadata, status) = (&pod.metadata, &pod.status);
    let mut labels = LabelSet::new();
    labels.set(NAMESPACE_LABEL, &metadata.namespace);
    for (name, value) in [
        ("ip", &status.pod_ip),
        ("host_ip", &status.host_ip),
        ("node_name", &pod.spec.node_name),
        ("uid", &metadata.uid),
        ("phase", &status.phase),
    ] {
        labels.set(&format!("{POD}_{name}"), value);
    }
    let ready = status.conditions.iter().find(|condition| condition.kind == "Ready");
    let ready = ready.map_or("unknown".to_owned(), |ready| ready.status.to_lowercase());
    labels.set(&format!("{POD}_ready"), &ready);
    let mut owners = metadata.owner_references.iter();
    if let Some(owner) = owners.find(|owner| owner.controller == Some(true)) {
        labels.set(&format!("{POD}_controller_kind"), &owner.kind);
        labels.set(&format!("{POD}_controller_name"), &owner.name);
    }
    add_metadata(&mut labels, POD, metadata);
    labels
}

fn targets(pod: &Pod, container: &Container, is_init: bool) -> Vec<LabelSet> {
    let (status, ip) = (&pod.status, &pod.status.pod_ip);
    let statuses =
        if is_init { &status.init_container_statuses } else { &status.container_statuses };
    let mut common = LabelSet::new();
    common.set(ADDRESS_LABEL, ip);
    for (name, value) in [
        ("name", &*container.name),
        ("id", id_of(statuses, &container.name)),
        ("image", &container.image),
        ("init", if is_init { "true" } else { "false" }),
    ] {
        common.set(&format!("{POD}_container_{name}"), value);
    }
    if container.ports.is_empty() {
        return vec![common];
    }
    let target = |port: &super::objects::Port| {
        let number = port.number.to_string();
        let address =
            if ip.contains(':') { format!("[{ip}]:{number}") } else { format!("{ip}:{number}") };
        let mut labels = common.clone();
        labels.set(ADDRESS_LABEL, &address);
        for (name, value) in
            [("name", &port.name), ("number", &number), ("protocol", &port.protocol)]
        {
            labels.set(&format!("{POD}_container_port_{name}"), value);
        }
        labels
    };
    container.ports.iter().map(target).collect()
}

fn id_of<'a>(statuses: &'a [ContainerStatus], name: &str) -> &'a str {
    let status = statuses.iter().find(|status| status.name == name);
    status.map_or("", |status| &status.container_id)
}

/// The name of an object, its labels and its annotations.
fn add_metadata(labels: &mut LabelSet, prefix: &str, metadata: &Metadata) {
    labels.set(&format!("{prefix}_name"), &metadata.name);
    for (kind, pairs) in [("label", &metadata.labels), ("annotation", &metadata.annotations)] {
        for (name, value) in pairs {
            let name = sanitized(name);
            labels.set(&format!("{prefix}_{kind}_{name}"), value);
            labels.set(&format!("{prefix}_{kind}present_{name}"), "true");
        }
    }
}

/// As a part of a label's name: every character that no name may have becomes an underscore.
fn sanitized(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus_model::label_set::is_valid_label_name;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pod(change: impl FnOnce(&mut serde_json::Value)) -> Group {
        let mut pod = json!({
            "metadata": {"name": "vllm-0", "namespace": "ml", "uid": "u-1",
                "labels": {"app.kubernetes.io/name": "vllm"}, "annotations": {"a/b": ""},
                "ownerReferences": [{"kind": "Node", "name": "n"},
                    {"kind": "StatefulSet", "name": "vllm", "controller": true}]},
            "spec": {"nodeName": "n1",
                "containers": [
                    {"name": "server", "image": "s:1", "ports": [
                        {"name": "http", "containerPort": 8000, "protocol": "TCP"},
                        {"containerPort": 9000, "protocol": "UDP"}]},
                    {"name": "sidecar", "image": "c:1"}],
                "initContainers": [{"name": "setup", "image": "i:1"}],
                "ephemeralContainers": [{"name": "debug"}]},
            "status": {"phase": "Running", "podIP": "10.1.2.3", "hostIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [{"name": "server", "containerID": "containerd://1"},
                    {"name": "setup", "containerID": "containerd://wrong"}],
                "initContainerStatuses": [{"name": "setup", "containerID": "containerd://2"}]}});
        change(&mut pod);
        group(&serde_json::from_value(pod).unwrap())
    }

    fn values<'a>(group: &'a Group, name: &str) -> Vec<&'a str> {
        group.targets.iter().map(|target| target.get(name).unwrap_or("-")).collect()
    }

    #[test]
    fn containers_have_a_target_for_each_port_or_one() {
        let group = pod(|_| {});
        let container = |name: &str| format!("{POD}_container_{name}");
        assert_eq!(values(&group, &container("name")), ["server", "server", "sidecar", "setup"]);
        assert_eq!(values(&group, &container("init")), ["false", "false", "false", "true"]);
        assert_eq!(
            values(&group, &container("id")),
            ["containerd://1", "containerd://1", "", "containerd://2"]
        );
        assert_eq!(values(&group, &container("image")), ["s:1", "s:1", "c:1", "i:1"]);
        assert_eq!(values(&group, &container("port_name")), ["http", "", "-", "-"]);
        assert_eq!(values(&group, &container("port_number")), ["8000", "9000", "-", "-"]);
        assert_eq!(values(&group, &container("port_protocol")), ["TCP", "UDP", "-", "-"]);
        assert_eq!(
            values(&group, ADDRESS_LABEL),
            ["10.1.2.3:8000", "10.1.2.3:9000", "10.1.2.3", "10.1.2.3"]
        );
        assert_eq!(group.source, "pod/ml/vllm-0");
    }

    #[test]
    fn all_targets_of_a_pod_have_its_labels() {
        let labels = pod(|_| {}).labels;
        let expected: LabelSet = [
            ("__meta_kubernetes_namespace", "ml"),
            ("__meta_kubernetes_pod_annotation_a_b", ""),
            ("__meta_kubernetes_pod_annotationpresent_a_b", "true"),
            ("__meta_kubernetes_pod_controller_kind", "StatefulSet"),
            ("__meta_kubernetes_pod_controller_name", "vllm"),
            ("__meta_kubernetes_pod_host_ip", "10.0.0.1"),
            ("__meta_kubernetes_pod_ip", "10.1.2.3"),
            ("__meta_kubernetes_pod_label_app_kubernetes_io_name", "vllm"),
            ("__meta_kubernetes_pod_labelpresent_app_kubernetes_io_name", "true"),
            ("__meta_kubernetes_pod_name", "vllm-0"),
            ("__meta_kubernetes_pod_node_name", "n1"),
            ("__meta_kubernetes_pod_phase", "Running"),
            ("__meta_kubernetes_pod_ready", "false"),
            ("__meta_kubernetes_pod_uid", "u-1"),
        ]
        .into_iter()
        .collect();
        assert_eq!(labels, expected);
    }

    #[test]
    fn what_a_pod_does_not_say_is_unknown_or_absent() {
        let group = pod(|pod| {
            pod["status"]["conditions"] = json!([]);
            pod["status"]["podIP"] = json!("fd00::7");
            pod["metadata"]["ownerReferences"] = json!([{"kind": "Node", "name": "n"}]);
        });
        assert_eq!(group.labels.get("__meta_kubernetes_pod_ready"), Some("unknown"));
        assert_eq!(group.labels.get("__meta_kubernetes_pod_controller_kind"), None);
        assert_eq!(
            values(&group, ADDRESS_LABEL),
            ["[fd00::7]:8000", "[fd00::7]:9000", "fd00::7", "fd00::7"]
        );
        let without_address = pod(|pod| pod["status"]["podIP"] = json!(""));
        assert!(without_address.targets.is_empty());
    }

    #[test]
    fn a_node_has_its_name_labels_and_annotations() {
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "n1", "labels": {"a.b": "c"}}}))
                .unwrap();
        assert_eq!(
            of_node(&node).to_string(),
            r#"{__meta_kubernetes_node_label_a_b="c", __meta_kubernetes_node_labelpresent_a_b="true", __meta_kubernetes_node_name="n1"}"#
        );
    }

    proptest! {
        #[test]
        fn any_label_of_a_pod_is_a_label_with_its_value(
            pairs in proptest::collection::btree_map(".{1,20}", ".{0,20}", 0..8)
        ) {
            let metadata = Metadata { labels: pairs.clone(), ..Metadata::default() };
            let mut labels = LabelSet::new();
            add_metadata(&mut labels, POD, &metadata);
            // of names that become the same, the last wins
            let model: BTreeMap<_, _> = pairs
                .iter()
                .map(|(name, value)| (format!("{POD}_label_{}", sanitized(name)), value))
                .collect();
            prop_assert_eq!(labels.len(), 1 + 2 * model.len());
            for (name, value) in model {
                prop_assert!(is_valid_label_name(&name));
                prop_assert_eq!(labels.get(&name), Some(&**value));
            }
        }
    }
}
