use stack_tests::consul::{ConsulAgent, Service};
use stack_tests::patience::{PATIENCE, await_condition};
use tokio::task::JoinHandle;

use super::*;

/// A discovery that runs.
struct Running {
    consul: ConsulAgent,
    targets: ConsulTargets,
    failing: Gauge,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The one item of a discovery; `SERVER` is the agent's address.
fn start(consul: ConsulAgent, key: &str, item: &str) -> Running {
    let item = item.replace("SERVER", &format!("server: '{}'", consul.address()));
    let text = format!("scrape_configs: [{{job_name: a, {key}: [{item}]}}]");
    let config = crate::config::parse("test".as_ref(), &text, None).unwrap();
    let job = &config.scrape_configs[0];
    let discovery = match key {
        "consul_sd_configs" => ConsulDiscovery::of_cluster(&job.consul_sd_configs[0]),
        _ => ConsulDiscovery::of_agent(&job.consulagent_sd_configs[0]),
    };
    let discovery = discovery.unwrap();
    assert_eq!(discovery.key(), key);
    let (targets, failing, stop) =
        (discovery.targets(), Gauge::default(), CancellationToken::new());
    let task = tokio::spawn(discovery.run(Wake::new().unwrap(), failing.clone(), stop.clone()));
    Running { consul, targets, failing, stop, task }
}

impl Running {
    /// Service, and one label of each of its instances.
    fn found(&self, label: &str) -> Vec<(String, Vec<String>)> {
        let value = |labels: &prometheus_model::label_set::LabelSet| {
            labels.get(label).unwrap_or("none").to_owned()
        };
        let groups = self.targets.groups();
        groups
            .iter()
            .map(|group| (group.source.clone(), group.targets.iter().map(value).collect()))
            .collect()
    }

