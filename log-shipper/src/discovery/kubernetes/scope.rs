//! Which objects are asked for: path and selectors of a list and of the watch that follows it.
//!
//! Pods of other nodes are never asked for, unless a selector of the configuration says so: an agent
//! on each of a thousand nodes that watches all pods would be the API server's greatest load.

use url::Url;

use crate::config::scrape_configs::{KubernetesRole, KubernetesSd};

/// The field of a pod that names its node.
const NODE_FIELD: &str = "spec.nodeName";

/// Objects that one watch covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    /// Below the server's own path.
    pub(super) path: String,
    /// Empty for any.
    label: String,
    /// Empty for any.
    pub(super) field: String,
}

impl Scope {
    /// The address, with the selectors in its query.
    pub(super) fn url(&self, server: &Url) -> Url {
        let mut url = server.clone();
        url.set_path(&format!("{}{}", server.path().trim_end_matches('/'), self.path));
        for (name, selector) in [("labelSelector", &self.label), ("fieldSelector", &self.field)] {
            if !selector.is_empty() {
                url.query_pairs_mut().append_pair(name, selector);
            }
        }
        url
    }
}

/// One scope for each namespace, or one for all.
///
/// `own` is the namespace of the process, `node` the name of its node.
pub(super) fn of_pods(config: &KubernetesSd, own: Option<&str>, node: &str) -> Vec<Scope> {
    let (label, field) = pod_selectors(config);
    let field = match field {
        "" => format!("{NODE_FIELD}={node}"),
        field if field.contains(NODE_FIELD) => field.to_owned(),
        field => format!("{field},{NODE_FIELD}={node}"),
    };
    let scope = |path| Scope { path, label: label.to_owned(), field: field.clone() };
    let mut namespaces: Vec<&str> = config.namespaces.names.iter().map(String::as_str).collect();
    if config.namespaces.own_namespace {
        namespaces.extend(own);
    }
    namespaces.sort_unstable();
    namespaces.dedup();
    if namespaces.is_empty() {
        return vec![scope("/api/v1/pods".to_owned())];
    }
    namespaces.into_iter().map(|name| scope(format!("/api/v1/namespaces/{name}/pods"))).collect()
}

/// The node of the process, or all of them where a selector finds pods of others.
pub(super) fn of_nodes(config: &KubernetesSd, node: &str) -> Scope {
    let is_of_others = pod_selectors(config).1.contains(NODE_FIELD);
    let field = if is_of_others { String::new() } else { format!("metadata.name={node}") };
    Scope { path: "/api/v1/nodes".to_owned(), label: String::new(), field }
}

fn pod_selectors(config: &KubernetesSd) -> (&str, &str) {
    let mut selectors = config.selectors.iter();
    let selector = selectors.find(|selector| selector.role == Some(KubernetesRole::Pod));
    selector.map_or(("", ""), |selector| (&selector.label, &selector.field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::kubernetes::tests::config;

    fn urls(text: &str) -> Vec<String> {
        let config = config(text);
        let server = Url::parse("https://k:6443/proxy/").unwrap();
        let scopes = of_pods(&config, Some("own"), "n1");
        let nodes = config.attach_metadata.node.then(|| of_nodes(&config, "n1"));
        scopes
            .into_iter()
            .chain(nodes)
            .map(|scope| scope.url(&server).as_str().replace("https://k:6443/proxy/api/v1/", ""))
            .collect()
    }

    #[test]
    fn every_selector_is_limited_to_the_node_unless_it_names_one() {
        for (text, expected) in [
            ("{role: pod}", vec!["pods?fieldSelector=spec.nodeName%3Dn1"]),
            (
                "{role: pod, selectors: [{role: pod, label: 'a=b,c', field: status.phase=Running}]}",
                vec![
                    "pods?labelSelector=a%3Db%2Cc&fieldSelector=status.phase%3DRunning%2Cspec.nodeName%3Dn1",
                ],
            ),
            (
                "{role: pod, attach_metadata: {node: true}}",
                vec![
                    "pods?fieldSelector=spec.nodeName%3Dn1",
                    "nodes?fieldSelector=metadata.name%3Dn1",
                ],
            ),
            (
                "{role: pod, attach_metadata: {node: true}, selectors: [{role: pod, field: spec.nodeName=n2}]}",
                vec!["pods?fieldSelector=spec.nodeName%3Dn2", "nodes"],
            ),
            (
                "{role: pod, namespaces: {names: [b, a, b], own_namespace: true}}",
                vec![
                    "namespaces/a/pods?fieldSelector=spec.nodeName%3Dn1",
                    "namespaces/b/pods?fieldSelector=spec.nodeName%3Dn1",
                    "namespaces/own/pods?fieldSelector=spec.nodeName%3Dn1",
                ],
            ),
        ] {
            assert_eq!(urls(text), expected, "{text}");
        }
    }
}
