//! From the YAML of `pipeline_stages` to a [`Pipeline`].
//!
//! Every stage of the configuration is built, nested ones included, before a line is read: a
//! pipeline that exists works.

use super::observe::{Observer, StageInfo};
use super::run::Pipeline;
use super::stage::Stage;
use super::stage_metrics::StageMetrics;
use super::stages::cri::CriStage;
use super::stages::decolorize::DecolorizeStage;
use super::stages::docker::DockerStage;
use super::stages::drop::DropStage;
use super::stages::error::StageError;
use super::stages::eventlogmessage::EventLogMessageStage;
use super::stages::geoip::GeoipStage;
use super::stages::geoip::database::GeoDatabases;
use super::stages::json::JsonStage;
use super::stages::labelallow::LabelAllowStage;
use super::stages::labeldrop::LabelDropStage;
use super::stages::labels::LabelsStage;
use super::stages::limit::LimitStage;
use super::stages::logfmt::LogfmtStage;
use super::stages::match_stage::MatchStage;
use super::stages::metrics::MetricsStage;
use super::stages::metrics::registry::CustomMetrics;
use super::stages::multiline::MultilineStage;
use super::stages::output::OutputStage;
use super::stages::pack::PackStage;
use super::stages::regex::RegexStage;
use super::stages::replace::ReplaceStage;
use super::stages::sampling::SamplingStage;
use super::stages::static_labels::StaticLabelsStage;
use super::stages::structured_metadata::StructuredMetadataStage;
use super::stages::template::TemplateStage;
use super::stages::tenant::TenantStage;
use super::stages::timestamp::TimestampStage;
use crate::config::yaml::{Kind, Node, Scalar};
use crate::config::{Finding, FindingName};

/// Names of all stages that can be built, sorted.
pub const STAGES: [&str; 26] = [
    "cri",
    "decolorize",
    "docker",
    "drop",
    "eventlogmessage",
    "geoip",
    "json",
    "labelallow",
    "labeldrop",
    "labels",
    "limit",
    "logfmt",
    "match",
    "metrics",
    "multiline",
    "non_indexed_labels",
    "output",
    "pack",
    "regex",
    "replace",
    "sampling",
    "static_labels",
    "structured_metadata",
    "template",
    "tenant",
    "timestamp",
];

/// Stages that Promtail never had: a pipeline written for Alloy was pasted.
const ONLY_IN_ALLOY: [&str; 5] =
    ["luhn", "pattern", "structured_metadata_drop", "truncate", "windowsevent"];

/// `match` in `match` in ...: far more than anybody writes, far less than the stack holds.
const MAX_DEPTH: usize = 32;

/// Distance of the seeds of two `sampling` stages; any odd number that the forks of a stage do not
/// use.
const SEED_STEP: u64 = 0xD134_2543_DE82_EF95;

/// What stages share, and what building them finds out.
#[derive(Debug)]
pub struct BuildContext {
    /// Name of the scrape config, for warnings.
    pub job: String,
    /// Counters of dropped lines, the same for all jobs.
    pub metrics: StageMetrics,
    /// Values of `metrics` stages, the same for all jobs.
    pub custom_metrics: CustomMetrics,
    /// Databases of `geoip` stages, the same for all jobs.
    pub geo_databases: GeoDatabases,
    /// Where `sampling` starts; the same seed keeps the same lines.
    pub seed: u64,
    /// What was accepted but probably not meant, such as unknown keys; [`build`] appends.
    pub warnings: Vec<Finding>,
    /// Who is told what each stage does; none in production.
    pub observer: Option<Observer>,
}

impl BuildContext {
    /// For one scrape config.
    pub fn new(
        job: &str,
        metrics: &StageMetrics,
        custom_metrics: &CustomMetrics,
        seed: u64,
    ) -> Self {
        Self {
            job: job.to_owned(),
            metrics: metrics.clone(),
            custom_metrics: custom_metrics.clone(),
            geo_databases: GeoDatabases::default(),
            seed,
            warnings: Vec::new(),
            observer: None,
        }
    }
}

/// Builds the stages of one scrape config.
///
/// # Errors
///
/// The first item that is no stage, names an unknown one, or has options which that stage refuses.
pub fn build(stages: &[Node], context: &mut BuildContext) -> Result<Pipeline, StageError> {
    let first = context.warnings.len();
    let pipeline = build_nested(stages, context, 0);
    let job = &context.job;
    for warning in &mut context.warnings[first..] {
        warning.message = format!("scrape config {job:?}: {}", warning.message);
    }
    pipeline
}

fn build_nested(
    stages: &[Node],
    context: &mut BuildContext,
    depth: usize,
) -> Result<Pipeline, StageError> {
    let mut built = Vec::with_capacity(stages.len());
    for item in stages {
        let Some((name, options)) = name_and_options(item, context)? else { continue };
        let stage = stage(name, options, context, depth)
            .map_err(|error| error.at(options.line, options.column))?;
        built.push(match &context.observer {
            Some(observer) => {
                observer.watch(stage, StageInfo::new(&context.job, name, item, options))
            }
            None => stage,
        });
    }
    Ok(Pipeline::new(built))
}

