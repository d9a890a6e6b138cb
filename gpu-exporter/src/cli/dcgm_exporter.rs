//! Flags that only dcgm-exporter has, so that its manifests work with another image.

use std::path::PathBuf;
use std::time::Duration;

use daemon_runtime::go_flags::parse_bool;

use super::{Order, values};

/// A flag of dcgm-exporter that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--{flag} is not supported: {instead}")]
pub(super) struct RefusedFlag {
    flag: &'static str,
    instead: &'static str,
}

/// Of `-k`: dcgm-exporter asks only when it is told to, we do unless we are told not to.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "As in dcgm-exporter")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct DcgmExporterFlags {
    /// Ask the kubelet which pod holds each GPU [default: when its socket exists]
    #[arg(
        short = 'k', long, env = "DCGM_EXPORTER_KUBERNETES", value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_missing_value = "true", value_parser = parse_bool
    )]
    kubernetes: Option<bool>,

    /// Milliseconds between readings; only values below 1000 have an effect, because pages always show the last second
    #[arg(
        short = 'c', long, value_name = "MS", env = "DCGM_EXPORTER_INTERVAL",
        value_parser = values::milliseconds
    )]
    collect_interval: Option<Duration>,

    /// Labels named as in dcgm-exporter 1.x (`uuid`, `pod_name`, `pod_namespace`, `container_name`)
    #[arg(short = 'o', long, env = "DCGM_EXPORTER_USE_OLD_NAMESPACE")]
    use_old_namespace: bool,

    /// Which devices: f (all), g or g:0,1 (GPUs, also with MIG on), i (MIG instances)
    #[arg(
        short = 'd', long, value_name = "DEVICES", env = "DCGM_EXPORTER_DEVICES_STR",
        value_parser = values::devices
    )]
    devices: Option<values::Devices>,

    /// Leave out the label with the node's name
    #[arg(short = 'n', long, env = "DCGM_EXPORTER_NO_HOSTNAME")]
    no_hostname: bool,

    /// Write blanks in the name of the product as -
    #[arg(long, env = "DCGM_EXPORTER_REPLACE_BLANKS_IN_MODEL_NAME")]
    replace_blanks_in_model_name: bool,

    /// Milliseconds that the counter of Xids under DCGM's names looks back
    #[arg(
        short = 'x', long, value_name = "MS", env = "DCGM_EXPORTER_XID_COUNT_WINDOW_SIZE",
        default_value = "300000", value_parser = values::milliseconds
    )]
    xid_count_window_size: Duration,

    /// Milliseconds that the counter of clock events under DCGM's names looks back
    #[arg(
        long, value_name = "MS", env = "DCGM_EXPORTER_CLOCK_EVENTS_COUNT_WINDOW_SIZE",
        default_value = "300000", value_parser = values::milliseconds
    )]
    clock_events_count_window_size: Duration,

    /// Show labels of pods, as far as the kubelet's Pods API tells them
    #[arg(long, env = "DCGM_EXPORTER_KUBERNETES_ENABLE_POD_LABELS")]
    kubernetes_enable_pod_labels: bool,

    /// Regular expressions of the labels of pods that are shown [default: all]
    #[arg(
        long,
        value_name = "REGEX",
        value_delimiter = ',',
        env = "DCGM_EXPORTER_KUBERNETES_POD_LABEL_ALLOWLIST_REGEX"
    )]
    kubernetes_pod_label_allowlist_regex: Vec<String>,

    /// Show the UID of pods, as far as the kubelet's Pods API tells it
    #[arg(long, env = "DCGM_EXPORTER_KUBERNETES_ENABLE_POD_UID")]
    kubernetes_enable_pod_uid: bool,

    /// Resources of GPUs besides nvidia.com/gpu and nvidia.com/mig-*
    #[arg(long, value_name = "NAMES", value_delimiter = ',', env = "NVIDIA_RESOURCE_NAMES")]
    nvidia_resource_names: Vec<String>,

    /// Tell replicas of a shared GPU apart by the label vgpu
    #[arg(long, env = "KUBERNETES_VIRTUAL_GPUS")]
    kubernetes_virtual_gpus: bool,

    /// Directory of files that name the batch job of each GPU
    #[arg(long, value_name = "DIR", env = "DCGM_HPC_JOB_MAPPING_DIR")]
    hpc_job_mapping_dir: Option<PathBuf>,

    /// Log at level debug
    #[arg(long, env = "DCGM_EXPORTER_DEBUG")]
    debug: bool,

    #[command(flatten)]
    without_effect: WithoutEffect,
    #[command(flatten)]
    refused: Refused,
}

/// Accepted, because manifests have them.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
struct WithoutEffect {
    #[arg(long, hide = true, value_name = "TYPE", env = "DCGM_EXPORTER_KUBERNETES_GPU_ID_TYPE")]
    kubernetes_gpu_id_type: Option<String>,
    #[arg(long, hide = true, env = "KUBERNETES_ENABLE_DRA")]
    kubernetes_enable_dra: bool,
    #[arg(long, hide = true, env = "DCGM_EXPORTER_ENABLE_GPU_BIND_UNBIND_WATCH")]
    enable_gpu_bind_unbind_watch: bool,
    #[arg(long, hide = true, value_name = "MS")]
    gpu_bind_unbind_poll_interval: Option<String>,
    #[arg(short = 's', long, hide = true, value_name = "X", env = "DCGM_EXPORTER_SWITCH_DEVICES")]
    switch_devices: Option<String>,
    #[arg(short = 'p', long, hide = true, value_name = "X", env = "DCGM_EXPORTER_CPU_DEVICES_STR")]
    cpu_devices: Option<String>,
    #[arg(short = 'r', long, hide = true, value_name = "X", env = "DCGM_REMOTE_HOSTENGINE_INFO")]
    remote_hostengine_info: Option<String>,
    #[arg(long, hide = true)]
    fake_gpus: bool,
    #[arg(long, hide = true)]
    enable_dcgm_log: bool,
    #[arg(long, hide = true, value_name = "LEVEL")]
    dcgm_log_level: Option<String>,
    #[arg(long, hide = true)]
    dump_enabled: bool,
    #[arg(long, hide = true, value_name = "DIR")]
    dump_directory: Option<String>,
    #[arg(long, hide = true, value_name = "HOURS")]
    dump_retention: Option<String>,
    #[arg(long, hide = true)]
    dump_compression: bool,
    #[arg(long, hide = true)]
    enable_pprof: bool,
    #[arg(long, hide = true)]
    disable_startup_validate: bool,
}

