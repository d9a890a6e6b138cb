//! The command line: our own flags, and those of dcgm-exporter with their environment variables.
//!
//! A flag that was not given changes nothing, so that a flag beats its variable and both beat the
//! default. Nothing here prints or exits.

mod dcgm_exporter;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory as _, FromArgMatches as _, Parser};
use clap_complete::Shell;
use daemon_runtime::exit_status::ExitStatus;
use daemon_runtime::go_flags::parse_bool;
use instrumentation::build_info::REVISION;
use instrumentation::json_log::{Format, Level};

use crate::config::{Attribution, Config, DcgmPage, Naming, Page, Sampling};

/// What the command line asks for.
#[derive(Debug, Clone)]
pub enum Parsed {
    /// To serve, or to print one page.
    Run(Box<Order>),
    /// To print something and end.
    Done {
        /// Help, version, a completion script, or why the flags are refused.
        text: String,
        /// With which code.
        status: ExitStatus,
    },
}

/// What to do, and how to talk about it.
#[derive(Debug, Clone)]
pub struct Order {
    /// What the exporter does.
    pub config: Config,
    /// Prints one page and ends, instead of serving.
    pub once: bool,
    /// Of the log.
    pub log_level: Level,
    /// Of the log.
    pub log_format: Format,
    /// About flags that have no effect here.
    pub warnings: Vec<String>,
}

/// GPU metrics for Prometheus with the pod that holds each GPU, without DCGM.
#[derive(Debug, Clone, Parser)]
#[command(name = "gpu-exporter", disable_version_flag = true, max_term_width = 100)]
struct Flags {
    /// Print the version and end
    #[arg(long)]
    version: bool,

    /// Print a script that completes flags in this shell, and end
    #[arg(long, value_name = "SHELL")]
    completion: Option<Shell>,

    /// Print one page after two readings, and end
    #[arg(long)]
    once: bool,

    /// Address of the pages
    #[arg(
        short = 'a', long = "web.listen-address", visible_alias = "address", value_name = "HOST:PORT",
        env = "DCGM_EXPORTER_LISTEN", default_value = ":9400", value_parser = values::address
    )]
    listen_address: String,

    /// Level of the log: trace, debug, info, warn or error, also by module as in `info,gpu_exporter::sample=debug`
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info")]
    log_level: Level,

    /// Form of the log: json, logfmt or text
    #[arg(
        long = "log.format",
        visible_alias = "log-format",
        value_name = "FORMAT",
        env = "DCGM_EXPORTER_LOG_FORMAT",
        default_value = "json"
    )]
    log_format: Format,

    /// End with an error when there is no GPU or no driver, instead of waiting for them
    #[arg(long)]
    require_gpu: bool,

    #[command(flatten)]
    sampling: SamplingFlags,
    #[command(flatten)]
    page: PageFlags,
    #[command(flatten)]
    attribution: AttributionFlags,
    #[command(flatten)]
    dcgm_exporter: dcgm_exporter::DcgmExporterFlags,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Devices")]
struct SamplingFlags {
    /// NVML's library [default: the usual places, also those of the GPU Operator]
    #[arg(long = "nvml.library-path", visible_alias = "nvml-library", value_name = "PATH")]
    library_path: Option<PathBuf>,

    /// Simulate the GPUs of a scenario, where there are none
    #[arg(long, value_name = "FILE", conflicts_with = "library_path")]
    simulate: Option<PathBuf>,

    /// Time between two readings, 250ms to 1m
    #[arg(
        long = "sample.interval", value_name = "DURATION", default_value = "1s",
        value_parser = values::interval
    )]
    interval: Duration,

    /// Trailing window of averages and maxima, 1s to 1h
    #[arg(
        long = "sample.window", value_name = "DURATION", default_value = "30s",
        value_parser = values::window
    )]
    window: Duration,

    /// Read each link of a GPU by itself: up to 36 series per GPU and metric
    #[arg(long = "sample.nvlinks")]
    per_link: bool,

    /// Read processes; needs hostPID, and their series come and go
    #[arg(long = "sample.processes")]
    processes: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pages")]
