//! `kubernetes_sd_configs`: pods and other objects of a cluster.

use std::fmt;
use std::str::FromStr;

use crate::config::decode::{Block, Fields, Value, read_parsed};
use crate::config::finding::Findings;
use crate::config::http_client::HttpClient;
use crate::config::http_url::HttpUrl;
use crate::config::yaml::{Kind, Node};

/// An item of `kubernetes_sd_configs`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KubernetesSd {
    /// Default none: the cluster that the process runs in.
    pub api_server: HttpUrl,
    /// What is discovered. Needed.
    pub role: Option<KubernetesRole>,
    /// Path of a kubeconfig; excludes `api_server`. Default empty.
    pub kubeconfig_file: String,
    /// Credentials, TLS and proxy; only with `api_server`.
    pub http: HttpClient,
    /// Default: all.
    pub namespaces: Namespaces,
    /// Which objects, for each role at most once.
    pub selectors: Vec<Selector>,
    /// Labels of other objects.
    pub attach_metadata: AttachMetadata,
}

/// What a Kubernetes discovery finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the words of the configuration")]
pub enum KubernetesRole {
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
    Node,
    Ingress,
}

/// Not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown Kubernetes role {text:?}: accepted are pod, service, endpoints, endpointslice, node \
     and ingress"
)]
pub struct KubernetesRoleError {
    text: String,
}

impl FromStr for KubernetesRole {
    type Err = KubernetesRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "pod" => Self::Pod,
            "service" => Self::Service,
            "endpoints" => Self::Endpoints,
            "endpointslice" => Self::EndpointSlice,
            "node" => Self::Node,
            "ingress" => Self::Ingress,
            _ => return Err(KubernetesRoleError { text: text.to_owned() }),
        })
    }
}

impl fmt::Display for KubernetesRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pod => "pod",
            Self::Service => "service",
            Self::Endpoints => "endpoints",
            Self::EndpointSlice => "endpointslice",
            Self::Node => "node",
            Self::Ingress => "ingress",
        })
    }
}

/// A role has no default, so it is read as an optional value.
impl Value for Option<KubernetesRole> {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        let mut role = KubernetesRole::Pod;
        read_parsed(&mut role, node, findings);
        *self = Some(role);
    }

    fn write(&mut self) -> Kind {
        self.map_or(Kind::Null, Kind::plain)
    }
}

impl Block for KubernetesSd {
    const TYPE: &'static str = "kubernetes.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("api_server", &mut self.api_server);
        fields.field("role", &mut self.role);
        fields.field("kubeconfig_file", &mut self.kubeconfig_file);
        self.http.fields(fields);
        fields.field("namespaces", &mut self.namespaces);
        fields.field("selectors", &mut self.selectors);
        fields.field("attach_metadata", &mut self.attach_metadata);
    }

    fn complete(&mut self, node: &Node, findings: &mut Findings) {
        let at = |key| node.get(key).unwrap_or(node);
        let Some(role) = self.role else {
            findings.error(
                node,
                "role is missing: accepted are pod, service, endpoints, endpointslice, node and \
                 ingress",
            );
            return;
        };
        let has_server = self.api_server.get().is_some();
        if has_server && !self.kubeconfig_file.is_empty() {
            findings
                .error(at("kubeconfig_file"), "kubeconfig_file and api_server exclude each other");
        }
        if !has_server && self.http != HttpClient::default() {
            findings.error(
                node,
                "keys of the HTTP client need api_server: inside a cluster its own are used",
            );
        }
        for problem in self.http.problems() {
            findings.error(node, problem);
        }
        if self.namespaces.own_namespace && (has_server || !self.kubeconfig_file.is_empty()) {
            findings.error(at("namespaces"), "own_namespace is known only inside a cluster");
        }
        self.check_selectors(role, at("selectors"), findings);
    }
}

