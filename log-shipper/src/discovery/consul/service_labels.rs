//! The labels of a service's instances, as Prometheus and Promtail name them.

use prometheus_model::label_set::LabelSet;

use super::objects::{Agent, AgentInstance, Instance, Service, Texts, health};
use crate::discovery::target::{ADDRESS_LABEL, Group};

const CATALOG: &str = "__meta_consul";
const AGENT: &str = "__meta_consulagent";

/// What a configuration and its agent say of every service.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) datacenter: String,
    pub(super) tag_separator: String,
}

/// The instances of a service of the catalog.
pub(super) fn of_catalog(name: &str, instances: &[Instance], surroundings: &Surroundings) -> Group {
    let targets = instances.iter().map(|Instance { node, service, checks }| {
        let mut labels = LabelSet::new();
        set_instance(&mut labels, CATALOG, service, &node.address, surroundings);
        labels.set(&format!("{CATALOG}_node"), &node.name);
        labels.set(&format!("{CATALOG}_namespace"), &service.namespace);
        labels.set(&format!("{CATALOG}_partition"), &service.partition);
        labels.set(&format!("{CATALOG}_health"), health(checks.as_deref().unwrap_or_default()));
        set_all(&mut labels, CATALOG, "metadata", &node.meta);
        set_all(&mut labels, CATALOG, "tagged_address", &node.tagged_addresses);
        labels
    });
    group(CATALOG, name, targets.collect(), surroundings)
}

/// The instances of a service that run on an agent; `state` is that of the worst of them.
pub(super) fn of_agent(
    name: &str,
    state: &str,
    instances: &[AgentInstance],
    agent: &Agent,
    surroundings: &Surroundings,
) -> Group {
    let address = agent.member.as_ref().map_or("", |member| &member.address);
    let targets = instances.iter().map(|AgentInstance { service }| {
        let mut labels = LabelSet::new();
        set_instance(&mut labels, AGENT, service, address, surroundings);
        labels.set(&format!("{AGENT}_node"), &agent.config.node_name);
        labels.set(&format!("{AGENT}_health"), state);
        for (key, value) in agent.meta.iter().flatten() {
            if let Some(value) = value.as_str() {
                labels.set(&format!("{AGENT}_metadata_{}", sanitized(key)), value);
            }
        }
        for (key, value) in service.tagged_addresses.iter().flatten() {
            let name = format!("{AGENT}_tagged_address_{}", sanitized(key));
            labels.set(&name, &format!("{}:{}", value.address, value.port));
        }
        labels
    });
    group(AGENT, name, targets.collect(), surroundings)
}

fn group(prefix: &str, name: &str, targets: Vec<LabelSet>, surroundings: &Surroundings) -> Group {
    let mut labels = LabelSet::new();
    labels.set(&format!("{prefix}_service"), name);
    labels.set(&format!("{prefix}_dc"), &surroundings.datacenter);
    Group { source: name.to_owned(), targets, labels }
}

/// What both discoveries have.
fn set_instance(
    labels: &mut LabelSet,
    prefix: &str,
    service: &Service,
    node_address: &str,
    surroundings: &Surroundings,
) {
    let own = [&*service.address, node_address].into_iter().find(|text| !text.is_empty());
    labels.set(ADDRESS_LABEL, &host_and_port(own.unwrap_or_default(), service.port));
    labels.set(&format!("{prefix}_address"), node_address);
    // Also before the first and behind the last, so that a rule need not care where a tag stands.
    let separator = &surroundings.tag_separator;
    let tags = service.tags.as_deref().unwrap_or_default().join(separator);
    labels.set(&format!("{prefix}_tags"), &format!("{separator}{tags}{separator}"));
    labels.set(&format!("{prefix}_service_address"), &service.address);
    labels.set(&format!("{prefix}_service_port"), &service.port.to_string());
    labels.set(&format!("{prefix}_service_id"), &service.id);
    set_all(labels, prefix, "service_metadata", &service.meta);
}

