//! `static_configs`: targets written down in the configuration.

use prometheus_model::label_set::LabelSet;

use super::target::{ADDRESS_LABEL, Group};
use crate::config::scrape_configs::StaticConfig;

/// Groups of a job. A config without `targets` has one, because only labels matter for files.
pub fn groups(configs: &[StaticConfig]) -> Vec<Group> {
    configs
        .iter()
        .enumerate()
        .map(|(index, config)| Group {
            source: index.to_string(),
            targets: addresses(&config.targets),
            labels: config.labels.iter().collect(),
        })
        .collect()
}

/// Each address as a label set; `localhost` where there is none.
pub fn addresses(targets: &[String]) -> Vec<LabelSet> {
    let address = |text: &str| [(ADDRESS_LABEL, text)].into_iter().collect();
    if targets.is_empty() {
        return vec![address("localhost")];
    }
    targets.iter().map(|target| address(target)).collect()
}