    #[track_caller]
    fn wait_for(&self, label: &str, expected: &[(&str, &[&str])]) {
        let expected: Vec<(String, Vec<String>)> = expected
            .iter()
            .map(|(name, values)| {
                ((*name).to_owned(), values.iter().map(ToString::to_string).collect())
            })
            .collect();
        await_condition(&format!("{expected:?}, not {:?}", self.found(label)), || {
            self.found(label) == expected
        });
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

const TAGS: &str = "__meta_consul_tags";

#[tokio::test(flavor = "multi_thread")]
async fn services_come_change_and_go_with_the_catalog() {
    let consul = ConsulAgent::local();
    consul.register(Service::new("web", "web-1").tags(&["blue"]));
    let running = start(consul, "consul_sd_configs", "{SERVER, refresh_interval: 10ms}");
    running.wait_for(TAGS, &[("web", &[",blue,"])]);
    let group = running.targets.groups().remove(0);
    assert_eq!(group.labels.get("__meta_consul_dc"), Some("dc1"));

    running.consul.register(Service::new("web", "web-1").tags(&["green", "new"]));
    running.consul.register(Service::new("web", "web-2"));
    running.consul.register(Service::new("db", "db-1").status("critical"));
    running.wait_for(TAGS, &[("db", &[",,"]), ("web", &[",green,new,", ",,"])]);
    running.wait_for(
        "__meta_consul_health",
        &[("db", &["critical"]), ("web", &["passing", "passing"])],
    );

    running.consul.deregister("web-1");
    running.consul.deregister("db-1");
    running.wait_for("__meta_consul_service_id", &[("web", &["web-2"])]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_carry_what_is_configured() {
    let consul = ConsulAgent::local();
    consul.register(Service::new("web", "web-1").tags(&["a", "b"]));
    consul.require_token("hunter2");
    let item = "{SERVER, token: hunter2, datacenter: d, namespace: n, partition: p, filter: f, \
                health_filter: h, tags: [a, b], node_meta: {k: v}, refresh_interval: 10ms}";
    let running = start(consul, "consul_sd_configs", item);
    running.wait_for(TAGS, &[("web", &[",a,b,"])]);
    let requests = running.consul.requests();
    assert!(requests.iter().all(|request| request.path != "/v1/agent/self"), "{requests:?}");
    for (path, own) in [
        ("/v1/catalog/services", &[("filter", "f")][..]),
        ("/v1/health/service/web", &[("tag", "a"), ("tag", "b"), ("filter", "h")]),
    ] {
        let request = requests.iter().find(|request| request.path == path).unwrap();
        let query: Vec<_> = request.query.iter().map(|(key, value)| (&**key, &**value)).collect();
        let mut expected = vec![("dc", "d"), ("ns", "n"), ("partition", "p"), ("stale", "")];
        expected.push(("node-meta", "k:v"));
        expected.extend(own);
        assert_eq!(query, expected, "{path}");
    }
    let held = running.consul.wait_for(PATIENCE, |requests| {
        requests.iter().any(|request| {
            request.value("wait") == Some("120000ms") && request.value("index").is_some()
        })
    });
    assert!(held, "{:?}", running.consul.requests());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn named_services_are_followed_without_the_catalog() {
    let consul = ConsulAgent::local();
    consul.register(Service::new("web", "web-1"));
    consul.register(Service::new("db", "db-1"));
    let item = "{SERVER, services: [web, none], refresh_interval: 10ms, tag_separator: ';'}";
    let running = start(consul, "consul_sd_configs", item);
    running.wait_for(TAGS, &[("none", &[]), ("web", &[";;"])]);
    let requests = running.consul.requests();
    assert!(requests.iter().all(|request| request.path != "/v1/catalog/services"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_keeps_the_targets_and_a_new_history_is_followed() {
    let consul = ConsulAgent::local();
    consul.register(Service::new("web", "web-1"));
    let item = "{SERVER, refresh_interval: 10ms}";
    let running = start(consul, "consul_sd_configs", item);
    running.wait_for(TAGS, &[("web", &[",,"])]);

    running.consul.set_fault(Some(500));
    await_condition("the outage is seen", || running.failing.get() >= 2.0);
    running.wait_for(TAGS, &[("web", &[",,"])]);
    running.consul.deregister("web-1");
    running.consul.register(Service::new("db", "db-1"));
    running.consul.restart_history();
    running.consul.set_fault(None);
    running.wait_for(TAGS, &[("db", &[",,"])]);
    await_condition("the outage is over", || running.failing.get().abs() < f64::EPSILON);

    running.consul.restart_history();
    running.consul.register(Service::new("api", "api-1"));
    running.wait_for(TAGS, &[("api", &[",,"]), ("db", &[",,"])]);
    let failing = running.failing.clone();
    running.stop().await;
    assert!(failing.get().abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_tells_of_its_own_services() {
    let consul = ConsulAgent::local();
    consul.register(Service::new("web", "web-1").tags(&["a"]).meta("path", "/l"));
    consul.register(Service::new("web", "web-2").status("critical"));
    consul.register(Service::new("db", "db-1"));
    let item = "{SERVER, tags: [a], refresh_interval: 10ms}";
    let running = start(consul, "consulagent_sd_configs", item);
    let health = "__meta_consulagent_health";
    // Promtail's way: a tag of one instance selects the service, the worst one is the state of all.
    running.wait_for(health, &[("web", &["critical", "critical"])]);
    let group = running.targets.groups().remove(0);
    let first = &group.targets[0];
    assert_eq!(first.get("__meta_consulagent_service_metadata_path"), Some("/l"));
    assert_eq!(first.get("__meta_consulagent_metadata_rack"), Some("r7"));

    running.consul.register(Service::new("web", "web-2").status("warning"));
    running.wait_for(health, &[("web", &["warning", "warning"])]);
    running.consul.set_fault(Some(500));
    await_condition("the outage is seen", || running.failing.get() > 0.0);
    running.wait_for(health, &[("web", &["warning", "warning"])]);
    running.consul.set_fault(None);
    running.consul.deregister("web-1");
    running.wait_for(health, &[]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_service_that_an_agent_does_not_have_has_no_instances() {
    let consul = ConsulAgent::local();
    consul.register(Service::new("web", "web-1"));
    let item = "{SERVER, services: [web, none], refresh_interval: 10ms, datacenter: d}";
    let running = start(consul, "consulagent_sd_configs", item);
    running.wait_for("__address__", &[("none", &[]), ("web", &["10.0.0.1:8080"])]);
    assert_eq!(running.targets.groups()[0].labels.get("__meta_consulagent_dc"), Some("d"));
    running.stop().await;
}
