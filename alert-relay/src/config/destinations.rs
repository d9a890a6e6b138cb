//! Where messages go.

use std::path::PathBuf;

use serde::Deserialize;

/// One of `destinations`: a name, and one key for its kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Routes name it so.
    pub name: String,
    /// PagerDuty.
    #[serde(default)]
    pub pagerduty: Option<PagerDuty>,
    /// Slack, as an app with a bot token.
    #[serde(default)]
    pub slack: Option<Slack>,
    /// Slack, by an incoming webhook.
    #[serde(default)]
    pub slack_webhook: Option<SlackWebhook>,
    /// Mail.
    #[serde(default)]
    pub email: Option<Email>,
    /// Any HTTP server that takes JSON.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// Destinations that get a page which this one has not accepted within a minute.
    #[serde(default)]
    pub fallback: Vec<String>,
}

/// The kind of a destination with its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `pagerduty`
    PagerDuty(&'a PagerDuty),
    /// `slack`
    Slack(&'a Slack),
    /// `slack_webhook`
    SlackWebhook(&'a SlackWebhook),
    /// `email`
    Email(&'a Email),
    /// `webhook`
    Webhook(&'a Webhook),
}

impl Destination {
    /// Its kind; `None` unless it has exactly one, which a verified configuration does.
    pub fn target(&self) -> Option<Target<'_>> {
        let targets = [
            self.pagerduty.as_ref().map(Target::PagerDuty),
            self.slack.as_ref().map(Target::Slack),
            self.slack_webhook.as_ref().map(Target::SlackWebhook),
            self.email.as_ref().map(Target::Email),
            self.webhook.as_ref().map(Target::Webhook),
        ];
        let mut targets = targets.into_iter().flatten();
        targets.next().filter(|_| targets.next().is_none())
    }

    /// Whether a new message there interrupts somebody.
    pub fn interrupts(&self) -> bool {
        match self.target() {
            Some(Target::PagerDuty(_) | Target::Email(_)) => true,
            Some(Target::Slack(slack)) => slack.interrupts,
            Some(Target::SlackWebhook(slack)) => slack.interrupts,
            Some(Target::Webhook(_)) | None => false,
        }
    }
}

/// `pagerduty`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerDuty {
    /// File with an integration key of the Events API v2.
    #[serde(default)]
    pub routing_key_file: Option<PathBuf>,
    /// File with a key of the Events API v1.
    #[serde(default)]
    pub service_key_file: Option<PathBuf>,
    /// Base of the API: EU accounts have another one.
    #[serde(default = "pagerduty_url")]
    pub url: String,
}

fn pagerduty_url() -> String {
    "https://events.pagerduty.com".to_owned()
}

/// `slack`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// File with the bot token, `xoxb-...`, scope `chat:write`.
    pub bot_token_file: PathBuf,
    /// Name or id.
    pub channel: String,
    /// Whether a new message there interrupts somebody.
    #[serde(default)]
    pub interrupts: bool,
    /// Base of the Web API.
    #[serde(default = "slack_url")]
    pub url: String,
    /// The token may read the channel's history, so that a message whose answer was lost is found.
    #[serde(default)]
    pub reads_history: bool,
}

fn slack_url() -> String {
    "https://slack.com/api/".to_owned()
}

/// `slack_webhook`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackWebhook {
    /// File with the URL, which is a secret.
    pub url_file: PathBuf,
    /// Whether a new message there interrupts somebody.
    #[serde(default)]
    pub interrupts: bool,
}

/// `email`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// Who gets it.
    pub to: Vec<String>,
    /// Who sends it.
    pub from: String,
    /// `HOST:PORT`
    pub smarthost: String,
    /// For authentication.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: EmailTls,
    /// Authority that signed the server's certificate, besides those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// `email.tls`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailTls {
    /// From the first byte.
    Implicit,
    /// After `STARTTLS`, which must be offered.
    #[default]
    Starttls,
    /// Not at all.
    None,
}

/// `webhook`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Whereto.
    #[serde(default)]
    pub url: Option<String>,
    /// File with the URL, if it is a secret.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// File with a bearer token.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// Authority that signed its certificate, besides those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}
