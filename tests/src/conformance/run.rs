//! One case, from its copied input to what came of it.
//!
//! The binary sees only its configuration, its files and its environment; whatever it is given must
//! come from the case.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use regex::Regex;
use rustix::process::Signal;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::case::{Case, Check, Kind, Step, Wait};
use super::kubernetes::Kubernetes;
use super::observe::{Observer, read_positions};
use super::placeholders::Placeholders;
use super::sink::{Sink, SinkOptions};
use super::steps::{Files, copy_folder};
use crate::daemon_process::{
    DaemonCommand, DaemonProcess, ProcessError, exit_code, free_port, http_get,
};
use crate::patience::wait_until;

/// Longest wait inside a `wait` step.
const STEP_LIMIT: Duration = Duration::from_secs(25);
/// Longest wait for the expected entries ...
const ARRIVAL_LIMIT: Duration = Duration::from_secs(25);
/// ... unless the start is this long ago ...
const GIVE_UP_AFTER_START: Duration = Duration::from_secs(12);
/// ... and nothing has come for this long.
const GIVE_UP_AFTER_QUIET: Duration = Duration::from_secs(7);
/// Where nothing is expected: how long after the start the binary may still do it wrong.
const NOTHING_EXPECTED: Duration = Duration::from_secs(8);
/// How long surplus entries are waited for, unless the case says otherwise.
const SETTLE: Duration = Duration::from_millis(800);
/// Longest wait for the end after a signal.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// Longest run of `-check-syntax`.
const CHECK_LIMIT: Duration = Duration::from_secs(10);
/// How soon a binary must end that refuses its configuration.
const REFUSE_LIMIT: Duration = Duration::from_secs(5);

/// Why a case did not come to a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum RunError {
    /// A step's condition did not come true.
    #[error("step failed: waited for {0}")]
    Waited(String),
    /// The case asks for something that does not exist.
    #[error("case is unusable: {0}")]
    Unusable(String),
    /// A file operation of the runner or of a step failed.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The binary does not start.
    #[error("no process")]
    Process(#[from] ProcessError),
}

fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> RunError {
    let doing = what.into();
    move |cause| RunError::Io { doing, cause }
}

/// A run in progress.
#[derive(Debug)]
pub(super) struct Run<'a> {
    case: &'a Case,
    work: TempDir,
    placeholders: Placeholders,
    sink: Sink,
    command: DaemonCommand,
    process: Option<DaemonProcess>,
    generation: u32,
    exit_code: Value,
    started: Instant,
    touched: Instant,
    began: Timestamp,
}

impl<'a> Run<'a> {
    /// Copies the input, starts the sink and does the steps of `setup`.
    ///
    /// # Errors
    ///
    /// [`RunError`]
    pub(super) fn prepare(case: &'a Case, shipper: &Path) -> Result<Self, RunError> {
        let work =
            tempfile::Builder::new().prefix("pc-").tempdir().map_err(doing("work folder"))?;
        let folder = work.path().canonicalize().map_err(doing("work folder"))?;
        let input = folder.join("in");
        let source = case.folder.join("input");
        if source.is_dir() {
            copy_folder(&source, &input).map_err(doing("copy of the input"))?;
        } else {
            fs::create_dir(&input).map_err(doing("input folder"))?;
        }
        let spec = &case.spec;
        let sink = Sink::start(SinkOptions {
            script: spec.sink.clone(),
            record_headers: spec.record_headers.clone(),
            kubernetes: spec.kube.as_deref().map(|name| kubernetes(case, name)).transpose()?,
        })
        .map_err(doing("start of the sink"))?;
        let placeholders = Placeholders {
            input,
            positions: folder.join("positions.yaml"),
            work: folder.clone(),
            sink_port: sink.port(),
            http_port: free_port(),
        };
        let command = command(case, shipper, &placeholders);
        let now = Instant::now();
        let mut run = Self {
            case,
            work,
            placeholders,
            sink,
            command,
            process: None,
            generation: 0,
            exit_code: Value::Null,
            started: now,
            touched: now,
            began: Timestamp::now(),
        };
        run.write_config(spec.config.as_deref().unwrap_or("config.yaml"))?;
        if let Some(positions) = &spec.positions {
            fs::write(&run.placeholders.positions, run.placeholders.fill(positions))
                .map_err(doing("positions file"))?;
        }
        for step in &spec.setup {
            run.step(step)?;
        }
        Ok(run)
    }

