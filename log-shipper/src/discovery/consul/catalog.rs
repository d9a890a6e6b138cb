//! Follows the services of a cluster: one blocking query for their names, one for each of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use prometheus_model::instrument::Gauge;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::api::Api;
use super::objects::{Agent, CatalogServices, Instance};
use super::retry::{BlockingQuery, Retry};
use super::service_labels::{self, Surroundings};
use super::store::Store;
use crate::config::scrape_configs::{ConsulSd, ConsulServer};
use crate::discovery::target::Group;
use crate::discovery::wake::Wake;

/// Each service is a connection to the agent, which takes 200 of one client by default.
const MAX_SERVICES: usize = 2_000;

/// Answers that wait for the task that stores them.
const QUEUED: usize = 4;

enum News {
    Services(CatalogServices),
    Service(String, Group),
}

/// Follows the services of one item of `consul_sd_configs`.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) api: Arc<Api>,
    pub(super) config: ConsulSd,
    pub(super) store: Store,
    pub(super) wake: Wake,
    pub(super) failing: Gauge,
}

impl Catalog {
    /// Follows for ever.
    pub(super) async fn run(self) {
        let surroundings = Arc::new(Surroundings {
            datacenter: datacenter(&self.api, &self.config.server, &self.failing).await,
            tag_separator: self.config.server.tag_separator.clone(),
        });
        let (sender, mut news) = mpsc::channel(QUEUED);
        // Aborts them all when this future is dropped.
        let mut tasks = JoinSet::new();
        let mut followed: BTreeMap<String, AbortHandle> = BTreeMap::new();
        let config = &self.config.server;
        let has_fixed_names =
            !config.services.is_empty() && config.tags.is_empty() && self.config.filter.is_empty();
        if has_fixed_names {
            for name in &config.services {
                let task = self.follow(name, &surroundings, &sender);
                followed.insert(name.clone(), tasks.spawn(task));
            }
        } else {
            let (api, sender) = (Arc::clone(&self.api), sender.clone());
            let mut query = self.query(self.names_url());
            tasks.spawn(async move {
                loop {
                    let services = query.next(&api).await;
                    if sender.send(News::Services(services)).await.is_err() {
                        return;
                    }
                }
            });
        }
        while let Some(news) = news.recv().await {
            match news {
                News::Services(services) => {
                    let wanted = wanted(config, &services);
                    followed.retain(|name, task| {
                        let stays = wanted.contains(name);
                        if !stays {
                            task.abort();
                            self.store.remove(name, &self.wake);
                        }
                        stays
                    });
                    for name in wanted {
                        if let Entry::Vacant(entry) = followed.entry(name) {
                            let task = self.follow(entry.key(), &surroundings, &sender);
                            entry.insert(tasks.spawn(task));
                        }
                    }
                    // Those that were aborted.
                    while tasks.try_join_next().is_some() {}
                }
                // It may have waited while its service went.
                News::Service(name, group) if followed.contains_key(&name) => {
                    self.store.set(&name, group, &self.wake);
                }
                News::Service(..) => {}
            }
        }
    }

    fn query(&self, url: reqwest::Url) -> BlockingQuery {
        BlockingQuery::new(url, interval(&self.config.server), self.failing.clone())
    }

    fn names_url(&self) -> reqwest::Url {
        let mut url = self.api.url("v1/catalog/services", "");
        self.set_common(&mut url);
        if !self.config.filter.is_empty() {
            url.query_pairs_mut().append_pair("filter", &self.config.filter);
        }
        url
    }

    fn service_url(&self, name: &str) -> reqwest::Url {
        let mut url = self.api.url("v1/health/service/", name);
        self.set_common(&mut url);
        for tag in &self.config.server.tags {
            url.query_pairs_mut().append_pair("tag", tag);
        }
        if !self.config.health_filter.is_empty() {
            url.query_pairs_mut().append_pair("filter", &self.config.health_filter);
        }
        url
    }

