//! What is read of Kubernetes' objects; everything else is skipped while it is parsed.
//!
//! A list or map may be absent or null, an object incomplete: none of that is an error, because one
//! odd pod must not hide the others.

use std::collections::BTreeMap;

use prometheus_model::label_set::LabelSet;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::pod_labels;
use crate::discovery::target::Group;

/// `metadata` of an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) owner_references: Vec<OwnerReference>,
}

/// What made an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnerReference {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) controller: Option<bool>,
}

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: PodSpec,
    pub(super) status: PodStatus,
}

/// Its `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) node_name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) containers: Vec<Container>,
    #[serde(deserialize_with = "or_default")]
    pub(super) init_containers: Vec<Container>,
}

/// A container as specified.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) ports: Vec<Port>,
}

/// A port that it declares.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Port {
    pub(super) name: String,
    #[serde(rename = "containerPort")]
    pub(super) number: i64,
    pub(super) protocol: String,
}

/// A pod's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) phase: String,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: String,
    #[serde(rename = "hostIP")]
    pub(super) host_ip: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) conditions: Vec<Condition>,
    #[serde(deserialize_with = "or_default")]
    pub(super) container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "or_default")]
    pub(super) init_container_statuses: Vec<ContainerStatus>,
}

/// Something that is true of it or not.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
}

/// A container as it runs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    #[serde(rename = "containerID")]
    pub(super) container_id: String,
}

/// A node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) metadata: Metadata,
}

/// One answer to a list.
#[derive(Debug, Deserialize)]
#[serde(bound = "R: DeserializeOwned")]
pub(super) struct Page<R> {
    #[serde(default)]
    pub(super) metadata: PageMetadata,
    #[serde(default = "Vec::new", deserialize_with = "or_default")]
    pub(super) items: Vec<R>,
}

/// Its `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PageMetadata {
    pub(super) resource_version: String,
    /// Names the next page; empty on the last one.
    #[serde(rename = "continue")]
    pub(super) next: String,
}

/// What the server says when it has no objects.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) message: String,
}

/// A kind of object that can be followed, and what is kept of each.
pub(super) trait Resource: DeserializeOwned + Send + 'static {
    /// In memory for as long as the object is there.
    type Kept: std::fmt::Debug + PartialEq + Send;

    /// Its `metadata`.
    fn metadata(&self) -> &Metadata;

    /// What is kept.
    fn keep(self) -> Self::Kept;
}

/// What is kept of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptPod {
    /// Without targets while it has no address.
    pub(super) group: Group,
    /// Name of its node.
    pub(super) node: String,
}

impl Resource for Pod {
    type Kept = KeptPod;

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn keep(self) -> KeptPod {
        KeptPod { group: pod_labels::group(&self), node: self.spec.node_name }
    }
}

impl Resource for Node {
    type Kept = LabelSet;

    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn keep(self) -> LabelSet {
        pod_labels::of_node(&self)
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_null_lists_are_empty() {
        let page: Page<Pod> = serde_json::from_str(
            r#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"c"},"items":[
                {"metadata":{"name":"a","labels":null,"managedFields":[{}]},
                 "spec":{"containers":[{"name":"c","ports":null}]}}]}"#,
        )
        .unwrap();
        assert_eq!((&*page.metadata.resource_version, &*page.metadata.next), ("7", "c"));
        assert_eq!(page.items[0].spec.containers[0].name, "c");
        assert!(serde_json::from_str::<Page<Pod>>(r#"{"items":null}"#).unwrap().items.is_empty());
    }
}