impl KubernetesSd {
    fn check_selectors(&self, role: KubernetesRole, at: &Node, findings: &mut Findings) {
        let mut seen = Vec::new();
        // endpoints come with the pods and services behind them
        let accepted: &[KubernetesRole] = match role {
            KubernetesRole::Endpoints => {
                &[KubernetesRole::Pod, KubernetesRole::Service, KubernetesRole::Endpoints]
            }
            KubernetesRole::EndpointSlice => {
                &[KubernetesRole::Pod, KubernetesRole::Service, KubernetesRole::EndpointSlice]
            }
            KubernetesRole::Pod => &[KubernetesRole::Pod],
            KubernetesRole::Service => &[KubernetesRole::Service],
            KubernetesRole::Node => &[KubernetesRole::Node],
            KubernetesRole::Ingress => &[KubernetesRole::Ingress],
        };
        for selector in &self.selectors {
            let Some(selected) = selector.role else {
                findings.error(at, "a selector needs a role");
                continue;
            };
            if seen.contains(&selected) {
                findings.error(at, format!("two selectors for role {selected}: one is accepted"));
            }
            seen.push(selected);
            if !accepted.contains(&selected) {
                let list: Vec<String> = accepted.iter().map(ToString::to_string).collect();
                findings.error(
                    at,
                    format!(
                        "role {role} does not take a selector for {selected}: accepted is {}",
                        list.join(", ")
                    ),
                );
            }
        }
    }
}

/// `namespaces`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Namespaces {
    /// The namespace of the process as well. Default false.
    pub own_namespace: bool,
    /// Default none: all namespaces.
    pub names: Vec<String>,
}

impl Block for Namespaces {
    const TYPE: &'static str = "kubernetes.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("own_namespace", &mut self.own_namespace);
        fields.field("names", &mut self.names);
    }
}

/// An item of `selectors`, in Kubernetes' own syntax.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selector {
    /// Objects that it applies to. Needed.
    pub role: Option<KubernetesRole>,
    /// Label selector. Default empty: any.
    pub label: String,
    /// Field selector. Default empty: any.
    pub field: String,
}

impl Block for Selector {
    const TYPE: &'static str = "kubernetes.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("role", &mut self.role);
        fields.field("label", &mut self.label);
        fields.field("field", &mut self.field);
    }
}

/// `attach_metadata`: labels of objects that a pod belongs to. All false by default.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub struct AttachMetadata {
    /// The node.
    pub node: bool,
    /// The namespace.
    pub namespace: bool,
    /// The deployment.
    pub deployment: bool,
    /// The job.
    pub job: bool,
    /// The cron job.
    pub cronjob: bool,
}

impl Block for AttachMetadata {
    const TYPE: &'static str = "kubernetes.AttachMetadataConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("node", &mut self.node);
        fields.field("namespace", &mut self.namespace);
        fields.field("deployment", &mut self.deployment);
        fields.field("job", &mut self.job);
        fields.field("cronjob", &mut self.cronjob);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    #[test]
    fn a_discovery_of_pods_is_read() {
        let mut sd = KubernetesSd::default();
        let text = "{role: pod, api_server: 'http://k', namespaces: {names: [a]}, selectors: \
                    [{role: pod, label: app=x}], attach_metadata: {node: true}, bearer_token: t}";
        assert_eq!(read(&mut sd, text), (vec![], vec![]));
        assert_eq!(sd.role, Some(KubernetesRole::Pod));
        assert_eq!(sd.selectors[0].label, "app=x");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, error) in [
            ("{}", "1:1: role is missing: accepted are pod, service,"),
            ("{role: pods}", "1:8: role: unknown Kubernetes role \"pods\": accepted are pod,"),
            ("{role: pod, bearer_token: t}", "1:1: keys of the HTTP client need api_server"),
            (
                "{role: pod, api_server: 'http://k', kubeconfig_file: x}",
                "1:54: kubeconfig_file and api_server exclude each other",
            ),
            (
                "{role: pod, selectors: [{role: node}]}",
                "1:24: role pod does not take a selector for node: accepted is pod",
            ),
            (
                "{role: pod, selectors: [{role: pod}, {role: pod}]}",
                "1:24: two selectors for role pod",
            ),
        ] {
            let (errors, _) = read(&mut KubernetesSd::default(), text);
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].starts_with(error), "{}", errors[0]);
        }
    }
}
