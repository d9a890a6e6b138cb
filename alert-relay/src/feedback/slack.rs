//! What a pressed button in Slack says.

use serde::Deserialize;
use std::time::Duration;

use crate::incident::{Feedback, IncidentId};
use crate::silence::Length;

/// Values of `action_id` in messages; a button's `value` is the incident's id.
pub mod action {
    /// Somebody looks at it.
    pub const ACKNOWLEDGE: &str = "acknowledge";
    /// For an hour.
    pub const SILENCE_1H: &str = "silence_1h";
    /// For four hours.
    pub const SILENCE_4H: &str = "silence_4h";
    /// Until the incident ends.
    pub const SILENCE_UNTIL_RESOLVED: &str = "silence_until_resolved";
    /// It was worth it.
    pub const USEFUL: &str = "useful";
    /// Nobody had to act.
    pub const NOT_ACTIONABLE: &str = "not_actionable";
}

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Acknowledge,
    Judge(Feedback),
    Silence(Length),
}

/// A pressed button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Press {
    pub(super) incident: IncidentId,
    pub(super) wish: Wish,
    pub(super) who: String,
    /// Path at `hooks.slack.com` for an answer that only who pressed it sees.
    pub(super) response_path: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    user: User,
    #[serde(default)]
    response_url: String,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    id: String,
    username: String,
    name: String,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    action_id: String,
    #[serde(default)]
    value: String,
}

/// The buttons of a body; others, such as links, are left out.
pub(super) fn presses(body: &[u8]) -> Option<Vec<Press>> {
    let (_, payload) = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    let payload: Payload = serde_json::from_str(&payload).ok()?;
    let names = [&payload.user.username, &payload.user.name, &payload.user.id];
    let who = names.into_iter().find(|name| !name.is_empty()).map_or("somebody", String::as_str);
    let press = |action: &Action| {
        let incident = IncidentId::parse(&action.value)?;
        let wish = match action.action_id.as_str() {
            action::ACKNOWLEDGE => Wish::Acknowledge,
            action::USEFUL => Wish::Judge(Feedback::Useful),
            action::NOT_ACTIONABLE => Wish::Judge(Feedback::NotActionable),
            action::SILENCE_1H => Wish::Silence(Length::For(Duration::from_hours(1))),
            action::SILENCE_4H => Wish::Silence(Length::For(Duration::from_hours(4))),
            action::SILENCE_UNTIL_RESOLVED => Wish::Silence(Length::UntilResolved),
            _ => return None,
        };
        let response_path = response_path(&payload.response_url);
        Some(Press { incident, wish, who: short(who), response_path })
    };
    Some(payload.actions.iter().filter_map(press).collect())
}

/// A name for people that cannot fill a record.
pub(super) fn short(name: &str) -> String {
    name.chars().filter(|char| !char.is_control()).take(80).collect()
}

/// Nothing is ever sent to another host, whatever the payload says.
fn response_path(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let is_slack = url.scheme() == "https"
        && url.host_str() == Some("hooks.slack.com")
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_slack.then(|| url.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_slack_alone() {
        let path = "/actions/T1/2/x";
        assert_eq!(response_path(&format!("https://hooks.slack.com{path}")), Some(path.to_owned()));
        for url in [
            "http://hooks.slack.com/a",
            "https://hooks.slack.com.example.com/a",
            "https://hooks.slack.com@example.com/a",
            "https://hooks.slack.com:8443/a",
            "https://169.254.169.254/a",
            "",
        ] {
            assert_eq!(response_path(url), None, "{url}");
        }
    }
}
