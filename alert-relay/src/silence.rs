//! Silences in every Alertmanager: wanted with a button, or on the command line.
//!
//! They are Alertmanager's alone, so that there is one truth: the relay learns of its own as of all
//! others, by asking. One that lasts until its incident ends says so in its comment, and is ended by
//! it, so that nothing of it can be lost here.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use instrumentation::json_log::ErrorChain;
use prometheus_model::matcher::{Operator, parse_selector};
use tokio::task::JoinSet;

use crate::access::View;
use crate::alertmanagers::{Alertmanager, Silence, SilenceMatcher, SilenceStatus};
use crate::client::ClientError;
use crate::incident::{Incident, IncidentId, Phase};
use crate::time::Moment;

/// A silence until the end of an incident ends after this time all the same.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// Begins the comment of a silence that ends with its incident, before the incident's id.
const UNTIL_RESOLVED: &str = "alert-relay: until the end of ";

/// How long a silence lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So long.
    For(Duration),
    /// Until its incident ends, or a week.
    UntilResolved,
}

/// Why there is no silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SilenceError {
    /// An incident without labels that name it.
    #[error("incident has no labels but those of replicas: it cannot be silenced alone")]
    NoLabels,
    /// Text that is no matcher.
    #[error("{text:?} is no matcher such as alertname=\"HighLatency\", node=~\"gpu-.*\"")]
    NotAMatcher {
        /// Which.
        text: String,
    },
    /// Everything would be silenced.
    #[error("no matcher has to have a value: everything would be silenced")]
    Everything,
}

/// What became of something at each Alertmanager, by its URL.
pub type Outcomes<T> = Vec<(String, Result<T, ClientError>)>;

/// The silence of an incident: what all its alerts have alike, or the alert that opened it.
///
/// # Errors
/// [`SilenceError::NoLabels`].
pub fn of_incident(
    incident: &Incident,
    ignored: &[String],
    length: Length,
    who: &str,
    now: Moment,
) -> Result<Silence, SilenceError> {
    let is_named = incident.common_labels.contains_key("alertname");
    let labels = if is_named { &incident.common_labels } else { &incident.opening_labels };
    let matchers = matchers_of(labels, ignored);
    if matchers.is_empty() {
        return Err(SilenceError::NoLabels);
    }
    let (length, comment) = match length {
        Length::For(length) => (length, format!("alert-relay: {}", incident.id)),
        Length::UntilResolved => (LONGEST, format!("{UNTIL_RESOLVED}{}", incident.id)),
    };
    Ok(silence(matchers, length, who, comment, now))
}

fn matchers_of(labels: &BTreeMap<String, String>, ignored: &[String]) -> Vec<SilenceMatcher> {
    let named = labels.iter().filter(|(name, _)| !ignored.contains(name));
    let matcher = |(name, value): (&String, &String)| SilenceMatcher {
        name: name.clone(),
        value: value.clone(),
        is_regex: false,
        is_equal: true,
    };
    named.map(matcher).collect()
}

/// A silence as the command line says it.
///
/// # Errors
/// A text is no matcher, or all together exclude nothing.
pub fn of_matchers(
    texts: &[String],
    length: Duration,
    who: &str,
    comment: &str,
    now: Moment,
) -> Result<Silence, SilenceError> {
    let mut matchers = Vec::new();
    for text in texts {
        let selector = format!("{{{text}}}");
        let parsed = parse_selector(&selector).ok();
        let parsed = parsed.filter(|(matchers, rest)| !matchers.is_empty() && rest.is_empty());
        let (parsed, _) = parsed.ok_or_else(|| SilenceError::NotAMatcher { text: text.clone() })?;
        matchers.extend(parsed.into_iter().map(|matcher| {
            let operator = matcher.operator();
            SilenceMatcher {
                name: matcher.name().to_owned(),
                value: matcher.value().to_owned(),
                is_regex: matches!(operator, Operator::Matches | Operator::MatchesNot),
                is_equal: matches!(operator, Operator::Equal | Operator::Matches),
            }
        }));
    }
    // Alertmanager refuses such a silence too, with other words.
    let excludes = |matcher: &SilenceMatcher| matcher.is_equal && !matcher.value.is_empty();
    if !matchers.iter().any(excludes) {
        return Err(SilenceError::Everything);
    }
    Ok(silence(matchers, length, who, comment.to_owned(), now))
}

