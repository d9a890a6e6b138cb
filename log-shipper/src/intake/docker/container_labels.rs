//! The labels that relabelling sees of a container, under the names of Prometheus' discovery.
//!
//! A container is one target for each network and TCP port there, but it is read once, so the first
//! of them counts: the first network by name, and the first port as the engine lists them.

use std::collections::{BTreeMap, HashMap};

use prometheus_model::label_set::LabelSet;

use super::objects::{Attachment, Container, Network};
use crate::config::scrape_configs::DockerSd;
use crate::discovery::target::ADDRESS_LABEL;

/// Says `stdout` or `stderr`.
pub(super) const STREAM_LABEL: &str = "__meta_docker_container_log_stream";

const CONTAINER: &str = "__meta_docker_container";
const NETWORK: &str = "__meta_docker_network";
const PORT: &str = "__meta_docker_port";

/// The keys of a block that have a say in addresses.
#[derive(Debug, Clone)]
pub(super) struct AddressKeys {
    port: i64,
    host_networking_host: String,
    match_first_network: bool,
}

impl AddressKeys {
    pub(super) fn new(config: &DockerSd) -> Self {
        Self {
            port: config.port,
            host_networking_host: config.host_networking_host.clone(),
            match_first_network: config.match_first_network,
        }
    }
}

/// Networks by their id.
pub(super) type Networks = HashMap<String, Network>;

/// The labels of a container. `attached` says where another one is, by id: a container may share
/// its network.
pub(super) fn labels<'a>(
    container: &'a Container,
    attached: &impl Fn(&str) -> Option<&'a Container>,
    networks: &Networks,
    keys: &AddressKeys,
) -> LabelSet {
    let mut labels = LabelSet::new();
    let mode = &container.host_config.network_mode;
    let name = container.names.first().map_or("", String::as_str);
    for (key, value) in [("id", &*container.id), ("name", name), ("network_mode", mode)] {
        labels.set(&format!("{CONTAINER}_{key}"), value);
    }
    add_labels(&mut labels, CONTAINER, &container.labels);
    // None at all is no reason not to read it.
    let Some(attachment) = first_network(container, attached, keys) else { return labels };
    labels.set(&format!("{NETWORK}_ip"), &attachment.ip);
    if let Some(network) = networks.get(&attachment.network) {
        for (key, value) in [
            ("id", network.id.as_str()),
            ("name", &network.name),
            ("scope", &network.scope),
            ("internal", if network.internal { "true" } else { "false" }),
            ("ingress", if network.ingress { "true" } else { "false" }),
        ] {
            labels.set(&format!("{NETWORK}_{key}"), value);
        }
        add_labels(&mut labels, NETWORK, &network.labels);
    }
    let port = container.ports.iter().find(|port| port.protocol == "tcp");
    if let Some(port) = port {
        labels.set(&format!("{PORT}_private"), &port.private.to_string());
        if port.public > 0 {
            labels.set(&format!("{PORT}_public"), &port.public.to_string());
            labels.set(&format!("{PORT}_public_ip"), &port.ip);
        }
    }
    let address = match port {
        Some(port) => joined(&attachment.ip, port.private),
        None if mode == "host" => keys.host_networking_host.clone(),
        None => joined(&attachment.ip, keys.port),
    };
    labels.set(ADDRESS_LABEL, &address);
    labels
}

/// The network whose labels count: that of the network mode, where it is one by name.
fn first_network<'a>(
    container: &'a Container,
    attached: &impl Fn(&str) -> Option<&'a Container>,
    keys: &AddressKeys,
) -> Option<&'a Attachment> {
    let mut owner = container;
    // A container that shares the network of one that shares the network of one...
    for _ in 0..8 {
        let networks = &owner.network_settings.networks;
        let mode = &owner.host_config.network_mode;
        if !networks.is_empty() {
            let named = keys.match_first_network.then(|| networks.get(mode)).flatten();
            return named.or_else(|| networks.values().next());
        }
        owner = attached(mode.strip_prefix("container:")?)?;
    }
    None
}