    fn set_common(&self, url: &mut reqwest::Url) {
        if self.config.server.allow_stale {
            url.query_pairs_mut().append_pair("stale", "");
        }
        for (key, value) in &self.config.server.node_meta {
            url.query_pairs_mut().append_pair("node-meta", &format!("{key}:{value}"));
        }
    }

    fn follow(
        &self,
        name: &str,
        surroundings: &Arc<Surroundings>,
        sender: &mpsc::Sender<News>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (api, sender) = (Arc::clone(&self.api), sender.clone());
        let (name, surroundings) = (name.to_owned(), Arc::clone(surroundings));
        let mut query = self.query(self.service_url(&name));
        async move {
            loop {
                let instances: Vec<Instance> = query.next(&api).await;
                let group = service_labels::of_catalog(&name, &instances, &surroundings);
                if sender.send(News::Service(name.clone(), group)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Least time between two queries; the smallest one keeps a configuration with 0 from spinning.
pub(super) fn interval(config: &ConsulServer) -> Duration {
    config.refresh_interval.as_duration().max(Duration::from_millis(10))
}

/// The configured one, else that of the agent.
pub(super) async fn datacenter(api: &Api, config: &ConsulServer, failing: &Gauge) -> String {
    if !config.datacenter.is_empty() {
        return config.datacenter.clone();
    }
    let url = api.url("v1/agent/self", "");
    let mut retry = Retry::new(url.path().to_owned(), failing.clone());
    loop {
        match api.ask::<Agent>(url.clone(), &[]).await {
            Ok((_, agent)) => {
                retry.worked();
                return agent.config.datacenter;
            }
            Err(error) => retry.failed(&error).await,
        }
    }
}

/// Which services of the catalog are followed.
fn wanted(config: &ConsulServer, services: &CatalogServices) -> BTreeSet<String> {
    let mut wanted: BTreeSet<String> = services
        .iter()
        .filter(|(name, tags)| is_wanted(config, name, tags.as_deref().unwrap_or_default()))
        .map(|(name, _)| name.clone())
        .collect();
    if wanted.len() > MAX_SERVICES {
        tracing::warn!(
            services = wanted.len(),
            limit = MAX_SERVICES,
            "too many Consul services to follow, leaving some out: name them in services or tags"
        );
        wanted = wanted.into_iter().take(MAX_SERVICES).collect();
    }
    wanted
}

/// Whether a service is asked for, by its name and all tags that its instances have.
pub(super) fn is_wanted(config: &ConsulServer, name: &str, tags: &[String]) -> bool {
    (config.services.is_empty() || config.services.iter().any(|wanted| wanted == name))
        && config.tags.iter().all(|wanted| tags.contains(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_wanted_for_its_name_and_all_tags() {
        let services = CatalogServices::from([
            ("a".to_owned(), Some(vec!["x".to_owned(), "y".to_owned()])),
            ("b".to_owned(), Some(vec!["x".to_owned()])),
            ("c".to_owned(), None),
        ]);
        for (names, tags, expected) in [
            (&[][..], &[][..], &["a", "b", "c"][..]),
            (&["a", "z"], &[], &["a"]),
            (&[], &["x"], &["a", "b"]),
            (&[], &["x", "y"], &["a"]),
            (&["b"], &["y"], &[]),
        ] {
            let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
            let config = ConsulServer {
                services: texts(names),
                tags: texts(tags),
                ..ConsulServer::default()
            };
            let found = wanted(&config, &services);
            assert!(found.iter().eq(expected), "{names:?} {tags:?}: {found:?}");
        }
    }

    #[test]
    fn no_more_services_are_followed_than_connections_allow() {
        let services = (0..=MAX_SERVICES).map(|number| (format!("s{number}"), None)).collect();
        assert_eq!(wanted(&ConsulServer::default(), &services).len(), MAX_SERVICES);
    }
}
