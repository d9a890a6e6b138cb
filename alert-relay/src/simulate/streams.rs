//! Alert episodes of real, labelled series: how many notifications are left of them, and how many
//! of the labelled anomalies are still told.
//!
//! Each series is an alert with a class of its own, because nothing is known of how they belong
//! together.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;

use crate::alert::{Alert, Fingerprint, Identity};
use crate::config::Config;
use crate::correlate::Engine;
use crate::incident::{Changes, Input, Kind, Source, Told};
use crate::time::Moment;

/// What is left of a set of series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamScore {
    /// Notifications of one for each episode.
    pub raw: usize,
    /// Notifications that the relay sends: openings and what is told aloud again.
    pub told: usize,
    /// Labelled anomalies that at least one episode hits.
    pub hit: usize,
    /// Of them, those of which an episode is part of an incident that was told.
    pub kept: usize,
    /// Of them, those during which a notification was sent.
    pub told_within: usize,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few thousand")]
impl StreamScore {
    /// Share of the notifications that are gone.
    pub fn reduction(&self) -> f64 {
        1.0 - self.told as f64 / self.raw.max(1) as f64
    }

    /// Share of the anomalies that are part of an incident that was told.
    pub fn recall(&self) -> f64 {
        self.kept as f64 / self.hit.max(1) as f64
    }

    /// Share of the anomalies during which a notification was sent.
    pub fn strict_recall(&self) -> f64 {
        self.told_within as f64 / self.hit.max(1) as f64
    }
}

impl fmt::Display for StreamScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} notifications are left ({:.1} % fewer); of {} anomalies {} are told by an \
             incident, {} by a message during them",
            self.told,
            self.raw,
            self.reduction() * 100.0,
            self.hit,
            self.kept,
            self.told_within
        )
    }
}

/// A line that is not as the files' description says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamsError {
    /// The file.
    #[error("line {line} cannot be read")]
    Read {
        /// Counts from 1.
        line: usize,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Its fields.
    #[error("line {line} is not `dataset,series,start,end,...`")]
    Form {
        /// Counts from 1.
        line: usize,
    },
}

/// A time span of a series.
#[derive(Debug, Clone)]
struct Span {
    series: String,
    start: Moment,
    end: Moment,
}

fn spans(from: impl BufRead, dataset: &str) -> Result<Vec<Span>, StreamsError> {
    let mut spans = Vec::new();
    for (index, line) in from.lines().enumerate().skip(1) {
        let number = index + 1;
        let line = line.map_err(|cause| StreamsError::Read { line: number, cause })?;
        let fields: Vec<_> = line.split(',').collect();
        let wrong = || StreamsError::Form { line: number };
        let [set, series, start, end, ..] = fields[..] else { return Err(wrong()) };
        if set == dataset {
            // Some series of the set have a zone twice: `...+00:00Z`.
            let twice = |text: &str| text.strip_suffix('Z').and_then(Moment::parse);
            let time = |text: &str| Moment::parse(text).or_else(|| twice(text)).ok_or_else(wrong);
            spans.push(Span { series: series.to_owned(), start: time(start)?, end: time(end)? });
        }
    }
    Ok(spans)
}

/// Plays the episodes of a data set.
///
/// # Errors
/// A line that cannot be read; its number is named.
pub fn measure_streams(
    config: Arc<Config>,
    episodes: impl BufRead,
    anomalies: impl BufRead,
    dataset: &str,
) -> Result<StreamScore, StreamsError> {
    let (episodes, anomalies) = (spans(episodes, dataset)?, spans(anomalies, dataset)?);
    let mut events: Vec<_> = episodes
        .iter()
        .flat_map(|episode| [(episode.start, true, episode), (episode.end, false, episode)])
        .collect();
    // An end comes before a beginning at the same time.
    events.sort_by_key(|(at, begins, episode)| (*at, *begins, episode.series.clone()));
    let mut engine = Engine::new(config);
    let mut told: BTreeMap<String, Vec<Moment>> = BTreeMap::new();
    // Episodes that were part of an incident which people were told of.
    let mut visible: Vec<&Span> = Vec::new();
    let mut hear = |engine: &Engine, changes: Changes, now: Moment| {
        let aloud = changes.notices.iter();
        for notice in aloud.filter(|notice| matches!(notice.kind, Kind::Open | Kind::Escalate)) {
            for incident in notice.incidents.iter().filter_map(|id| engine.incident(id)) {
                told.entry(incident.name.clone()).or_default().push(now);
            }
        }
    };
    for (at, begins, episode) in events {
        while let Some(wake) = engine.next_wake().filter(|wake| *wake <= at) {
            let mut changes = Changes::default();
            engine.apply(&Input::Tick, wake, &mut changes);
            hear(&engine, changes, wake);
        }
        let alert = alert(episode, (!begins).then_some(at));
        let identity = alert.identity;
        if !begins && engine.incident_of(identity).is_some_and(|incident| incident.is_paged) {
            visible.push(episode);
        }
        let source = Source::Alertmanager("http://alertmanager".to_owned());
        let told = vec![Told { alert, fires_until: None }];
        let mut changes = Changes::default();
        engine.apply(&Input::Alerts { source, told, rejected: Vec::new() }, at, &mut changes);
        hear(&engine, changes, at);
    }
    let mut score = StreamScore { raw: episodes.len(), ..StreamScore::default() };
    score.told = told.values().map(Vec::len).sum();
    for anomaly in &anomalies {
        let overlaps = |span: &Span| {
            span.series == anomaly.series && span.start <= anomaly.end && anomaly.start < span.end
        };
        if !episodes.iter().any(overlaps) {
            continue;
        }
        score.hit += 1;
        score.kept += usize::from(visible.iter().any(|episode| overlaps(episode)));
        let during = |at: &Moment| anomaly.start <= *at && *at <= anomaly.end;
        let heard = told.get(&anomaly.series).is_some_and(|times| times.iter().any(during));
        score.told_within += usize::from(heard);
    }
    Ok(score)
}

fn alert(span: &Span, ends_at: Option<Moment>) -> Alert {
    let labels: LabelSet = [
        ("alertname", span.series.as_str()),
        ("service", span.series.as_str()),
        ("severity", "critical"),
    ]
    .into_iter()
    .collect();
    Alert {
        identity: Identity::of(&labels, &[]),
        fingerprint: Fingerprint::of(&labels),
        labels,
        annotations: LabelSet::new(),
        starts_at: span.start,
        ends_at,
        generator_url: String::new(),
    }
}