    /// Leaves the work folder behind.
    pub(super) fn keep(mut self) -> PathBuf {
        self.process = None;
        self.work.keep()
    }

    /// Runs the case; the result has the form of `expected.json`.
    ///
    /// # Errors
    ///
    /// [`RunError`] when a step could not be done.
    pub(super) fn run(&mut self) -> Result<Value, RunError> {
        match self.case.spec.kind {
            Kind::Push => self.run_push(),
            Kind::Refuse => self.run_refuse(),
            Kind::Stdin => self.run_stdin(),
            Kind::Dry => self.run_dry(),
        }
    }

    /// A case may have no configuration file: then the binary is given a path to nothing.
    fn write_config(&self, name: &str) -> Result<(), RunError> {
        match fs::read_to_string(self.case.folder.join(name)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            text => text
                .and_then(|text| fs::write(self.config_path(), self.placeholders.fill(&text)))
                .map_err(doing(format!("configuration {name}"))),
        }
    }

    fn config_path(&self) -> PathBuf {
        self.placeholders.work.join("config.yaml")
    }

    fn start(&mut self, extra: Option<&str>) -> Result<(), RunError> {
        let mut command = self.command.clone();
        command.args.extend(extra.map(OsString::from));
        self.generation += 1;
        self.process = Some(DaemonProcess::start(&command, self.generation)?);
        self.started = Instant::now();
        self.touched = self.started;
        Ok(())
    }

    fn stop(&mut self, signal: Signal) {
        let Some(mut process) = self.process.take() else { return };
        process.signal(signal);
        self.exit_code = ended(&mut process, STOP_LIMIT);
    }

    fn is_dead(process: &mut Option<DaemonProcess>) -> bool {
        process.as_mut().is_none_or(|process| !process.is_running())
    }

    fn step(&mut self, step: &Step) -> Result<(), RunError> {
        self.touched = Instant::now();
        let files = Files { case_folder: &self.case.folder, placeholders: &self.placeholders };
        match step {
            Step::Wait(wait) => self.wait(wait)?,
            Step::Sleep(seconds) => {
                wait_until(Duration::from_secs_f64(*seconds), || false);
            }
            Step::Config(name) => self.write_config(name)?,
            Step::Signal(name) => {
                let signal = signal(name)?;
                if let Some(process) = &mut self.process {
                    process.signal(signal);
                }
            }
            Step::Stop(name) => self.stop(signal(name)?),
            Step::Start(()) => self.start(None)?,
            _ => {
                files.apply(step).map_err(doing(format!("{step:?}")))?;
            }
        }
        self.touched = Instant::now();
        Ok(())
    }

    fn wait(&mut self, wait: &Wait) -> Result<(), RunError> {
        let Self { sink, process, placeholders, .. } = self;
        for (what, wanted, is_entries) in
            [("entries", wait.entries, true), ("requests", wait.requests, false)]
        {
            let Some(wanted) = wanted else { continue };
            let mut seen = 0;
            sink.wait(STEP_LIMIT, |state| {
                seen = if is_entries { state.entries.len() } else { state.requests };
                seen >= wanted || Self::is_dead(process)
            });
            if seen < wanted || Self::is_dead(process) {
                return Err(RunError::Waited(format!("{wanted} {what}, saw {seen}")));
            }
        }
        let wanted = |name: &String, offset: &u64| {
            (placeholders.input.join(name).display().to_string(), offset.to_string())
        };
        let wanted: BTreeMap<_, _> = wait.positions.iter().map(|(k, v)| wanted(k, v)).collect();
        let mut saved = None;
        let reached = wanted.is_empty()
            || wait_until(STEP_LIMIT, || {
                saved = read_positions(&placeholders.positions);
                let saved = saved.as_ref();
                wanted.iter().all(|(name, offset)| {
                    saved.and_then(|saved| saved.get(name)).is_some_and(|have| have == offset)
                })
            });
        if reached {
            return Ok(());
        }
        Err(RunError::Waited(format!("positions {wanted:?}, saw {saved:?}")))
    }