fn silence(
    matchers: Vec<SilenceMatcher>,
    length: Duration,
    who: &str,
    comment: String,
    now: Moment,
) -> Silence {
    Silence {
        id: None,
        matchers,
        starts_at: now.to_string(),
        ends_at: now.after(length).to_string(),
        created_by: who.to_owned(),
        comment,
        status: SilenceStatus::default(),
    }
}

/// Ids of those that were to last until an incident ended which has ended.
fn over(silences: &[Silence], is_over: impl Fn(&IncidentId) -> bool) -> Vec<String> {
    let over = silences.iter().filter(|silence| {
        let incident = silence.comment.strip_prefix(UNTIL_RESOLVED).and_then(IncidentId::parse);
        silence.is_pending_or_active() && incident.is_some_and(|incident| is_over(&incident))
    });
    over.filter_map(|silence| silence.id.clone()).collect()
}

/// All Alertmanagers at once.
#[derive(Debug, Clone)]
pub struct Silencer {
    alertmanagers: Vec<Arc<Alertmanager>>,
}

impl Silencer {
    /// For these.
    pub fn new(alertmanagers: Vec<Arc<Alertmanager>>) -> Self {
        Self { alertmanagers }
    }

    /// Adds a silence everywhere; the ids.
    pub async fn add(&self, silence: &Silence) -> Outcomes<String> {
        let silence = Arc::new(silence.clone());
        self.each(move |alertmanager| {
            let silence = Arc::clone(&silence);
            async move { alertmanager.add_silence(&silence).await }
        })
        .await
    }

    /// All silences of all, expired ones included.
    pub async fn list(&self) -> Outcomes<Vec<Silence>> {
        self.each(|alertmanager| async move { alertmanager.silences().await }).await
    }

    /// Ends one wherever it is known; whether it was.
    pub async fn expire(&self, id: &str) -> Outcomes<bool> {
        let id: Arc<str> = id.into();
        self.each(move |alertmanager| {
            let id = Arc::clone(&id);
            async move { alertmanager.expire_silence(&id).await }
        })
        .await
    }

    /// Ends those that were to last until an incident ended, and it has. To be called once a minute.
    pub async fn expire_over<V: View>(&self, view: &Arc<V>) {
        let lists = self.list().await;
        let has_any = |silences: &Vec<Silence>| !over(silences, |_| true).is_empty();
        if !lists.iter().any(|(_, list)| list.as_ref().is_ok_and(has_any)) {
            return;
        }
        let view = Arc::clone(view);
        let Ok(incidents) = tokio::task::spawn_blocking(move || view.incidents()).await else {
            return;
        };
        // One that is not known any more has ended long ago.
        let is_over = |id: &IncidentId| {
            let known = incidents.iter().find(|incident| incident.id == *id);
            known.is_none_or(|incident| matches!(incident.phase, Phase::Resolved { .. }))
        };
        for (url, list) in lists {
            let alertmanager = self.alertmanagers.iter().find(|known| known.url == url);
            let (Some(alertmanager), Ok(list)) = (alertmanager, list) else { continue };
            for id in over(&list, is_over) {
                if let Err(error) = alertmanager.expire_silence(&id).await {
                    let error = ErrorChain(&error);
                    tracing::warn!(url, silence = id, error = %error, "silence could not be ended");
                }
            }
        }
    }

    async fn each<
        T: Send + 'static,
        F: Future<Output = Result<T, ClientError>> + Send + 'static,
    >(
        &self,
        ask: impl Fn(Arc<Alertmanager>) -> F,
    ) -> Outcomes<T> {
        let mut asked = JoinSet::new();
        for alertmanager in &self.alertmanagers {
            let (url, answer) = (alertmanager.url.clone(), ask(Arc::clone(alertmanager)));
            asked.spawn(async move { (url, answer.await) });
        }
        let mut outcomes = asked.join_all().await;
        outcomes.sort_by(|one, other| one.0.cmp(&other.0));
        outcomes
    }
}
