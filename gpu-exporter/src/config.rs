//! What the exporter was told to do. Made by [`crate::cli`], read by everything else.

use std::path::PathBuf;
use std::time::Duration;

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `host:port`. Default `:9400`, that of dcgm-exporter.
    pub listen_address: String,
    /// Where devices come from, and how often they are read.
    pub sampling: Sampling,
    /// How pods are found.
    pub attribution: Attribution,
    /// What `/metrics` shows.
    pub page: Page,
    /// Ends with an error when there is no GPU or no driver. Default false: waits for them.
    pub require_gpu: bool,
}

/// Where devices come from, and how often they are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// NVML's library. Default: the usual places.
    pub library_path: Option<PathBuf>,
    /// A scenario that takes the place of the library.
    pub simulate: Option<PathBuf>,
    /// Between two readings. Default 1 s; 250 ms to 60 s.
    pub interval: Duration,
    /// The trailing window of averages and maxima. Default 30 s; 1 s to 1 h.
    pub window: Duration,
    /// Window of DCGM's counter of Xids. Default 5 m.
    pub xid_window: Duration,
    /// Window of DCGM's counter of clock events. Default 5 m.
    pub clock_event_window: Duration,
    /// Only these GPUs, by index or UUID. Empty: all.
    pub devices: Vec<String>,
    /// Reads each `NVLink` by itself. Default false: up to 36 series per GPU and metric.
    pub per_link: bool,
    /// Reads processes. Default false: their numbers change, and need `hostPID`.
    pub processes: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            library_path: None,
            simulate: None,
            interval: Duration::from_secs(1),
            window: Duration::from_secs(30),
            xid_window: Duration::from_mins(5),
            clock_event_window: Duration::from_mins(5),
            devices: Vec::new(),
            per_link: false,
            processes: false,
        }
    }
}

/// How pods are found.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// Whether the kubelet is asked. Default true.
    pub is_enabled: bool,
    /// Whether a socket that is missing is worth an error in the log. Default false: the exporter
    /// may run outside Kubernetes.
    pub is_required: bool,
    /// The kubelet's socket. Default `/var/lib/kubelet/pod-resources/kubelet.sock`.
    pub pod_resources_socket: PathBuf,
    /// Sockets of the kubelet's Pods API, for UIDs and labels of pods; the first that exists is used.
    pub pods_sockets: Vec<PathBuf>,
    /// Between two questions. Default 10 s.
    pub interval: Duration,
    /// Resources besides `nvidia.com/gpu` and `nvidia.com/mig-*`. Any other resource counts as well
    /// when its ids are those of known GPUs.
    pub resource_names: Vec<String>,
    /// Labels of pods that are shown: regular expressions over their names. Empty: none.
    pub pod_labels: Vec<String>,
    /// Virtual GPUs (`vgpu`) are told apart. Default false.
    pub virtual_gpus: bool,
    /// Directory of files that map GPUs to jobs of a batch system.
    pub hpc_job_mapping_dir: Option<PathBuf>,
}

impl Default for Attribution {
    fn default() -> Self {
        Self {
            is_enabled: true,
            is_required: false,
            pod_resources_socket: "/var/lib/kubelet/pod-resources/kubelet.sock".into(),
            pods_sockets: vec![
                "/var/lib/kubelet/pods-api/pods-api.sock".into(),
                "/var/lib/kubelet/pods/kubelet.sock".into(),
            ],
            interval: Duration::from_secs(10),
            resource_names: Vec::new(),
            pod_labels: Vec::new(),
            virtual_gpus: false,
            hpc_job_mapping_dir: None,
        }
    }
}

/// A family of metric names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Naming {
    /// `gpu_*` in base units, and the two names that dashboards of old use.
    Native,
    /// `DCGM_FI_*` as dcgm-exporter 4.5 writes them.
    Dcgm,
    /// The names that DCGM 4.6 has for the same fields, most of them with a base unit.
    DcgmBaseUnits,
    /// `dcgm_*` with the labels of dcgm-exporter 1.x.
    DcgmVersion1,
    /// `nvidia_smi_*` as `nvidia_gpu_exporter` writes them.
    NvidiaSmi,
}

impl Naming {
    /// All of them, by the words for them.
    pub const ALL: [(&str, Self); 5] = [
        ("native", Self::Native),
        ("dcgm", Self::Dcgm),
        ("dcgm-base-units", Self::DcgmBaseUnits),
        ("dcgm-1.x", Self::DcgmVersion1),
        ("nvidia-smi", Self::NvidiaSmi),
    ];

    /// The words, for people.
    pub const ACCEPTED: &str = "native, dcgm, dcgm-base-units, dcgm-1.x or nvidia-smi";

    /// The one that a word stands for.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(own, _)| *own == word).map(|(_, naming)| *naming)
    }
}

/// What `/metrics` shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Default: native names and those of DCGM.
    pub naming: Vec<Naming>,
    /// Puts namespace, pod and container on every native series. Default false.
    pub inline_pod_labels: bool,
    /// Whether native pages have the readings that are of use to few. Default false.
    pub native_detail: bool,
    /// Shows the UID of pods on every series that names a pod; `gpu_pod_info` always has it.
    /// Default false.
    pub pod_uid: bool,
    /// DCGM's names.
    pub dcgm: DcgmPage,
}

/// What DCGM's names look like.
#[derive(Debug, Clone, PartialEq)]
pub struct DcgmPage {
    /// File of counters, in dcgm-exporter's format. Default: its default file, built in.
    pub counters_file: Option<PathBuf>,
    /// Name of the label with the node's name. Default `Hostname`; empty: none.
    pub hostname_label: String,
    /// The node's name: `NODE_NAME`, else the host's.
    pub hostname: String,
    /// Names of the labels of dcgm-exporter 1.x (`uuid`, `pod_name`, ...). Default false.
    pub old_labels: bool,
    /// Blanks in the name of the product become `-`. Default false.
    pub replace_blanks: bool,
    /// Shows a GPU with MIG besides its instances. Default false: sums would count twice.
    pub mig_parents: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            naming: vec![Naming::Native, Naming::Dcgm],
            inline_pod_labels: false,
            native_detail: false,
            pod_uid: false,
            dcgm: DcgmPage::default(),
        }
    }
}

impl Default for DcgmPage {
    fn default() -> Self {
        Self {
            counters_file: None,
            hostname_label: "Hostname".to_owned(),
            hostname: String::new(),
            old_labels: false,
            replace_blanks: false,
            mig_parents: false,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen_address: ":9400".to_owned(),
            sampling: Sampling::default(),
            attribution: Attribution::default(),
            page: Page::default(),
            require_gpu: false,
        }
    }
}