    fn run_push(&mut self) -> Result<Value, RunError> {
        let spec = &self.case.spec;
        self.start(None)?;
        for step in &spec.steps {
            self.step(step)?;
        }
        self.arrive();
        let before_stop = self.sink.read(|state| state.entries.len());
        let mut extras = Map::new();
        if !spec.metrics.is_empty() {
            let wanted: Result<Vec<_>, _> = spec.metrics.iter().map(|p| Regex::new(p)).collect();
            let wanted = wanted.map_err(|error| RunError::Unusable(error.to_string()))?;
            let exposition = http_get(self.placeholders.http_port, "/metrics");
            let exposition = exposition.map(|answer| answer.body).unwrap_or_default();
            extras.insert("metrics".into(), self.observer().metrics(&exposition, &wanted));
        }
        if !spec.http_status.is_empty() {
            let statuses = spec.http_status.iter().map(|path| (path.clone(), self.status(path)));
            extras.insert("http_status".into(), Value::Object(statuses.collect()));
        }
        let survived = !Self::is_dead(&mut self.process);
        self.stop(Signal::TERM);
        let mut result = self.result();
        result.extend(extras);
        result.insert("accepted".into(), json!(survived));
        result.insert("entries_before_stop".into(), json!(before_stop));
        Ok(Value::Object(result))
    }

    fn status(&self, path: &str) -> Value {
        match http_get(self.placeholders.http_port, path) {
            Ok(answer) => json!(answer.status),
            Err(error) => json!(format!("no answer ({error})")),
        }
    }

    /// Waits until what Promtail sent before its stop has come, then until something more has come
    /// or there was time for it.
    fn arrive(&mut self) {
        let wanted = self.case.expected["entries_before_stop"].as_u64().unwrap_or(0);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let Self { sink, process, started, touched, .. } = self;
        let begun = Instant::now();
        let had = sink.read(|state| state.entries.len());
        sink.wait(ARRIVAL_LIMIT + STEP_LIMIT, |state| {
            let quiet = state.last_push.max(*touched).elapsed();
            state.entries.len() >= wanted
                || Self::is_dead(process)
                || begun.elapsed() > ARRIVAL_LIMIT
                || (started.elapsed() > GIVE_UP_AFTER_START && quiet > GIVE_UP_AFTER_QUIET)
        });
        let surplus = self.case.expected_entries().max(wanted);
        let mut limit = self.case.spec.settle.map_or(SETTLE, Duration::from_secs_f64);
        if wanted <= had {
            limit += NOTHING_EXPECTED.saturating_sub(started.elapsed());
        }
        sink.wait(limit, |state| state.entries.len() > surplus || Self::is_dead(process));
    }

    fn run_refuse(&mut self) -> Result<Value, RunError> {
        self.start(Some("-check-syntax"))?;
        let check = match &mut self.process {
            Some(process) => ended(process, CHECK_LIMIT),
            None => Value::Null,
        };
        self.start(None)?;
        let accepted = !wait_until(REFUSE_LIMIT, || Self::is_dead(&mut self.process));
        self.stop(Signal::TERM);
        Ok(json!({
            "accepted": accepted,
            "exit_code": self.exit_code,
            "check_syntax": {"accepted": check == json!(0), "exit_code": check},
        }))
    }

    fn run_stdin(&mut self) -> Result<Value, RunError> {
        self.start(None)?;
        if let Some(mut process) = self.process.take() {
            self.exit_code = ended(&mut process, STOP_LIMIT);
        }
        Ok(Value::Object(self.result()))
    }