fn joined(ip: &str, port: impl std::fmt::Display) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn add_labels(labels: &mut LabelSet, prefix: &str, added: &BTreeMap<String, String>) {
    for (name, value) in added {
        // every character that no label name may have
        let name: String = name
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() { char } else { '_' })
            .collect();
        labels.set(&format!("{prefix}_label_{name}"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(text: &str) -> Container {
        serde_json::from_str(text).unwrap()
    }

    fn shown(container: &Container, others: &[Container], keys: &AddressKeys) -> Vec<String> {
        let network = Network {
            id: "n1".to_owned(),
            name: "backend".to_owned(),
            scope: "local".to_owned(),
            internal: true,
            labels: BTreeMap::from([("com.example/tier".to_owned(), "db".to_owned())]),
            ..Network::default()
        };
        let networks = Networks::from([("n1".to_owned(), network)]);
        let attached = |id: &str| others.iter().find(|other| other.id == id);
        let labels = labels(container, &attached, &networks, keys);
        let short = |name: &str| name.trim_start_matches("__meta_docker_").to_owned();
        labels.iter().map(|(name, value)| format!("{}={value}", short(name))).collect()
    }

    fn keys() -> AddressKeys {
        AddressKeys::new(&DockerSd::default())
    }

    #[test]
    fn a_container_has_the_labels_of_its_network_and_its_first_tcp_port() {
        let web = container(
            r#"{"Id":"c1","Names":["/web","/alias"],"Labels":{"com.docker.compose.service":"web"},
            "Ports":[{"PrivatePort":53,"Type":"udp"},
                     {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
                     {"PrivatePort":443,"Type":"tcp"}],
            "HostConfig":{"NetworkMode":"backend"},
            "NetworkSettings":{"Networks":{"a":{"NetworkID":"n2","IPAddress":"10.9.9.9"},
                                           "backend":{"NetworkID":"n1","IPAddress":"10.0.0.2"}}}}"#,
        );
        let expected = [
            "__address__=10.0.0.2:80",
            "container_id=c1",
            "container_label_com_docker_compose_service=web",
            "container_name=/web",
            "container_network_mode=backend",
            "network_id=n1",
            "network_ingress=false",
            "network_internal=true",
            "network_ip=10.0.0.2",
            "network_label_com_example_tier=db",
            "network_name=backend",
            "network_scope=local",
            "port_private=80",
            "port_public=8080",
            "port_public_ip=0.0.0.0",
        ];
        assert_eq!(shown(&web, &[], &keys()), expected);
        let any = AddressKeys { match_first_network: false, ..keys() };
        assert!(shown(&web, &[], &any).contains(&"network_ip=10.9.9.9".to_owned()), "by name");
    }

    #[test]
    fn a_container_of_the_hosts_network_has_the_configured_address() {
        let host = container(
            r#"{"Id":"c","HostConfig":{"NetworkMode":"host"},
                "NetworkSettings":{"Networks":{"host":{"NetworkID":"h"}}}}"#,
        );
        assert!(shown(&host, &[], &keys()).contains(&"__address__=localhost".to_owned()));
        let v6 = container(r#"{"NetworkSettings":{"Networks":{"x":{"IPAddress":"fd00::1"}}}}"#);
        assert!(shown(&v6, &[], &keys()).contains(&"__address__=[fd00::1]:80".to_owned()));
    }

    #[test]
    fn a_shared_network_is_looked_up_and_one_that_is_not_found_hides_nothing() {
        let owner = container(
            r#"{"Id":"c1","HostConfig":{"NetworkMode":"bridge"},
                "NetworkSettings":{"Networks":{"bridge":{"NetworkID":"n1","IPAddress":"10.0.0.7"}}}}"#,
        );
        let sidecar = container(r#"{"Id":"c2","HostConfig":{"NetworkMode":"container:c1"}}"#);
        let labels = shown(&sidecar, &[owner], &keys());
        assert!(labels.contains(&"network_name=backend".to_owned()), "{labels:?}");
        assert_eq!(shown(&sidecar, &[], &keys()).len(), 3, "id, name, mode");
        let ring = container(r#"{"Id":"c2","HostConfig":{"NetworkMode":"container:c2"}}"#);
        assert_eq!(shown(&ring, std::slice::from_ref(&ring), &keys()).len(), 3);
    }
}
