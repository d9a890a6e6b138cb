//! What the configuration says of one alert, from nothing but its labels.
//!
//! Dependencies are keys: an alert *provides* some and *needs* others, and depends on whatever
//! fires and provides what it needs. Built-in and configured ones differ only in the key's first
//! letter, and the cluster is part of each, so that no two clusters are ever mixed.

use std::collections::BTreeSet;
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;

use crate::calendar::{Hours, Window};
use crate::config::Config;
use crate::config::routes::{self, Page};
use crate::incident::Severity;
use crate::time::Moment;

/// Between the parts of a key; it cannot be typed into a label by accident.
const PART: char = '\u{1f}';

/// What kind of thing an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntityKind {
    Gpu,
    Pod,
    Node,
    Service,
    Namespace,
    Cluster,
    /// No label says.
    Unknown,
}

impl EntityKind {
    /// Whether two alerts about one such thing are one trouble. A cluster or a namespace is too
    /// wide for that.
    fn is_narrow(self) -> bool {
        matches!(self, Self::Gpu | Self::Pod | Self::Node | Self::Service)
    }
}

/// What the labels say.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) class: Vec<String>,
    /// For people, for example `node=gpu-7`.
    pub(super) entity: String,
    pub(super) cluster: String,
    pub(super) severity: Severity,
    /// It is to wake somebody.
    pub(super) pages: bool,
    /// And is never held back.
    pub(super) always: bool,
    pub(super) provides: Vec<String>,
    pub(super) needs: Vec<String>,
    /// Two alerts of this entity are one trouble.
    pub(super) is_narrow: bool,
}

impl Facts {
    /// The class as one text.
    pub(super) fn class_key(&self) -> String {
        self.class.join("\u{1f}")
    }
}

/// Whether a needed key was configured, so that its cause counts for as long as it fires.
pub(super) fn is_configured(key: &str) -> bool {
    key.starts_with('d')
}

/// Whether the key is that of a whole cluster.
pub(super) fn is_cluster(key: &str) -> bool {
    key.starts_with('c')
}

/// The configuration, ready to be asked.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) config: Arc<Config>,
    windows: Vec<Option<Window>>,
}

impl Rules {
    pub(super) fn new(config: Arc<Config>) -> Self {
        // A verified configuration has no window that cannot be read; another one has none at all.
        let windows = config.correlation.maintenance.iter().map(|one| one.window().ok()).collect();
        Self { config, windows }
    }

    pub(super) fn facts(&self, labels: &LabelSet) -> Facts {
        let correlation = &self.config.correlation;
        let text = |name: &str| labels.get(name).unwrap_or_default().to_owned();
        let class = correlation.class_labels.iter().map(|name| text(name)).collect();
        let severity = labels.get("severity").and_then(|name| correlation.severities.get(name));
        let severity = severity.copied().unwrap_or_default();
        let taken = routes::of(&self.config.routes, labels);
        let pages = severity == Severity::Critical
            && (taken.is_empty() || taken.iter().any(|route| route.page != Page::Never));
        let always = pages && taken.iter().any(|route| route.page == Page::Always);
        let cluster = text("cluster");
        let (kind, entity, mut provides, mut needs) = entity(labels, &cluster);
        for (index, dependency) in correlation.dependencies.iter().enumerate() {
            let mut key = format!("d{PART}{index}");
            let mut is_whole = true;
            for name in &dependency.equal {
                let value = labels.get(name).unwrap_or_default();
                is_whole &= !value.is_empty();
                key.push(PART);
                key.push_str(value);
            }
            if !is_whole {
                continue;
            }
            if dependency.cause.matches(labels) {
                provides.push(key);
            } else if dependency.effect.matches(labels) {
                needs.push(key);
            }
        }
        let is_narrow = kind.is_narrow();
        Facts { class, entity, cluster, severity, pages, always, provides, needs, is_narrow }
    }

    /// Planned work that covers these labels: its name, and when the last of it ends.
    pub(super) fn maintenance(&self, labels: &LabelSet, now: Moment) -> Option<(&str, Moment)> {
        let windows = self.config.correlation.maintenance.iter().zip(&self.windows);
        let covering = windows.filter(|(one, _)| one.matchers.matches(labels));
        let ends = covering
            .filter_map(|(one, window)| Some((one.name.as_str(), window.as_ref()?.ends(now)?)));
        ends.max_by_key(|(_, end)| *end)
    }

