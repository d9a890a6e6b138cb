//! One day of alerts of a small world, with what is true about it.
//!
//! Two clusters, 40 nodes with eight GPUs each, 50 services. The same state and day give the same
//! alerts, on every machine.

use std::collections::BTreeMap;

use prometheus_model::label_set::LabelSet;
use serde::{Deserialize, Serialize};

use crate::alert::Identity;
use crate::time::Moment;

/// Labels that replicas of the simulated Prometheus differ by.
pub(super) const IGNORED: &str = "prometheus_replica";

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;

/// One time that an alert fires.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    pub(super) labels: LabelSet,
    pub(super) from: Moment,
    pub(super) until: Moment,
    /// The problem that it tells of; `None` for noise.
    pub(super) problem: Option<String>,
}

/// A cause that is true, as one line of `truth.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its name in the description of the day.
    pub name: String,
    /// Somebody had to act.
    pub actionable: bool,
    /// Somebody had to be woken.
    pub page: bool,
    /// Its alerts.
    pub alerts: Vec<ProblemAlert>,
}

/// An alert of a [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemAlert {
    /// Which.
    pub identity: Identity,
    /// When it began to fire.
    pub from: Moment,
    /// When it ended.
    pub until: Moment,
    /// It alone would have been worth a page.
    pub critical: bool,
}

/// Labels besides name and severity.
type Labels = Vec<(&'static str, String)>;

/// Name, severity, labels, seconds after the beginning of its problem, and seconds that it fires.
type Symptom<'a> = (&'a str, &'a str, Labels, f64, f64);

/// What happens in one day.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) midnight: Moment,
    pub(super) episodes: Vec<Episode>,
    pub(super) problems: Vec<Problem>,
    random: fastrand::Rng,
}

/// Nodes, services and times that a problem may choose.
#[derive(Debug, Clone, Copy)]
struct Place {
    cluster: &'static str,
    node: u32,
    service: u32,
    at: f64,
}

impl Day {
    /// The measured day: every problem and every hard case.
    pub(super) fn measured(state: u64, midnight: Moment) -> Self {
        let mut day = Self::empty(state, 0, midnight);
        let place =
            |cluster, node, service, hour: f64| Place { cluster, node, service, at: hour * HOUR };
        day.node_lost("P1", place("eu", 12, 0, 3.2));
        day.bad_deploy("P2", place("us", 0, 20, 9.6));
        day.store_down("P3", place("eu", 0, 6, 14.1));
        day.disk("P4", place("us", 11, 0, 17.5));
        day.xid("P5", place("eu", 14, 0, 20.3));
        day.certificate("P6", place("us", 0, 21, 8.0), 16.0 * HOUR);
        let other = place("us", 0, 22, 14.1 + 2.0 / 60.0);
        day.problem(
            "P7",
            true,
            &[("ModelPredictionFailure", "critical", other.service_labels(), 0.0, 30.0 * MINUTE)],
            other.at,
        );
        // Hard cases: a flapper becomes an outage; work on other things hides nothing; 45 seconds of
        // what is never held.
        let flapper = place("eu", 0, 24, 21.0);
        day.problem(
            "H1",
            true,
            &[("HighErrorRate", "critical", flapper.service_labels(), 0.0, HOUR)],
            flapper.at,
        );
        let beside = place("us", 15, 0, 2.4);
        day.problem(
            "H2",
            true,
            &[("NodeDown", "critical", beside.node_labels(), 0.0, 25.0 * MINUTE)],
            beside.at,
        );
        let paid = place("eu", 16, 0, 15.4);
        let mut labels = paid.node_labels();
        labels.push(("tier", "payment".to_owned()));
        day.problem("H3", true, &[("TargetDown", "critical", labels, 0.0, 45.0)], paid.at);
        day.noise();
        day
    }

    /// A day before it: the same noise, and other problems.
    pub(super) fn training(state: u64, before: u32, midnight: Moment) -> Self {
        let mut day = Self::empty(state, before, midnight);
        let chosen = day.random.usize(2..5);
        for number in 0..chosen {
            let cluster = if day.random.bool() { "eu" } else { "us" };
            let (node, service) = (day.random.u32(5..20), day.random.u32(5..20));
            let at = day.random.f64() * 20.0 * HOUR;
            let place = Place { cluster, node, service, at };
            let name = format!("T{number}");
            match day.random.usize(0..5) {
                0 => day.node_lost(&name, place),
                1 => day.bad_deploy(&name, place),
                2 => day.disk(&name, place),
                3 => day.xid(&name, place),
                _ => day.certificate(&name, place, 3.0 * HOUR),
            }
        }
        day.noise();
        day
    }

    fn empty(state: u64, before: u32, midnight: Moment) -> Self {
        let seed = state.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(before);
        let random = fastrand::Rng::with_seed(seed);
        Self { midnight, episodes: Vec::new(), problems: Vec::new(), random }
    }

