//! Which incidents go where.

use prometheus_model::label_set::LabelSet;
use serde::Deserialize;

use super::matching::Matchers;

/// One of `routes`. An incident goes by the labels of the alert that opened it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Which alerts; without any, all.
    #[serde(default)]
    pub matchers: Matchers,
    /// Names of destinations.
    pub destinations: Vec<String>,
    /// Whether it may be held back.
    #[serde(default)]
    pub page: Page,
    /// Name of the business hours outside of which it waits for their begin.
    #[serde(default)]
    pub business_hours: Option<String>,
    /// Later routes are looked at too.
    #[serde(default, rename = "continue")]
    pub continues: bool,
}

/// `page`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Page {
    /// Critical ones page.
    #[default]
    Critical,
    /// They page and are never held back, folded into a digest or on probation.
    Always,
    /// Nothing pages.
    Never,
}

/// The routes that an alert with these labels takes, in their order.
pub fn of<'a>(routes: &'a [Route], labels: &LabelSet) -> Vec<&'a Route> {
    let mut taken = Vec::new();
    for route in routes.iter().filter(|route| route.matchers.matches(labels)) {
        taken.push(route);
        if !route.continues {
            break;
        }
    }
    taken
}