/// The single pair of an item; `None` for an empty map, which Promtail takes for nothing.
fn name_and_options<'a>(
    item: &'a Node,
    context: &mut BuildContext,
) -> Result<Option<(&'a str, &'a Node)>, StageError> {
    const ACCEPTED: &str = "a map with one key, such as `- json: {...}` or `- docker: {}`";
    let Node { line, column, kind } = item;
    let error = |problem: String| {
        StageError::new("pipeline", problem).accepted(ACCEPTED).at(*line, *column)
    };
    match kind {
        Kind::Mapping(pairs) => match &pairs[..] {
            [] => {
                let text = "an empty stage is ignored";
                context.warnings.push(Finding::new(FindingName::DoubtfulStage, item, text));
                Ok(None)
            }
            [(name, options)] => match name.scalar() {
                Some(Scalar::Text(name)) => Ok(Some((name, options))),
                _ => Err(error("the name of a stage must be a text".to_owned())),
            },
            several => {
                let names: Vec<_> =
                    several.iter().filter_map(|(name, _)| name.raw_text()).collect();
                Err(error(format!(
                    "a stage must contain only one key, this one has {}",
                    names.join(", ")
                )))
            }
        },
        Kind::Scalar { text, .. } => {
            Err(error(format!("{text:?} is no stage; a colon may be missing")))
        }
        Kind::Null | Kind::Sequence(_) => Err(error("an item of the list is no stage".to_owned())),
    }
}

fn stage(
    name: &str,
    node: &Node,
    context: &mut BuildContext,
    depth: usize,
) -> Result<Box<dyn Stage>, StageError> {
    let BuildContext { metrics, custom_metrics, geo_databases, seed, warnings, .. } = &mut *context;
    Ok(match name {
        "cri" => Box::new(CriStage::from_node(node, warnings)?),
        "decolorize" => Box::new(DecolorizeStage::from_node(node, warnings)?),
        "docker" => Box::new(DockerStage::from_node(node, warnings)?),
        "drop" => Box::new(DropStage::from_node(node, metrics, warnings)?),
        "eventlogmessage" => Box::new(EventLogMessageStage::from_node(node, warnings)?),
        "geoip" => Box::new(GeoipStage::from_node(node, geo_databases, warnings)?),
        "json" => Box::new(JsonStage::from_node(node, metrics, warnings)?),
        "labelallow" => Box::new(LabelAllowStage::from_node(node)?),
        "labeldrop" => Box::new(LabelDropStage::from_node(node)?),
        "labels" => Box::new(LabelsStage::from_node(node)?),
        "limit" => Box::new(LimitStage::from_node(node, metrics, warnings)?),
        "logfmt" => Box::new(LogfmtStage::from_node(node, metrics, warnings)?),
        "match" => {
            if depth >= MAX_DEPTH {
                return Err(StageError::new("match", "nested too deeply")
                    .accepted(format!("at most {MAX_DEPTH} levels")));
            }
            let metrics = metrics.clone();
            let mut own_warnings = Vec::new();
            let stage = MatchStage::from_node(node, &metrics, &mut own_warnings, |stages| {
                build_nested(stages, context, depth + 1)
            });
            context.warnings.append(&mut own_warnings);
            Box::new(stage?)
        }
        "metrics" => Box::new(MetricsStage::from_node(node, custom_metrics, warnings)?),
        "multiline" => Box::new(MultilineStage::from_node(node, warnings)?),
        "non_indexed_labels" => {
            Box::new(StructuredMetadataStage::from_node("non_indexed_labels", node)?)
        }
        "output" => Box::new(OutputStage::from_node(node, warnings)?),
        "pack" => Box::new(PackStage::from_node(node, warnings)?),
        "regex" => Box::new(RegexStage::from_node(node, warnings)?),
        "replace" => Box::new(ReplaceStage::from_node(node, warnings)?),
        "sampling" => {
            let own_seed = *seed;
            // Two stages with the same numbers would keep the same lines: a half of a half is a quarter.
            *seed = seed.wrapping_add(SEED_STEP);
            Box::new(SamplingStage::from_node(node, own_seed, metrics, warnings)?)
        }
        "static_labels" => Box::new(StaticLabelsStage::from_node(node)?),
        "structured_metadata" => {
            Box::new(StructuredMetadataStage::from_node("structured_metadata", node)?)
        }
        "template" => Box::new(TemplateStage::from_node(node, warnings)?),
        "tenant" => Box::new(TenantStage::from_node(node, warnings)?),
        "timestamp" => Box::new(TimestampStage::from_node(node, warnings)?),
        other => return Err(unknown(other)),
    })
}

fn unknown(name: &str) -> StageError {
    let accepted = STAGES.join(", ");
    match name {
        "label_drop" => {
            StageError::new("pipeline", "label_drop is Alloy's name").accepted("labeldrop")
        }
        "label_keep" => {
            StageError::new("pipeline", "label_keep is Alloy's name").accepted("labelallow")
        }
        name if ONLY_IN_ALLOY.contains(&name) => {
            StageError::new("pipeline", format!("{name} exists in Alloy only, not in Promtail"))
                .accepted(accepted)
        }
        name => StageError::new("pipeline", format!("unknown stage {name:?}")).accepted(accepted),
    }
}

#[cfg(test)]
mod tests;