/// What would be silently wrong if it were ignored.
#[derive(Debug, Clone, clap::Args)]
struct Refused {
    #[arg(
        short = 'm',
        long,
        hide = true,
        value_name = "NS:NAME",
        env = "DCGM_EXPORTER_CONFIGMAP_DATA"
    )]
    configmap_data: Option<String>,
    #[arg(long, hide = true, value_name = "FILE", env = "DCGM_EXPORTER_WEB_CONFIG_FILE")]
    web_config_file: Option<String>,
}

impl DcgmExporterFlags {
    pub(super) fn apply(self, order: &mut Order) -> Result<(), RefusedFlag> {
        self.refused.check()?;
        order.warnings.extend(self.without_effect.warnings());
        let config = &mut order.config;
        match self.collect_interval {
            Some(interval) if interval < config.sampling.interval => {
                config.sampling.interval = interval.max(Duration::from_millis(250));
            }
            Some(interval) if interval > Duration::from_secs(1) => order.warnings.push(format!(
                "--collect-interval of {} ms has no effect: GPUs are read every {:?}, and pages show \
                 the last reading",
                interval.as_millis(),
                config.sampling.interval
            )),
            _ => {}
        }
        config.sampling.xid_window = self.xid_count_window_size;
        config.sampling.clock_event_window = self.clock_events_count_window_size;
        if let Some(devices) = self.devices {
            config.sampling.devices = devices.indices;
            config.page.dcgm.mig_parents |= devices.parents;
        }
        let attribution = &mut config.attribution;
        attribution.is_enabled = self.kubernetes.unwrap_or(true);
        attribution.is_required = self.kubernetes == Some(true);
        attribution.resource_names = self.nvidia_resource_names;
        attribution.virtual_gpus = self.kubernetes_virtual_gpus;
        attribution.hpc_job_mapping_dir = self.hpc_job_mapping_dir;
        if self.kubernetes_enable_pod_labels {
            attribution.pod_labels = self.kubernetes_pod_label_allowlist_regex;
            if attribution.pod_labels.is_empty() {
                attribution.pod_labels.push(".*".to_owned());
            }
        }
        config.page.pod_uid = self.kubernetes_enable_pod_uid;
        let dcgm = &mut config.page.dcgm;
        dcgm.old_labels = self.use_old_namespace;
        dcgm.replace_blanks = self.replace_blanks_in_model_name;
        if self.no_hostname {
            dcgm.hostname_label.clear();
        }
        if self.debug {
            order.log_level = "debug".parse().unwrap_or_default();
        }
        Ok(())
    }
}

impl WithoutEffect {
    fn warnings(&self) -> impl Iterator<Item = String> {
        let no_engine = "there is no DCGM";
        let given = [
            (
                "kubernetes-gpu-id-type",
                self.kubernetes_gpu_id_type.is_some(),
                "ids of all kinds are read",
            ),
            ("kubernetes-enable-dra", self.kubernetes_enable_dra, "claims are always read"),
            (
                "enable-gpu-bind-unbind-watch",
                self.enable_gpu_bind_unbind_watch || self.gpu_bind_unbind_poll_interval.is_some(),
                "GPUs that come and go are always seen",
            ),
            ("switch-devices", self.switch_devices.is_some(), "NVML does not know switches"),
            ("cpu-devices", self.cpu_devices.is_some(), "NVML does not know CPUs"),
            ("remote-hostengine-info", self.remote_hostengine_info.is_some(), no_engine),
            ("fake-gpus", self.fake_gpus, "see --simulate"),
            ("enable-dcgm-log", self.enable_dcgm_log || self.dcgm_log_level.is_some(), no_engine),
            (
                "dump-enabled",
                self.dump_enabled
                    || self.dump_compression
                    || self.dump_directory.is_some()
                    || self.dump_retention.is_some(),
                "--once prints what would be served",
            ),
            ("enable-pprof", self.enable_pprof, "it is a profiler of Go"),
            ("disable-startup-validate", self.disable_startup_validate, "nothing is validated"),
        ];
        given
            .into_iter()
            .filter(|(_, is_given, _)| *is_given)
            .map(|(flag, _, why)| format!("--{flag} has no effect: {why}"))
    }
}

impl Refused {
    fn check(&self) -> Result<(), RefusedFlag> {
        if self.configmap_data.as_ref().is_some_and(|value| !value.is_empty() && value != "none") {
            return Err(RefusedFlag {
                flag: "configmap-data",
                instead: "mount the ConfigMap and name the file with --dcgm.counters-file, which is \
                          read again when it changes",
            });
        }
        if self.web_config_file.as_ref().is_some_and(|value| !value.is_empty()) {
            return Err(RefusedFlag {
                flag: "web-config-file",
                instead: "pages are served as plain HTTP; put a proxy with TLS or authentication \
                          before them, and listen on 127.0.0.1",
            });
        }
        Ok(())
    }
}