    fn moment(&self, seconds: f64) -> Moment {
        self.midnight.after(std::time::Duration::from_secs_f64(seconds.max(0.0)))
    }

    /// Uniform between these.
    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + self.random.f64() * (to - from)
    }

    fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let (first, second) = (1.0 - self.random.f64(), self.random.f64());
        let normal = (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos();
        median * (sigma * normal).exp()
    }

    fn node_lost(&mut self, name: &str, place: Place) {
        let end = 90.0 * MINUTE;
        let mut alerts = vec![("NodeDown", "critical", place.node_labels(), 0.0, end)];
        for gpu in 0..8 {
            let mut labels = place.node_labels();
            labels.push(("gpu", gpu.to_string()));
            let begin = self.between(5.0, 60.0);
            alerts.push(("GpuLost", "critical", labels, begin, end - begin));
        }
        for pod in 0..14 {
            let mut labels = place.node_labels();
            labels.extend([
                ("namespace", "ml".to_owned()),
                ("pod", format!("vllm-{}-{pod}", place.node)),
            ]);
            let (begin, length) = (self.between(20.0, 90.0), self.between(15.0, 40.0) * MINUTE);
            alerts.push(("PodNotReady", "warning", labels, begin, length));
        }
        for service in 0..6 {
            let labels = Place { service: 10 + service, ..place }.service_labels();
            let (begin, length) = (self.between(60.0, 300.0), self.between(15.0, 60.0) * MINUTE);
            alerts.push(("HighLatency", "warning", labels, begin, length));
        }
        self.problem(name, true, &alerts, place.at);
    }

    fn bad_deploy(&mut self, name: &str, place: Place) {
        let end = 70.0 * MINUTE;
        let mut alerts =
            vec![("ModelPredictionFailure", "critical", place.service_labels(), 0.0, end)];
        for (other, severity) in [
            ("HighErrorRate", "critical"),
            ("HighLatency", "warning"),
            ("ErrorBudgetBurnFast", "critical"),
            ("ErrorBudgetBurnSlow", "warning"),
        ] {
            let begin = self.between(0.0, 20.0 * MINUTE);
            alerts.push((other, severity, place.service_labels(), begin, end - begin));
        }
        self.problem(name, true, &alerts, place.at);
    }

    fn store_down(&mut self, name: &str, place: Place) {
        let end = 45.0 * MINUTE;
        let redis =
            vec![("cluster", place.cluster.to_owned()), ("service", "feature-store".to_owned())];
        let mut alerts = vec![("RedisDown", "critical", redis, 0.0, end)];
        for service in 2..24 {
            let labels = Place { service, ..place }.service_labels();
            let begin = self.between(10.0, 180.0);
            alerts.push(("HighErrorRate", "critical", labels, begin, end - begin));
        }
        self.problem(name, true, &alerts, place.at);
    }

    fn disk(&mut self, name: &str, place: Place) {
        let (rise, end) = (40.0 * MINUTE, 130.0 * MINUTE);
        let low = ("DiskSpaceLow", "warning", place.node_labels(), 0.0, end);
        let full = ("DiskSpaceLow", "critical", place.node_labels(), rise, end - rise);
        self.problem(name, true, &[low, full], place.at);
    }

    fn xid(&mut self, name: &str, place: Place) {
        let mut labels = place.node_labels();
        labels.push(("gpu", "3".to_owned()));
        self.problem(name, true, &[("GpuXid", "critical", labels, 0.0, 102.0 * MINUTE)], place.at);
    }

    fn certificate(&mut self, name: &str, place: Place, length: f64) {
        let labels = place.service_labels();
        self.problem(
            name,
            false,
            &[("CertificateExpiresSoon", "warning", labels, 0.0, length)],
            place.at,
        );
    }

    fn problem(&mut self, name: &str, page: bool, alerts: &[Symptom<'_>], at: f64) {
        let mut told = Vec::new();
        for (alert, severity, labels, begin, length) in alerts {
            let labels = labels_of(alert, severity, labels);
            let from = self.moment(at + begin);
            let until = self.moment((at + begin + length).min(24.0 * HOUR - 1.0));
            told.push(ProblemAlert {
                identity: Identity::of(&labels, &[]),
                from,
                until,
                critical: *severity == "critical",
            });
            self.episodes.push(Episode { labels, from, until, problem: Some(name.to_owned()) });
        }
        let name = name.to_owned();
        self.problems.push(Problem { name, actionable: true, page, alerts: told });
    }

    /// Adds noise, unless the same alert fires then or nearly then anyway.
    fn add(
        &mut self,
        alert: &str,
        severity: &str,
        labels: &[(&'static str, String)],
        at: f64,
        length: f64,
    ) {
        let labels = labels_of(alert, severity, labels);
        let (from, until) = (self.moment(at), self.moment((at + length).min(24.0 * HOUR - 1.0)));
        let margin = std::time::Duration::from_mins(10);
        let is_free = self.episodes.iter().all(|other| {
            other.labels != labels
                || other.until.after(margin) <= from
                || until.after(margin) <= other.from
                || other.problem.is_none() && (other.until < from || until < other.from)
        });
        if is_free && from < until {
            self.episodes.push(Episode { labels, from, until, problem: None });
        }
    }

    fn noise(&mut self) {
        let node = |node| Place { cluster: "us", node, service: 0, at: 0.0 }.node_labels();
        let service = |service| Place { cluster: "eu", node: 0, service, at: 0.0 }.service_labels();
        let mut gpu = node(3);
        gpu.push(("gpu", "1".to_owned()));
        for (alert, severity, labels, on, off) in [
            ("HighCPUUsage", "warning", node(1), 240.0, 1_800.0),
            ("HighMemoryUsage", "warning", node(2), 300.0, 3_000.0),
            ("GPUUtilizationLow", "info", gpu, 900.0, 3_600.0),
            ("HighLatency", "warning", service(1), 150.0, 1_200.0),
            ("HighErrorRate", "critical", service(24), 180.0, 5_400.0),
        ] {
            let mut at = self.log_normal(off, 0.8);
            while at < 24.0 * HOUR {
                let length = self.log_normal(on, 0.7);
                self.add(alert, severity, &labels, at, length);
                at += length + self.log_normal(off, 0.8);
            }
        }
        let classes = [
            ("TargetDown", "critical", true),
            ("HighErrorRate", "critical", false),
            ("HighLatency", "warning", false),
            ("PodRestarting", "warning", false),
            ("HighCPUUsage", "warning", true),
            ("NetworkErrors", "warning", true),
        ];
        for _ in 0..40 {
            let (alert, severity, of_node) = classes[self.random.usize(0..classes.len())];
            let cluster = if self.random.bool() { "eu" } else { "us" };
            let (node, service) = (self.random.u32(5..20), self.random.u32(2..24));
            let place = Place { cluster, node, service, at: 0.0 };
            let labels = if of_node { place.node_labels() } else { place.service_labels() };
            let (at, length) = (self.between(0.0, 24.0 * HOUR), self.between(30.0, 300.0));
            self.add(alert, severity, &labels, at, length);
        }
        self.planned_work();
        for chronic in 0..6 {
            let labels =
                Place { cluster: "us", node: 0, service: 2 + chronic, at: 0.0 }.service_labels();
            self.add("QuotaHigh", "warning", &labels, 0.0, 24.0 * HOUR);
        }
        for _ in 0..15 {
            let labels = Place { cluster: "eu", node: self.random.u32(5..20), service: 0, at: 0.0 };
            let (at, length) = (self.between(0.0, 23.0 * HOUR), self.between(10.0, 60.0) * MINUTE);
            self.add("JobFinished", "info", &labels.node_labels(), at, length);
        }
        // Silenced later, and then ended without a word.
        let silenced = Place { cluster: "us", node: 4, service: 0, at: 0.0 }.node_labels();
        self.add("FanSlow", "warning", &silenced, 13.0 * HOUR, HOUR);
    }

    fn planned_work(&mut self) {
        for number in 0..25 {
            let place = Place { cluster: "eu", node: number % 5, service: number % 2, at: 0.0 };
            let mut labels = place.node_labels();
            let (alert, severity) = match number {
                0..5 => ("TargetDown", "critical"),
                5..20 => {
                    let pod = format!("work-{number}");
                    labels.extend([("namespace", "ml".to_owned()), ("pod", pod)]);
                    ("PodNotReady", "warning")
                }
                _ => {
                    labels.push(("namespace", "ml".to_owned()));
                    labels.push(("pod", format!("serve-{number}")));
                    ("HighErrorRate", "critical")
                }
            };
            let (at, length) = (self.between(0.0, 600.0), self.between(10.0, 45.0) * MINUTE);
            self.add(alert, severity, &labels, 2.0 * HOUR + at, length);
        }
    }
}

impl Place {
    fn node_labels(&self) -> Labels {
        vec![
            ("cluster", self.cluster.to_owned()),
            ("node", format!("{}-node-{:02}", self.cluster, self.node)),
        ]
    }

    fn service_labels(&self) -> Labels {
        vec![
            ("cluster", self.cluster.to_owned()),
            ("service", format!("{}-service-{:02}", self.cluster, self.service)),
        ]
    }
}

fn labels_of(alert: &str, severity: &str, labels: &[(&'static str, String)]) -> LabelSet {
    let mut set: LabelSet = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
    set.set("alertname", alert);
    set.set("severity", severity);
    set
}

/// Episodes by alert, in order of time.
pub(super) fn by_alert(episodes: &[Episode]) -> BTreeMap<&LabelSet, Vec<&Episode>> {
    let mut alerts: BTreeMap<&LabelSet, Vec<&Episode>> = BTreeMap::new();
    for episode in episodes {
        alerts.entry(&episode.labels).or_default().push(episode);
    }
    for episodes in alerts.values_mut() {
        episodes.sort_by_key(|episode| episode.from);
    }
    alerts
}