fn set_all(labels: &mut LabelSet, prefix: &str, kind: &str, texts: &Texts) {
    for (key, value) in texts.iter().flatten() {
        labels.set(&format!("{prefix}_{kind}_{}", sanitized(key)), value);
    }
}

fn host_and_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As a part of a label's name: every character that no name may have becomes an underscore.
fn sanitized(name: &str) -> String {
    name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings { datacenter: "dc1".to_owned(), tag_separator: ",".to_owned() }
    }

    #[test]
    fn an_instance_of_the_catalog_has_the_labels_of_prometheus() {
        let instances: Vec<Instance> = serde_json::from_value(json!([{
            "Node": {"Node": "n1", "Address": "10.0.0.1", "Meta": {"rack-id": "r7"},
                "TaggedAddresses": {"wan": "192.0.2.1"}},
            "Service": {"ID": "web-1", "Service": "web", "Tags": ["a", "b"], "Address": "fd00::1",
                "Port": 80, "Meta": {"log.path": "/l"}, "Namespace": "ns", "Partition": "p"},
            "Checks": [{"CheckID": "c", "Status": "warning"}],
        }]))
        .unwrap();
        let group = of_catalog("web", &instances, &surroundings());
        assert_eq!(
            group.labels.to_string(),
            r#"{__meta_consul_dc="dc1", __meta_consul_service="web"}"#
        );
        let found: Vec<_> = group.targets[0].iter().collect();
        assert_eq!(
            found,
            [
                ("__address__", "[fd00::1]:80"),
                ("__meta_consul_address", "10.0.0.1"),
                ("__meta_consul_health", "warning"),
                ("__meta_consul_metadata_rack_id", "r7"),
                ("__meta_consul_namespace", "ns"),
                ("__meta_consul_node", "n1"),
                ("__meta_consul_partition", "p"),
                ("__meta_consul_service_address", "fd00::1"),
                ("__meta_consul_service_id", "web-1"),
                ("__meta_consul_service_metadata_log_path", "/l"),
                ("__meta_consul_service_port", "80"),
                ("__meta_consul_tagged_address_wan", "192.0.2.1"),
                ("__meta_consul_tags", ",a,b,"),
            ]
        );
    }

    #[test]
    fn an_instance_of_an_agent_has_the_labels_of_promtail() {
        let agent: Agent = serde_json::from_value(json!({
            "Config": {"Datacenter": "dc1", "NodeName": "n1"},
            "Member": {"Addr": "10.0.0.1"},
            "Meta": {"rack": "r7", "odd": 3},
        }))
        .unwrap();
        let instances: Vec<AgentInstance> = serde_json::from_value(json!([{
            "Service": {"ID": "web-1", "Port": 80, "Meta": {"k": "v"},
                "TaggedAddresses": {"lan": {"Address": "10.0.0.2", "Port": 81}}},
        }]))
        .unwrap();
        let group = of_agent("web", "critical", &instances, &agent, &surroundings());
        let found: Vec<_> = group.targets[0].iter().collect();
        assert_eq!(
            found,
            [
                ("__address__", "10.0.0.1:80"),
                ("__meta_consulagent_address", "10.0.0.1"),
                ("__meta_consulagent_health", "critical"),
                ("__meta_consulagent_metadata_rack", "r7"),
                ("__meta_consulagent_node", "n1"),
                ("__meta_consulagent_service_address", ""),
                ("__meta_consulagent_service_id", "web-1"),
                ("__meta_consulagent_service_metadata_k", "v"),
                ("__meta_consulagent_service_port", "80"),
                ("__meta_consulagent_tagged_address_lan", "10.0.0.2:81"),
                ("__meta_consulagent_tags", ",,"),
            ]
        );
        assert_eq!(group.labels.get("__meta_consulagent_dc"), Some("dc1"));
    }
}
