//! What a configuration of Promtail meets here: what may lose data, what has no effect, and what
//! behaves better than before.
//!
//! Advice never decides anything: what is refused is refused by `config`, `pipeline` and the plan of
//! a start. It is read from the tree, because only the tree knows what was written down and where.

mod delivery;
mod keys;
mod labels;
mod places;
#[cfg(test)]
mod tests;

use crate::config::yaml::Node;
use crate::config::{Config, Finding, FindingName};

/// Knows the value of an environment variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything worth saying, in the order of the file. `root` is the tree that `config` was read
/// from.
pub fn advise(config: &Config, root: &Node, lookup: Lookup<'_>) -> Vec<Finding> {
    let mut advice = Advice { config, root, findings: Vec::new() };
    labels::advise(&mut advice);
    delivery::advise(&mut advice);
    keys::advise(&mut advice, lookup);
    advice.findings.sort_by_key(|finding| (finding.line, finding.column));
    advice.findings
}

struct Advice<'a> {
    config: &'a Config,
    root: &'a Node,
    findings: Vec<Finding>,
}

impl Advice<'_> {
    fn add(&mut self, name: FindingName, at: &Node, message: impl Into<String>) {
        self.findings.push(Finding::new(name, at, message));
    }

    /// For what is the same wherever it stands: the first place is enough.
    fn add_once(&mut self, name: FindingName, at: &Node, message: &str) {
        if !self.findings.iter().any(|finding| finding.name == name) {
            self.add(name, at, message);
        }
    }
}
