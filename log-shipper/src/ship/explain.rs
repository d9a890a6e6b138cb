//! `log-shipper explain FILE --line TEXT`: what each stage of a job does with a line.
//!
//! Nothing is started and nothing is sent: the pipeline is the one that a start would build, the
//! labels are what the command line and `static_configs` say.

mod json;

use std::io::{self, BufRead, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use instrumentation::json_log::ErrorChain;
use prometheus_model::label_set::LabelSet;

use super::step_text::StepText;
use crate::advice::Lookup;
use crate::cli::Explain;
use crate::config::scrape_configs::ScrapeConfig;
use crate::config::{self, Config, ConfigError};
use crate::pipeline::build::{BuildContext, build};
use crate::pipeline::entry::{Entry, FileId};
use crate::pipeline::observe::{Observer, Step};
use crate::pipeline::run::Pipeline;
use crate::pipeline::stage::{Context, Verdict};
use crate::pipeline::stage_metrics::StageMetrics;
use crate::pipeline::stages::error::StageError;
use crate::pipeline::stages::metrics::registry::CustomMetrics;
use crate::tail::line_reader::DEFAULT_LINE_LIMIT;

/// Longer than any stage waits for more lines.
const LONG_ENOUGH: Duration = Duration::from_hours(24);

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The file.
    #[error("configuration refused")]
    Config(#[from] ConfigError),
    /// No job, or none of that name.
    #[error("no scrape config {wanted}; there is {known}")]
    NoJob {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// A stage of the job.
    #[error("scrape config {job:?}")]
    Stage {
        /// `job_name`
        job: String,
        /// Place, stage, key, and what is accepted.
        #[source]
        cause: Box<StageError>,
    },
    /// Reading lines, or printing.
    #[error("cannot read lines or print")]
    Io(#[from] io::Error),
}

/// What became of one line, and what was released on the way.
struct Explained {
    /// None for what happens when time has passed after the last line.
    line: Option<Vec<u8>>,
    steps: Vec<Step>,
    /// In the order in which they are sent.
    sent: Vec<Entry>,
    verdict: Option<Verdict>,
    /// Whether lines stay with a stage at the end, to be read again after the next start.
    keeps: bool,
}

/// Explains the line of the command line, or each of `input`.
///
/// # Errors
/// [`ExplainError`]
pub fn run(
    arguments: &Explain,
    lookup: Lookup<'_>,
    input: impl BufRead,
    colours: bool,
    out: &mut impl Write,
) -> Result<(), ExplainError> {
    let config = config::load(&arguments.file, arguments.expand_env, lookup)?;
    let job = job(&config, arguments.job.as_deref())?;
    let mut explainer = Explainer::new(job, labels(job, arguments))?;
    let mut show = |explained: &Explained| {
        if arguments.json {
            writeln!(out, "{}", json::line(&job.job_name, explained))
        } else {
            out.write_all(text(&job.job_name, explained, colours).as_bytes())
        }
    };
    if arguments.line == "-" {
        each_line(input, |line| show(&explainer.line(line)))?;
    } else {
        show(&explainer.line(arguments.line.as_bytes()))?;
    }
    let end = explainer.end();
    if !end.steps.is_empty() || end.keeps {
        show(&end)?;
    }
    Ok(())
}

fn job<'a>(config: &'a Config, wanted: Option<&str>) -> Result<&'a ScrapeConfig, ExplainError> {
    let jobs = &config.scrape_configs;
    let found = match wanted {
        Some(name) => jobs.iter().find(|job| job.job_name == name),
        None => jobs.first(),
    };
    found.ok_or_else(|| {
        let names: Vec<String> = jobs.iter().map(|job| format!("{:?}", job.job_name)).collect();
        ExplainError::NoJob {
            wanted: wanted.map_or_else(|| "at all".to_owned(), |name| format!("{name:?}")),
            known: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        }
    })
}

/// Those that a line would have without service discovery, and those of the command line.
fn labels(job: &ScrapeConfig, arguments: &Explain) -> Arc<LabelSet> {
    let mut labels = LabelSet::new();
    let statics = job.static_configs.iter().take(1).flat_map(|group| group.labels.iter());
    for (name, value) in statics.filter(|(name, _)| !name.starts_with("__")) {
        labels.set(name, value);
    }
    for (name, value) in arguments.labels.iter() {
        labels.set(name, value);
    }
    Arc::new(labels)
}

struct Explainer {
    pipeline: Pipeline,
    context: Context,
    labels: Arc<LabelSet>,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Explainer {
    fn new(job: &ScrapeConfig, labels: Arc<LabelSet>) -> Result<Self, ExplainError> {
        let steps = Arc::<Mutex<Vec<Step>>>::default();
        let collected = Arc::clone(&steps);
        let mut context =
            BuildContext::new(&job.job_name, &StageMetrics::new(), &CustomMetrics::new(), 0);
        context.observer = Some(Observer::new(move |step| {
            collected.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        }));
        let pipeline = build(&job.pipeline_stages, &mut context).map_err(|cause| {
            ExplainError::Stage { job: job.job_name.clone(), cause: Box::new(cause) }
        })?;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ns = i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX);
        Ok(Self { pipeline, context: Context::new(now_ns, Instant::now()), labels, steps })
    }

    fn line(&mut self, line: &[u8]) -> Explained {
        self.context.now_ns += 1;
        let mut entry =
            Entry { timestamp_ns: self.context.now_ns, line: line.to_vec(), ..Entry::default() };
        entry.labels.reset(&self.labels);
        entry.extracted.reset(&self.labels);
        let verdict = self.pipeline.process(&mut entry, &mut self.context);
        let mut sent = std::mem::take(&mut self.context.released);
        if verdict == Verdict::Pass {
            sent.push(entry);
        }
        let (line, verdict) = (Some(line.to_vec()), Some(verdict));
        Explained { line, steps: self.take_steps(), sent, verdict, keeps: false }
    }

    /// What time releases after the last line, and then the stop.
    fn end(&mut self) -> Explained {
        self.context.now += LONG_ENOUGH;
        let later = i64::try_from(LONG_ENOUGH.as_nanos()).unwrap_or(i64::MAX);
        self.context.now_ns = self.context.now_ns.saturating_add(later);
        self.pipeline.flush(false, &mut self.context);
        self.pipeline.flush(true, &mut self.context);
        let sent = std::mem::take(&mut self.context.released);
        let keeps = self.pipeline.held_since(FileId::default()).is_some();
        Explained { line: None, steps: self.take_steps(), sent, verdict: None, keeps }
    }

    fn take_steps(&self) -> Vec<Step> {
        std::mem::take(&mut *self.steps.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Without the newline, and a carriage return before it; at most as much of a line as is shipped.
fn each_line(
    mut input: impl BufRead,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(DEFAULT_LINE_LIMIT).unwrap_or(u64::MAX);
        if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.pop();
        }
        if !line.is_empty() {
            take(&line)?;
        }
    }
}

fn text(job: &str, explained: &Explained, colours: bool) -> String {
    let words = StepText::new(colours);
    let mut out = String::new();
    let title = match &explained.line {
        Some(line) => format!("{job:?}, line {:?}", String::from_utf8_lossy(line)),
        None => format!("{job:?}, when time has passed"),
    };
    words.put(&mut out, 0, "1", &title);
    for step in &explained.steps {
        words.step(step, 1, &mut out);
    }
    for entry in &explained.sent {
        words.entry(entry, &mut out);
    }
    match explained.verdict {
        Some(Verdict::Drop) => words.put(&mut out, 0, "31", "dropped: this line is not sent"),
        Some(Verdict::Hold) => words.put(&mut out, 0, "33", "held: this line is sent later"),
        Some(Verdict::Pass) | None => {}
    }
    if explained.keeps {
        words.put(&mut out, 0, "33", "kept at the stop: read again after the next start");
    }
    out.push('\n');
    out
}

/// An error in one line.
pub fn in_words(error: &ExplainError) -> String {
    ErrorChain(error).to_string()
}