    /// When the business hours of all routes of these labels have begun; `None` where one of them
    /// waits for none, or within them.
    pub(super) fn waits_until(&self, labels: &LabelSet, now: Moment) -> Option<Moment> {
        let taken = routes::of(&self.config.routes, labels);
        let begins = taken.iter().map(|route| {
            let name = route.business_hours.as_ref()?;
            let hours: Hours = self.config.correlation.business_hours.get(name)?.hours().ok()?;
            hours.next(now)
        });
        // The earliest: nobody waits for another one's hours.
        begins.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    /// Names of all destinations that these labels are sent to.
    pub(super) fn destinations(&self, labels: &LabelSet) -> BTreeSet<&str> {
        let taken = routes::of(&self.config.routes, labels);
        taken.iter().flat_map(|route| route.destinations.iter().map(String::as_str)).collect()
    }
}

/// Kind, text, keys that it provides, keys that it needs.
fn entity(labels: &LabelSet, cluster: &str) -> (EntityKind, String, Vec<String>, Vec<String>) {
    let get = |name: &str| labels.get(name).filter(|value| !value.is_empty());
    let key = |entity: &str| format!("e{PART}{cluster}{PART}{entity}");
    let nodes: Vec<String> = ["node", "instance"]
        .into_iter()
        .filter_map(get)
        .map(|name| format!("node={name}"))
        .collect();
    let service = get("service").map(|name| format!("service={name}"));
    let service = service.or_else(|| get("job").map(|name| format!("job={name}")));
    let mut needs = Vec::new();
    let (kind, text) = if let (Some(gpu), Some(node)) = (get("gpu"), nodes.first()) {
        needs.extend(nodes.iter().map(|node| key(node)));
        (EntityKind::Gpu, format!("gpu={gpu} {node}"))
    } else if let (Some(pod), Some(namespace)) = (get("pod"), get("namespace")) {
        // The instance of a pod's alert is whoever measured it.
        needs.extend(get("node").map(|node| key(&format!("node={node}"))));
        needs.extend(get("service").map(|name| key(&format!("service={name}"))));
        (EntityKind::Pod, format!("pod={namespace}/{pod}"))
    } else if let Some(node) = nodes.first() {
        (EntityKind::Node, node.clone())
    } else if let Some(service) = service {
        (EntityKind::Service, service)
    } else if let Some(namespace) = get("namespace") {
        (EntityKind::Namespace, format!("namespace={namespace}"))
    } else if cluster.is_empty() {
        let name = get("alertname").unwrap_or_default();
        return (EntityKind::Unknown, format!("alert={name}"), Vec::new(), Vec::new());
    } else {
        (EntityKind::Cluster, format!("cluster={cluster}"))
    };
    let mut provides = vec![key(&text)];
    if kind == EntityKind::Node {
        provides.extend(nodes.iter().skip(1).map(|node| key(node)));
    }
    let whole = format!("c{PART}{cluster}");
    if kind == EntityKind::Cluster {
        provides.push(whole);
    } else if !cluster.is_empty() {
        needs.push(whole);
    }
    (kind, text, provides, needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let text = r#"
destinations: [{name: a, webhook: {url: "http://a"}}, {name: b, webhook: {url: "http://b"}}]
routes:
  - {matchers: ['severity="critical"', 'team="pay"'], destinations: [a, b], page: always}
  - {matchers: ['severity="critical"', 'team="lab"'], destinations: [a], page: never}
  - {matchers: ['team="office"'], destinations: [a], business_hours: office}
  - {destinations: [a]}
correlation:
  business_hours: {office: {time_zone: UTC}}
  dependencies:
    - {cause: ['alertname="RedisDown"'], effect: ['alertname=~".*"'], equal: [cluster]}
  maintenance:
    - {name: disks, matchers: ['node="n"'], start: "2026-11-24T02:00", end: "2026-11-24T03:00"}
"#;
        Rules::new(Arc::new(Config::parse(text, "relay.yml").unwrap()))
    }

    fn facts(labels: &[(&str, &str)]) -> Facts {
        rules().facts(&labels.iter().copied().collect())
    }

    #[test]
    fn the_entity_is_the_narrowest_thing_that_the_labels_name() {
        for (labels, entity) in [
            (&[("gpu", "3"), ("node", "n"), ("pod", "p")][..], "gpu=3 node=n"),
            (&[("gpu", "3"), ("pod", "p"), ("namespace", "s")], "pod=s/p"),
            (&[("instance", "i"), ("node", "n")], "node=n"),
            (&[("instance", "i"), ("service", "s")], "node=i"),
            (&[("service", "s"), ("job", "j")], "service=s"),
            (&[("job", "j")], "job=j"),
            (&[("namespace", "s")], "namespace=s"),
            (&[("cluster", "c")], "cluster=c"),
            (&[("alertname", "A")], "alert=A"),
        ] {
            assert_eq!(facts(labels).entity, entity);
        }
    }

    #[test]
    fn what_is_needed_names_what_is_provided_only_in_one_cluster() {
        let gpu = facts(&[("cluster", "c"), ("node", "n"), ("gpu", "0")]);
        let node = facts(&[("cluster", "c"), ("node", "n")]);
        let other = facts(&[("cluster", "d"), ("node", "n")]);
        assert!(gpu.needs.contains(&node.provides[0]));
        assert!(!gpu.needs.contains(&other.provides[0]));
        let cause = facts(&[("cluster", "c"), ("alertname", "RedisDown"), ("service", "redis")]);
        let shared = cause.provides.iter().find(|key| is_configured(key)).unwrap();
        assert!(gpu.needs.contains(shared) && !cause.needs.contains(shared));
        let without_cluster = facts(&[("node", "n")]);
        assert!(!without_cluster.needs.iter().any(|key| is_configured(key)));
    }

    #[test]
    fn routes_say_what_pages_and_what_waits() {
        let of = |team| {
            let facts = facts(&[("severity", "critical"), ("team", team)]);
            (facts.pages, facts.always)
        };
        assert_eq!((of("pay"), of("lab"), of("x")), ((true, true), (false, false), (true, false)));
        assert!(!facts(&[("severity", "warning"), ("team", "pay")]).pages);
        let rules = rules();
        let office = [("team", "office")].into_iter().collect();
        let night = Moment::parse("2026-11-24T02:30:00Z").unwrap();
        assert_eq!(rules.waits_until(&office, night), Moment::parse("2026-11-24T09:00:00Z"));
        assert_eq!(rules.waits_until(&LabelSet::new(), night), None);
        let node = [("node", "n")].into_iter().collect();
        let (name, end) = rules.maintenance(&node, night).unwrap();
        assert_eq!((name, end), ("disks", Moment::parse("2026-11-24T03:00:00Z").unwrap()));
        assert_eq!(rules.maintenance(&office, night), None);
    }
}
