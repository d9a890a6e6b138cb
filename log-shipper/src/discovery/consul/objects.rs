//! The parts of Consul's answers that become labels. What has nothing to say may be absent or null.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `/v1/catalog/services`: names with the tags of all their instances.
pub(super) type CatalogServices = BTreeMap<String, Option<Vec<String>>>;

/// `/v1/agent/services`: what runs here, by id.
pub(super) type AgentServices = BTreeMap<String, AgentService>;

/// A list or map that may be null.
pub(super) type Texts = Option<BTreeMap<String, String>>;

/// A service of an agent.
#[derive(Debug, Deserialize)]
pub(super) struct AgentService {
    #[serde(rename = "Service")]
    pub(super) name: String,
    #[serde(rename = "Tags", default)]
    pub(super) tags: Option<Vec<String>>,
}

/// An element of `/v1/health/service/NAME`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Instance {
    pub(super) node: Node,
    pub(super) service: Service,
    #[serde(default)]
    pub(super) checks: Option<Vec<Check>>,
}

/// Where an instance runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Node {
    #[serde(rename = "Node", default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) address: String,
    #[serde(default)]
    pub(super) tagged_addresses: Texts,
    #[serde(default)]
    pub(super) meta: Texts,
}

/// An instance as it was registered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Service {
    #[serde(rename = "ID", default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) address: String,
    #[serde(default)]
    pub(super) port: i64,
    #[serde(default)]
    pub(super) meta: Texts,
    #[serde(default)]
    pub(super) tagged_addresses: Option<BTreeMap<String, ServiceAddress>>,
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) partition: String,
}

/// One of several addresses of an instance.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServiceAddress {
    #[serde(default)]
    pub(super) address: String,
    #[serde(default)]
    pub(super) port: i64,
}

/// A check of an instance or its node.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Check {
    #[serde(rename = "CheckID", default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) status: String,
}

/// The state of an instance by its checks: the worst, and maintenance above all.
pub(super) fn health(checks: &[Check]) -> &'static str {
    let is_maintenance = |check: &Check| {
        check.id == "_node_maintenance" || check.id.starts_with("_service_maintenance:")
    };
    let has = |status: &str| checks.iter().any(|check| check.status == status);
    if checks.iter().any(is_maintenance) {
        "maintenance"
    } else if checks
        .iter()
        .any(|check| !matches!(&*check.status, "passing" | "warning" | "critical"))
    {
        // as Consul's client has it
        ""
    } else if has("critical") {
        "critical"
    } else if has("warning") {
        "warning"
    } else {
        "passing"
    }
}

/// `/v1/agent/self`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Agent {
    pub(super) config: AgentConfig,
    #[serde(default)]
    pub(super) member: Option<Member>,
    /// Values other than texts give no label.
    #[serde(default)]
    pub(super) meta: Option<BTreeMap<String, serde_json::Value>>,
}

/// What the agent was started with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AgentConfig {
    pub(super) datacenter: String,
    #[serde(default)]
    pub(super) node_name: String,
}

/// The agent as others see it.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    #[serde(rename = "Addr", default)]
    pub(super) address: String,
}

/// An element of `/v1/agent/health/service/name/NAME`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AgentInstance {
    pub(super) service: Service,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_the_worst_of_all_checks() {
        for (checks, expected) in [
            (&[][..], "passing"),
            (&[("a", "passing"), ("b", "warning")], "warning"),
            (&[("a", "warning"), ("b", "critical"), ("c", "passing")], "critical"),
            (&[("a", "critical"), ("_node_maintenance", "critical")], "maintenance"),
            (&[("_service_maintenance:x", "critical")], "maintenance"),
            (&[("a", "passing"), ("b", "odd")], ""),
        ] {
            let checks: Vec<_> = checks
                .iter()
                .map(|(id, status)| Check { id: (*id).into(), status: (*status).into() })
                .collect();
            assert_eq!(health(&checks), expected, "{checks:?}");
        }
    }

    #[test]
    fn null_is_nothing() {
        let text = r#"{"Node":{"Node":"n","Address":"a","Meta":null,"TaggedAddresses":null},
            "Service":{"ID":"i","Tags":null,"Meta":null,"TaggedAddresses":null},"Checks":null}"#;
        let instance: Instance = serde_json::from_str(text).unwrap();
        assert_eq!((instance.node.name.as_str(), instance.service.port), ("n", 0));
        let services: CatalogServices = serde_json::from_str(r#"{"a":null,"b":["t"]}"#).unwrap();
        assert_eq!(services.len(), 2);
    }
}
