//! `log-shipper check FILE`: everything that can be said about a configuration without starting it.
//!
//! It says it would start only if a start builds the same clients, sources and stages.

use std::io::{self, Write};

use instrumentation::json_log::ErrorChain;
use serde_json::json;

use super::plan::{Plan, PlanError};
use crate::advice::{self, Lookup};
use crate::cli::Check;
use crate::config::scrape_configs::Source;
use crate::config::yaml::{Kind, Node};
use crate::config::{self, Category, Config, ConfigError, Finding, FindingName, Loaded};
use crate::metrics::Metrics;
use crate::pipeline::build::{BuildContext, build};
use crate::pipeline::stage_metrics::StageMetrics;
use crate::pipeline::stages::metrics::registry::CustomMetrics;

/// Prints the findings; whether it would start.
///
/// # Errors
/// What writing returned.
pub fn run(arguments: &Check, lookup: Lookup<'_>, out: &mut impl Write) -> io::Result<bool> {
    let loaded = config::load_with_tree(&arguments.file, arguments.expand_env, lookup);
    let (file, mut findings) = match &loaded {
        Ok(loaded) => (loaded.path.display().to_string(), findings(loaded, lookup)),
        Err(error) => (arguments.file.clone(), findings_of(error)),
    };
    findings.sort_by_key(|finding| (finding.line, finding.column, finding.name));
    let would_start = findings.iter().all(|found| found.name.category() != Category::Refused);
    if arguments.json {
        print_json(&file, &findings, would_start, out)?;
    } else {
        print_text(&file, &findings, would_start, out)?;
    }
    Ok(would_start)
}

fn findings(loaded: &Loaded, lookup: Lookup<'_>) -> Vec<Finding> {
    let Loaded { config, root, warnings, .. } = loaded;
    let mut findings = warnings.clone();
    findings.extend(advice::advise(config, root, lookup));
    let (metrics, custom) = (StageMetrics::new(), CustomMetrics::new());
    let mut problems_of_jobs = Vec::new();
    for (index, job) in config.scrape_configs.iter().enumerate() {
        let at = job_node(root, index).unwrap_or(root);
        for problem in job.problems() {
            let (name, at) = match job.source() {
                Some(Source::Unbuilt(source)) if problem.contains(source.key) => {
                    (FindingName::SourceNotSupported, at.get(source.key).unwrap_or(at))
                }
                _ => (FindingName::RefusedAtStart, at),
            };
            findings.push(Finding::new(name, at, problem.clone()));
            problems_of_jobs.push(problem);
        }
        let mut context = BuildContext::new(&job.job_name, &metrics, &custom, 0);
        if let Err(error) = build(&job.pipeline_stages, &mut context) {
            let message = format!("scrape config {:?}: {}", job.job_name, ErrorChain(&error));
            let mut finding = Finding::new(FindingName::InvalidStage, at, message);
            if let Some(place) = error.position {
                (finding.line, finding.column) = (place.line, place.column);
            }
            findings.push(finding);
        }
        findings.append(&mut context.warnings);
    }
    if let Err(error) = config.validate_for_start() {
        let at = root.get("clients").unwrap_or(root);
        let others = error.problems().iter().filter(|problem| !problems_of_jobs.contains(problem));
        findings.extend(
            others.map(|problem| Finding::new(FindingName::RefusedAtStart, at, problem.clone())),
        );
    } else if let Err(error) = Plan::new(config, &Metrics::new(), &metrics)
        && let Some(at) = place(&error, config, root)
    {
        let message = ErrorChain(&error).to_string();
        findings.push(Finding::new(FindingName::RefusedAtStart, at, message));
    }
    findings
}

/// Where a plan fails; `None` for stages, which have been told with a better place.
fn place<'a>(error: &PlanError, config: &Config, root: &'a Node) -> Option<&'a Node> {
    let (job, key) = match error {
        PlanError::Stage { .. } => return None,
        PlanError::Kubernetes { job, .. } => (job, Some("kubernetes_sd_configs")),
        PlanError::Consul { job, .. } => (job, Some("consul_sd_configs")),
        PlanError::Source { job, .. } => (job, None),
        PlanError::Server(_) => return Some(root.get("server").unwrap_or(root)),
        _ => return Some(root.get("clients").unwrap_or(root)),
    };
    let index = config.scrape_configs.iter().position(|known| known.job_name == *job);
    let node = index.and_then(|index| job_node(root, index)).unwrap_or(root);
    Some(key.and_then(|key| node.get(key)).unwrap_or(node))
}

fn job_node(root: &Node, index: usize) -> Option<&Node> {
    match &root.get("scrape_configs")?.kind {
        Kind::Sequence(jobs) => jobs.get(index),
        _ => None,
    }
}

/// Errors of a file that is no configuration; those without a place stand at its first character.
fn findings_of(error: &ConfigError) -> Vec<Finding> {
    let invalid = |line, column, message| {
        vec![Finding { name: FindingName::InvalidConfiguration, line, column, message }]
    };
    match error {
        ConfigError::Invalid { findings, hint, .. } => {
            let mut findings = findings.clone();
            for finding in findings.iter_mut().filter(|finding| finding.message.contains("${")) {
                finding.message = format!("{}{hint}", finding.message).replace('\n', "; ");
            }
            findings
        }
        ConfigError::Yaml { cause, hint, .. } => invalid(
            cause.line,
            cause.column,
            format!("{}{hint}", cause.problem).replace('\n', "; "),
        ),
        ConfigError::Expansion { cause, .. } => {
            invalid(cause.line, cause.column, cause.problem.to_string())
        }
        ConfigError::NotText { line, .. } => invalid(*line, 1, "not UTF-8 text".to_owned()),
        other => invalid(1, 1, ErrorChain(other).to_string()),
    }
}

fn print_text(
    file: &str,
    findings: &[Finding],
    would_start: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    for finding in findings {
        let Finding { name, line, column, message } = finding;
        let category = name.category().as_str();
        writeln!(out, "{file}:{line}:{column}: {category}: {message} [{name}]")?;
    }
    let count =
        |category| findings.iter().filter(|found| found.name.category() == category).count();
    writeln!(
        out,
        "{file}: {}: {} refused, {} warnings, {} keys without effect, {} differences from Promtail",
        if would_start { "would start" } else { "would not start" },
        count(Category::Refused),
        count(Category::Warning),
        count(Category::NoEffect),
        count(Category::Difference),
    )
}

fn print_json(
    file: &str,
    findings: &[Finding],
    would_start: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let findings: Vec<_> = findings
        .iter()
        .map(|Finding { name, line, column, message }| {
            json!({
                "name": name.as_str(),
                "category": name.category().as_str(),
                "line": line,
                "column": column,
                "message": message,
            })
        })
        .collect();
    let report = json!({"file": file, "would_start": would_start, "findings": findings});
    writeln!(out, "{report:#}")
}