struct PageFlags {
    /// Names on /metrics: native, dcgm, dcgm-base-units (of DCGM 4.6), dcgm-1.x, nvidia-smi (of its query fields)
    #[arg(
        long, value_name = "NAMING", value_delimiter = ',', default_value = "native,dcgm",
        value_parser = values::naming
    )]
    naming: Vec<Naming>,

    /// Put namespace, pod and container on every native series
    #[arg(long)]
    inline_pod_labels: bool,

    /// Also what is of use to few: 25 native series more per GPU
    #[arg(long = "native.detail")]
    native_detail: bool,

    /// Counters under DCGM's names: a CSV file in dcgm-exporter's format [default: its default file]
    #[arg(
        short = 'f',
        long = "dcgm.counters-file",
        visible_alias = "collectors",
        value_name = "FILE",
        env = "DCGM_EXPORTER_COLLECTORS"
    )]
    counters_file: Option<PathBuf>,

    /// Name of the label with the node's name under DCGM's names; dcgm-exporter from 4.6 on writes hostname
    #[arg(
        long = "dcgm.hostname-label", value_name = "LABEL", default_value = "Hostname",
        value_parser = values::label_name
    )]
    hostname_label: String,

    /// Show a GPU with MIG besides its instances under DCGM's names; sums then count twice
    #[arg(long = "dcgm.mig-parents")]
    mig_parents: bool,
}

#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Pods")]
struct AttributionFlags {
    /// The kubelet's socket
    #[arg(
        long = "kubelet.pod-resources-socket",
        visible_alias = "pod-resources-kubelet-socket",
        value_name = "PATH",
        env = "DCGM_POD_RESOURCES_KUBELET_SOCKET",
        default_value = "/var/lib/kubelet/pod-resources/kubelet.sock"
    )]
    pod_resources_socket: PathBuf,

    /// Time between two questions to the kubelet, 1s to 10m
    #[arg(
        long = "kubelet.interval", value_name = "DURATION", default_value = "10s",
        value_parser = values::kubelet_interval
    )]
    kubelet_interval: Duration,
}

/// Reads a command line, program name first. `hostname` is the host's own name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>, hostname: &str) -> Parsed {
    let mut command = command();
    let flags = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Flags::from_arg_matches(&matches));
    let flags = match flags {
        Ok(flags) => flags,
        Err(error) => {
            let is_help = error.kind() == ErrorKind::DisplayHelp;
            let status = if is_help { ExitStatus::Stopped } else { ExitStatus::BadFlags };
            return Parsed::Done { text: error.render().to_string(), status };
        }
    };
    if flags.version {
        let text = format!(
            "gpu-exporter, version {} (revision: {REVISION})\n  in place of:  dcgm-exporter 4.5\n",
            env!("CARGO_PKG_VERSION")
        );
        return Parsed::Done { text, status: ExitStatus::Stopped };
    }
    if let Some(shell) = flags.completion {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "gpu-exporter", &mut script);
        let text = String::from_utf8_lossy(&script).into_owned();
        return Parsed::Done { text, status: ExitStatus::Stopped };
    }
    match flags.order(hostname) {
        Ok(order) => Parsed::Run(Box::new(order)),
        Err(problem) => Parsed::Done {
            text: format!("error: {problem}\n\nFor more information, try '--help'.\n"),
            status: ExitStatus::BadFlags,
        },
    }
}

fn command() -> Command {
    Flags::command().mut_args(|flag| {
        if matches!(flag.get_action(), ArgAction::SetTrue) { switch(flag) } else { flag }
    })
}

/// Stands alone or has a value behind `=`; as a variable it takes what Go takes.
fn switch(flag: Arg) -> Arg {
    flag.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .hide_default_value(true)
        .value_name("BOOL")
        .value_parser(parse_bool)
}

impl Flags {
    fn order(self, hostname: &str) -> Result<Order, dcgm_exporter::RefusedFlag> {
        let mut order = Order {
            config: Config {
                listen_address: self.listen_address,
                sampling: Sampling {
                    library_path: self.sampling.library_path,
                    simulate: self.sampling.simulate,
                    interval: self.sampling.interval,
                    window: self.sampling.window,
                    per_link: self.sampling.per_link,
                    processes: self.sampling.processes,
                    ..Sampling::default()
                },
                attribution: Attribution {
                    pod_resources_socket: self.attribution.pod_resources_socket,
                    interval: self.attribution.kubelet_interval,
                    ..Attribution::default()
                },
                page: Page {
                    naming: self.page.naming,
                    inline_pod_labels: self.page.inline_pod_labels,
                    native_detail: self.page.native_detail,
                    pod_uid: false,
                    dcgm: DcgmPage {
                        counters_file: self.page.counters_file,
                        hostname_label: self.page.hostname_label,
                        hostname: hostname.to_owned(),
                        mig_parents: self.page.mig_parents,
                        ..DcgmPage::default()
                    },
                },
                require_gpu: self.require_gpu,
            },
            once: self.once,
            log_level: self.log_level,
            log_format: self.log_format,
            warnings: Vec::new(),
        };
        self.dcgm_exporter.apply(&mut order)?;
        Ok(order)
    }
}