    fn run_dry(&mut self) -> Result<Value, RunError> {
        self.start(Some("-dry-run"))?;
        let wanted = self.case.expected["printed"].as_array().map_or(0, Vec::len);
        let stdout = self.placeholders.work.join("stdout-1");
        let printed = |run: &Self| {
            let raw = fs::read(&stdout).unwrap_or_default();
            run.observer().printed(&String::from_utf8_lossy(&raw))
        };
        let has = |run: &mut Self, count: usize| {
            printed(run).len() >= count || Self::is_dead(&mut run.process)
        };
        wait_until(ARRIVAL_LIMIT, || has(self, wanted));
        wait_until(SETTLE, || has(self, wanted + 1));
        self.stop(Signal::TERM);
        Ok(json!({
            "accepted": true,
            "exit_code": self.exit_code,
            "pushes": self.sink.read(|state| state.requests),
            "positions_written": self.placeholders.positions.is_file(),
            "printed": printed(self),
        }))
    }

    fn observer(&self) -> Observer<'_> {
        Observer {
            placeholders: &self.placeholders,
            began: self.began,
            yearless: self.case.spec.yearless,
            hostname_label: self.case.spec.hostname_label.as_deref(),
        }
    }

    fn result(&self) -> Map<String, Value> {
        let (spec, observer) = (&self.case.spec, self.observer());
        self.sink.read(|state| {
            let mut result = Map::new();
            result.insert("accepted".into(), json!(true));
            result.insert("exit_code".into(), self.exit_code.clone());
            result.insert("streams".into(), observer.streams(&state.entries));
            if !spec.record_headers.is_empty() {
                result.insert("headers".into(), observer.headers(&state.headers));
            }
            if spec.check.contains(&Check::Positions) {
                result.insert("positions".into(), observer.positions());
            }
            if spec.check.contains(&Check::Batches) {
                result.insert("batches".into(), json!(state.batches));
            }
            if let Some(requests) = state.kubernetes_requests() {
                result.insert("kube_requests".into(), requests);
            }
            if !state.errors.is_empty() {
                result.insert("sink_errors".into(), json!(state.errors));
            }
            result
        })
    }
}

fn command(case: &Case, shipper: &Path, placeholders: &Placeholders) -> DaemonCommand {
    let spec = &case.spec;
    let mut config = OsString::from("-config.file=");
    config.push(placeholders.work.join("config.yaml"));
    let args = spec.args.iter().map(|arg| placeholders.fill(arg).into());
    let work = placeholders.work.display().to_string();
    let fixed = [
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("HOME", work),
        ("HOSTNAME", "conformance-node".to_owned()),
        ("TZ", "UTC".to_owned()),
    ];
    let own = spec.env.iter().map(|(name, value)| (name.clone(), placeholders.fill(value)));
    DaemonCommand {
        binary: shipper.to_path_buf(),
        args: std::iter::once(config).chain(args).collect(),
        env: fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(own).collect(),
        work_dir: placeholders.work.clone(),
        stdin: spec.stdin.as_ref().map(|name| placeholders.input.join(name)),
    }
}

fn kubernetes(case: &Case, name: &str) -> Result<Kubernetes, RunError> {
    let text = fs::read(case.folder.join(name)).map_err(doing(format!("objects in {name}")))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(objects)) => Ok(Kubernetes::new(objects)),
        _ => Err(RunError::Unusable(format!("{name} is no JSON object"))),
    }
}

/// The exit code, or a text if the process had to be killed.
fn ended(process: &mut DaemonProcess, limit: Duration) -> Value {
    if let Some(status) = process.wait_exit(limit) {
        return json!(exit_code(status));
    }
    process.kill();
    json!("did not stop")
}

fn signal(name: &str) -> Result<Signal, RunError> {
    match name {
        "HUP" => Ok(Signal::HUP),
        "TERM" => Ok(Signal::TERM),
        "KILL" => Ok(Signal::KILL),
        _ => Err(RunError::Unusable(format!("signal {name}: HUP, TERM and KILL are accepted"))),
    }
}
