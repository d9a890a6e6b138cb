//! Figures of known products, from their data sheets; idle power and clocks are typical ones.

/// A product.
#[derive(Debug, PartialEq)]
pub struct Profile {
    /// As scenarios name it.
    pub key: &'static str,
    /// As NVML names it.
    pub name: &'static str,
    /// NVML's number: 6 Turing, 7 Ampere, 8 Ada, 9 Hopper, 10 Blackwell.
    pub architecture: u32,
    /// Compute capability.
    pub capability: (i32, i32),
    /// NVML's number of the brand.
    pub brand: u32,
    /// PCI device and vendor id.
    pub pci_id: u32,
    /// Bytes.
    pub memory: u64,
    /// Watts without load.
    pub idle_watts: f64,
    /// Watts, by default and at most.
    pub limit_watts: f64,
    /// Watts, at least.
    pub min_limit_watts: f64,
    /// Megahertz without load.
    pub idle_mhz: f64,
    /// Megahertz at most of SMs and graphics.
    pub sm_mhz: f64,
    /// Megahertz of memory.
    pub memory_mhz: f64,
    /// Megahertz of the video engines.
    pub video_mhz: f64,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Generation of `PCIe`.
    pub pcie_generation: u32,
    /// `NVLink`s.
    pub links: u32,
    /// Bytes per second of one link in one direction.
    pub link_rate: f64,
    /// Fans that the driver knows.
    pub fans: u32,
    /// Celsius: shutdown, slowdown, limit of memory, limit of the GPU.
    pub limits_celsius: [f64; 4],
    /// MIG profiles; empty: no MIG.
    pub mig_profiles: &'static [&'static str],
}

impl Profile {
    /// By the name in a scenario.
    pub fn by_key(key: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.key == key)
    }

    /// Hopper or later: has activity (GPM).
    pub fn has_gpm(&self) -> bool {
        self.architecture >= 9
    }

    /// Ampere or later: remaps rows where earlier ones retire pages.
    pub fn has_row_remapping(&self) -> bool {
        self.architecture >= 7
    }

    /// Has memory of its own temperature.
    pub fn has_memory_temperature(&self) -> bool {
        self.links > 0
    }
}

const GIB: u64 = 1 << 30;

/// All of them.
pub const PROFILES: &[Profile] = &[
    Profile {
        key: "a100",
        name: "NVIDIA A100-SXM4-80GB",
        architecture: 7,
        capability: (8, 0),
        brand: 14,
        pci_id: 0x20B2_10DE,
        memory: 80 * GIB,
        idle_watts: 60.0,
        limit_watts: 400.0,
        min_limit_watts: 100.0,
        idle_mhz: 210.0,
        sm_mhz: 1410.0,
        memory_mhz: 1593.0,
        video_mhz: 1290.0,
        multiprocessors: 108,
        pcie_generation: 4,
        links: 12,
        link_rate: 25e9,
        fans: 0,
        limits_celsius: [92.0, 89.0, 95.0, 85.0],
        mig_profiles: &["1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"],
    },
    Profile {
        key: "h100",
        name: "NVIDIA H100 80GB HBM3",
        architecture: 9,
        capability: (9, 0),
        brand: 14,
        pci_id: 0x2330_10DE,
        memory: 80 * GIB,
        idle_watts: 70.0,
        limit_watts: 700.0,
        min_limit_watts: 200.0,
        idle_mhz: 345.0,
        sm_mhz: 1980.0,
        memory_mhz: 2619.0,
        video_mhz: 1545.0,
        multiprocessors: 132,
        pcie_generation: 5,
        links: 18,
        link_rate: 25e9,
        fans: 0,
        limits_celsius: [92.0, 89.0, 95.0, 87.0],
        mig_profiles: &["1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"],
    },
    Profile {
        key: "h200",
        name: "NVIDIA H200",
        architecture: 9,
        capability: (9, 0),
        brand: 14,
        pci_id: 0x2335_10DE,
        memory: 141 * GIB,
        idle_watts: 75.0,
        limit_watts: 700.0,
        min_limit_watts: 200.0,
        idle_mhz: 345.0,
        sm_mhz: 1980.0,
        memory_mhz: 3201.0,
        video_mhz: 1545.0,
        multiprocessors: 132,
        pcie_generation: 5,
        links: 18,
        link_rate: 25e9,
        fans: 0,
        limits_celsius: [92.0, 89.0, 95.0, 87.0],
        mig_profiles: &["1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"],
    },
    Profile {
        key: "b200",
        name: "NVIDIA B200",
        architecture: 10,
        capability: (10, 0),
        brand: 14,
        pci_id: 0x2901_10DE,
        memory: 180 * GIB,
        idle_watts: 140.0,
        limit_watts: 1000.0,
        min_limit_watts: 200.0,
        idle_mhz: 120.0,
        sm_mhz: 1965.0,
        memory_mhz: 3996.0,
        video_mhz: 1545.0,
        multiprocessors: 148,
        pcie_generation: 5,
        links: 18,
        link_rate: 50e9,
        fans: 0,
        limits_celsius: [95.0, 92.0, 95.0, 89.0],
        mig_profiles: &["1g.23gb", "1g.45gb", "2g.45gb", "3g.90gb", "4g.90gb", "7g.180gb"],
    },
    Profile {
        key: "l40s",
        name: "NVIDIA L40S",
        architecture: 8,
        capability: (8, 9),
        brand: 14,
        pci_id: 0x26B9_10DE,
        memory: 48 * GIB,
        idle_watts: 35.0,
        limit_watts: 350.0,
        min_limit_watts: 100.0,
        idle_mhz: 210.0,
        sm_mhz: 2520.0,
        memory_mhz: 9001.0,
        video_mhz: 1965.0,
        multiprocessors: 142,
        pcie_generation: 4,
        links: 0,
        link_rate: 0.0,
        fans: 1,
        limits_celsius: [98.0, 95.0, 0.0, 88.0],
        mig_profiles: &[],
    },
    Profile {
        key: "t4",
        name: "Tesla T4",
        architecture: 6,
        capability: (7, 5),
        brand: 14,
        pci_id: 0x1EB8_10DE,
        memory: 16 * GIB,
        idle_watts: 10.0,
        limit_watts: 70.0,
        min_limit_watts: 60.0,
        idle_mhz: 300.0,
        sm_mhz: 1590.0,
        memory_mhz: 5001.0,
        video_mhz: 1470.0,
        multiprocessors: 40,
        pcie_generation: 3,
        links: 0,
        link_rate: 0.0,
        fans: 0,
        limits_celsius: [96.0, 93.0, 0.0, 85.0],
        mig_profiles: &[],
    },
];
