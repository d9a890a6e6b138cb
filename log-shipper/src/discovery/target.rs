//! Groups of labels to targets: relabelling, and the reasons for which a target is left out.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use prometheus_model::label_set::LabelSet;
use prometheus_model::relabel::{self, RelabelRule};

use super::glob::{Glob, GlobError};

/// Says which files; never sent.
pub const PATH_LABEL: &str = "__path__";
/// Says which of them not.
pub const EXCLUDE_LABEL: &str = "__path_exclude__";
/// Says on which host; targets of other hosts are left out.
pub const HOST_LABEL: &str = "__host__";
/// The target as discovery names it.
pub const ADDRESS_LABEL: &str = "__address__";

/// What a discovery yields: labels that some targets have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where it comes from, for `/service-discovery`.
    pub source: String,
    /// Labels of each target alone.
    pub targets: Vec<LabelSet>,
    /// Labels of all of them; a target's own win.
    pub labels: LabelSet,
}

/// Files to read, and the labels of their lines.
#[derive(Debug, Clone)]
pub struct Target {
    /// As discovered, before relabelling.
    pub discovered: LabelSet,
    /// What lines carry: no name begins with two underscores.
    pub labels: Arc<LabelSet>,
    /// Which files.
    pub pattern: Glob,
    /// Which of them not.
    pub exclude: Option<Glob>,
}

impl Target {
    /// What makes it the same target as another: it reads the same files with the same labels.
    pub fn identity(&self) -> Identity<'_> {
        let exclude = self.exclude.as_ref().map(Glob::as_path);
        Identity { pattern: self.pattern.as_path(), exclude, labels: &self.labels }
    }

    /// Whether a path is one of the target's files.
    pub fn covers(&self, path: &Path) -> bool {
        self.pattern.matches(path) && !self.is_excluded(path)
    }

    /// Whether the exclude pattern takes a path out.
    pub fn is_excluded(&self, path: &Path) -> bool {
        self.exclude.as_ref().is_some_and(|exclude| exclude.matches(path))
    }
}

/// See [`Target::identity`]. A node has a thousand targets, so they are found by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity<'a> {
    pattern: &'a Path,
    exclude: Option<&'a Path>,
    labels: &'a LabelSet,
}

/// Why discovered labels gave no target: the label `reason` of `promtail_targets_failed_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// Relabelling said so.
    Dropped,
    /// It belongs to another host.
    WrongHost,
    /// No `__path__`.
    NoPath,
    /// Another target has the same files and labels.
    Exists,
    /// The pattern is broken.
    Error,
}

impl Rejection {
    /// Every reason, for metrics that exist from the start.
    pub const ALL: [Self; 5] =
        [Self::Dropped, Self::WrongHost, Self::NoPath, Self::Exists, Self::Error];

    /// The spelling of Promtail's metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::WrongHost => "wrong_host",
            Self::NoPath => "no_path",
            Self::Exists => "exists",
            Self::Error => "error",
        }
    }
}

/// Targets of one scrape config, and what was left out.
#[derive(Debug, Default)]
pub struct Resolved {
    /// In the order of discovery.
    pub targets: Vec<Target>,
    /// Labels as discovered, with the reason.
    pub rejected: Vec<(LabelSet, Rejection)>,
    /// Broken patterns, to be logged.
    pub errors: Vec<GlobError>,
}

/// Relabels discovered groups into targets.
///
/// `host` is the name that `__host__` is compared with.
pub fn resolve(groups: &[Group], rules: &[RelabelRule], host: &str) -> Resolved {
    let mut resolved = Resolved::default();
    let mut candidates = Vec::new();
    for group in groups {
        for own in &group.targets {
            let mut discovered = group.labels.clone();
            for (name, value) in own.iter() {
                discovered.set(name, value);
            }
            match target(&discovered, rules, host) {
                Ok(target) => candidates.push(target),
                Err(Refusal::Reason(reason)) => resolved.rejected.push((discovered, reason)),
                Err(Refusal::Pattern(error)) => {
                    resolved.errors.push(error);
                    resolved.rejected.push((discovered, Rejection::Error));
                }
            }
        }
    }
    let mut known = HashSet::new();
    let is_new: Vec<bool> =
        candidates.iter().map(|target| known.insert(target.identity())).collect();
    for (target, is_new) in candidates.into_iter().zip(is_new) {
        if is_new {
            resolved.targets.push(target);
        } else {
            resolved.rejected.push((target.discovered, Rejection::Exists));
        }
    }
    resolved
}

enum Refusal {
    Reason(Rejection),
    Pattern(GlobError),
}

fn target(discovered: &LabelSet, rules: &[RelabelRule], host: &str) -> Result<Target, Refusal> {
    let mut labels = discovered.clone();
    // Empty and absent are the same thing to relabelling.
    labels.retain(|_, value| !value.is_empty());
    if !relabel::process(rules, &mut labels) {
        return Err(Refusal::Reason(Rejection::Dropped));
    }
    if labels.get(HOST_LABEL).is_some_and(|wanted| wanted != host) {
        return Err(Refusal::Reason(Rejection::WrongHost));
    }
    let path = labels.get(PATH_LABEL).ok_or(Refusal::Reason(Rejection::NoPath))?;
    let pattern = absolute(path).map_err(Refusal::Pattern)?;
    let exclude = labels.get(EXCLUDE_LABEL).map(absolute).transpose().map_err(Refusal::Pattern)?;
    labels.retain(|name, value| !name.starts_with("__") && !value.is_empty());
    Ok(Target { discovered: discovered.clone(), labels: Arc::new(labels), pattern, exclude })
}

fn absolute(pattern: &str) -> Result<Glob, GlobError> {
    match std::path::absolute(pattern) {
        Ok(path) => Glob::new(path.to_str().unwrap_or(pattern)),
        Err(_) => Glob::new(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(labels: &[(&str, &str)]) -> Group {
        Group {
            source: "test".to_owned(),
            targets: vec![[(ADDRESS_LABEL, "localhost")].into_iter().collect()],
            labels: labels.iter().copied().collect(),
        }
    }

    #[test]
    fn hidden_labels_choose_files_and_are_not_sent() {
        let groups =
            [group(&[("job", "app"), ("empty", ""), ("__path__", "/l/*.log"), ("__x", "y")])];
        let resolved = resolve(&groups, &[], "node");
        let target = &resolved.targets[0];
        assert_eq!(target.labels.to_string(), r#"{job="app"}"#);
        assert!(target.covers(Path::new("/l/a.log")));
        assert_eq!(target.discovered.get(ADDRESS_LABEL), Some("localhost"));
    }

    #[test]
    fn every_target_left_out_has_its_reason() {
        let groups = [
            group(&[("job", "a")]),
            group(&[("job", "a"), ("__path__", "/a"), ("__host__", "elsewhere")]),
            group(&[("job", "a"), ("__path__", "/[a")]),
            group(&[("job", "a"), ("__path__", "/a"), ("__host__", "node")]),
            group(&[("job", "a"), ("__path__", "/a")]),
        ];
        let resolved = resolve(&groups, &[], "node");
        let reasons: Vec<_> = resolved.rejected.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(reasons, ["no_path", "wrong_host", "error", "exists"]);
        assert_eq!(resolved.targets.len(), 1);
    }

    #[test]
    fn an_excluded_path_is_not_covered() {
        let groups = [group(&[("__path__", "/l/*"), ("__path_exclude__", "/l/*.gz")])];
        let target = resolve(&groups, &[], "node").targets.remove(0);
        assert!(target.covers(Path::new("/l/a")));
        assert!(!target.covers(Path::new("/l/a.gz")));
    }
}
