//! What the form of a file cannot say: names that must exist, keys that exclude each other.

use std::collections::HashSet;

use super::Config;
use super::correlation::Correlation;
use super::destinations::{Destination, Target};

/// The place of a key, and what is wrong with it.
type Problem = (String, String);

pub(super) fn verify(config: &Config) -> Result<(), Problem> {
    if config.destinations.is_empty() {
        return Err(("destinations".to_owned(), "there is none: nobody would be told".to_owned()));
    }
    if config.routes.is_empty() {
        return Err(("routes".to_owned(), "there is none: nobody would be told".to_owned()));
    }
    let mut names = HashSet::new();
    for (index, destination) in config.destinations.iter().enumerate() {
        let place = format!("destinations[{index}]");
        if !names.insert(destination.name.as_str()) {
            let problem = format!("{:?} is the name of an earlier one too", destination.name);
            return Err((format!("{place}.name"), problem));
        }
        self::destination(destination, &place)?;
    }
    let known = |place: String, name: &str| {
        if names.contains(name) {
            return Ok(());
        }
        let known: Vec<_> = config.destinations.iter().map(|known| known.name.as_str()).collect();
        Err((place, format!("{name:?} is no destination; there are {}", known.join(", "))))
    };
    for (index, destination) in config.destinations.iter().enumerate() {
        for name in &destination.fallback {
            known(format!("destinations[{index}].fallback"), name)?;
        }
    }
    for name in &config.internal_destinations {
        known("internal_destinations".to_owned(), name)?;
    }
    for (index, route) in config.routes.iter().enumerate() {
        for name in &route.destinations {
            known(format!("routes[{index}].destinations"), name)?;
        }
        let hours = &config.correlation.business_hours;
        if let Some(name) = route.business_hours.as_ref().filter(|name| !hours.contains_key(*name))
        {
            let place = format!("routes[{index}].business_hours");
            return Err((place, format!("{name:?} is none of correlation.business_hours")));
        }
    }
    verify_inputs(config)?;
    if config.routes.last().is_some_and(|last| !last.matchers.is_empty()) {
        let place = format!("routes[{}].matchers", config.routes.len() - 1);
        let problem = "the last route must match everything, so that no alert is lost";
        return Err((place, problem.to_owned()));
    }
    times(&config.correlation)
}

/// Windows and hours must be readable, because what decides with them can no longer refuse them.
fn times(correlation: &Correlation) -> Result<(), Problem> {
    for (index, window) in correlation.maintenance.iter().enumerate() {
        let read = window.window();
        read.map_err(|(key, problem)| {
            (format!("correlation.maintenance[{index}].{key}"), problem)
        })?;
    }
    for (name, hours) in &correlation.business_hours {
        let read = hours.hours();
        read.map_err(|(key, problem)| {
            (format!("correlation.business_hours.{name}.{key}"), problem)
        })?;
    }
    Ok(())
}

fn verify_inputs(config: &Config) -> Result<(), Problem> {
    for (index, peer) in config.alertmanagers.iter().enumerate() {
        if peer.interval.is_zero() {
            let place = format!("alertmanagers[{index}].interval");
            return Err((place, "is 0s, at least 1ms is needed".to_owned()));
        }
    }
    let mut names = HashSet::new();
    for (index, heartbeat) in config.heartbeats.iter().enumerate() {
        let place = format!("heartbeats[{index}].name");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if heartbeat.name.is_empty() || !heartbeat.name.bytes().all(is_plain) {
            let problem = "stands in a path: letters, digits, '-', '_' and '.' are accepted";
            return Err((place, problem.to_owned()));
        }
        if !names.insert(heartbeat.name.as_str()) {
            return Err((place, format!("{:?} is the name of an earlier one too", heartbeat.name)));
        }
    }
    if let Some(outgoing) = &config.outgoing_heartbeat {
        let place = "outgoing_heartbeat";
        if outgoing.url.is_some() == outgoing.url_file.is_some() {
            return Err((place.to_owned(), "needs url or url_file, not both".to_owned()));
        }
        if outgoing.interval.is_zero() {
            return Err((format!("{place}.interval"), "is 0s, at least 1ms is needed".to_owned()));
        }
    }
    Ok(())
}

fn destination(destination: &Destination, place: &str) -> Result<(), Problem> {
    let problem = |key: &str, text: &str| Err((format!("{place}{key}"), text.to_owned()));
    match destination.target() {
        None => problem("", "needs exactly one of pagerduty, slack, slack_webhook, email, webhook"),
        Some(Target::PagerDuty(keys))
            if keys.routing_key_file.is_some() == keys.service_key_file.is_some() =>
        {
            problem(
                ".pagerduty",
                "needs routing_key_file (Events API v2) or service_key_file (v1), not both",
            )
        }
        Some(Target::Webhook(keys)) if keys.url.is_some() == keys.url_file.is_some() => {
            problem(".webhook", "needs url or url_file, not both")
        }
        Some(Target::Email(keys)) if keys.to.is_empty() => {
            problem(".email.to", "needs at least one address")
        }
        Some(_) => Ok(()),
    }
}
