//! What a device is: it does not change until NVML is opened again or MIG is configured anew.

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// `GPU-...`; the key by which everything about the GPU is kept.
    pub uuid: String,
    /// NVML's index. Not stable: it moves when a GPU before it disappears.
    pub index: u32,
    /// The number in `/dev/nvidiaN`.
    pub minor: Option<u32>,
    /// The product, for example `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// `00000000:17:00.0`.
    pub pci_bus_id: String,
    /// `Tesla`, `GeForce`, ... as NVML's names of brands.
    pub brand: Option<String>,
    /// `ampere`, `ada`, `hopper`, `blackwell`, ...
    pub architecture: Option<String>,
    /// `9.0`.
    pub compute_capability: Option<String>,
    /// Of the board.
    pub serial: Option<String>,
    /// Of the board's firmware.
    pub vbios_version: Option<String>,
    /// Image version of the info ROM.
    pub inforom_image_version: Option<String>,
    /// Version of the info ROM's OEM object.
    pub inforom_oem_version: Option<String>,
    /// Version of the info ROM's ECC object.
    pub inforom_ecc_version: Option<String>,
    /// Version of the info ROM's power object.
    pub inforom_power_version: Option<String>,
    /// Whether MIG is on now. Then utilization is known of instances only.
    pub is_mig: bool,
}

/// A MIG instance: a compute instance of a GPU instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigIdentity {
    /// `MIG-...`.
    pub uuid: String,
    /// GPU instance id; used again after a change of the configuration.
    pub gpu_instance: u32,
    /// Compute instance id.
    pub compute_instance: u32,
    /// `1g.10gb`.
    pub profile: String,
}

/// The driver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverVersions {
    /// `580.95.05`.
    pub driver: String,
    /// `13.580.95.05`.
    pub nvml: String,
    /// `13.0`.
    pub cuda: String,
}
