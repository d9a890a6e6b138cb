//! What NVML answers when it does not do what it was asked.
//!
//! Every number has a place here, known or not: a newer driver may answer with a new one.

use std::fmt;

macro_rules! return_codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// A return code of NVML other than success.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ReturnCode {
            $($(#[$doc])* $variant,)*
            /// A number that had no meaning when this was written.
            Other(u32),
        }

        impl ReturnCode {
            /// The code of a number. 0 is success and so no code of this kind, but is not refused.
            pub fn from_number(number: u32) -> Self {
                match number { $($number => Self::$variant,)* other => Self::Other(other) }
            }

            /// NVML's number.
            pub fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)* Self::Other(number) => number }
            }

            /// The value of the label `code`. All numbers without a meaning share one, so that a
            /// driver cannot make series without end.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Other(_) => "other" }
            }

            #[cfg(test)]
            const KNOWN: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

return_codes! {
    /// NVML was not initialised, or has been shut down.
    Uninitialized = 1, "uninitialized";
    /// Of a handle: the device is gone.
    InvalidArgument = 2, "invalid_argument";
    /// Not on this device.
    NotSupported = 3, "not_supported";
    /// Not for this user.
    NoPermission = 4, "no_permission";
    /// Initialised before.
    AlreadyInitialized = 5, "already_initialized";
    /// No such thing; of samples: none newer.
    NotFound = 6, "not_found";
    /// The buffer is too small; the size needed has been written.
    InsufficientSize = 7, "insufficient_size";
    /// A power cable is missing.
    InsufficientPower = 8, "insufficient_power";
    /// The kernel module is not loaded.
    DriverNotLoaded = 9, "driver_not_loaded";
    /// Not in time; of events: none came.
    Timeout = 10, "timeout";
    /// The kernel has trouble with the GPU's interrupts.
    IrqIssue = 11, "irq_issue";
    /// The library, or one that it needs, was not found.
    LibraryNotFound = 12, "library_not_found";
    /// The library is older than the function.
    FunctionNotFound = 13, "function_not_found";
    /// The info ROM is damaged.
    CorruptedInforom = 14, "corrupted_inforom";
    /// The GPU is off the bus.
    GpuIsLost = 15, "gpu_is_lost";
    /// The GPU has to be reset.
    ResetRequired = 16, "reset_required";
    /// The operating system or its device cgroup refused.
    OperatingSystem = 17, "operating_system";
    /// Library and kernel module are of different versions.
    LibRmVersionMismatch = 18, "lib_rm_version_mismatch";
    /// Somebody uses it.
    InUse = 19, "in_use";
    /// No memory.
    Memory = 20, "memory";
    /// No data.
    NoData = 21, "no_data";
    /// ECC of a virtual GPU.
    VgpuEccNotSupported = 22, "vgpu_ecc_not_supported";
    /// Something other than memory ran out.
    InsufficientResources = 23, "insufficient_resources";
    /// A clock frequency that the board does not have.
    FreqNotSupported = 24, "freq_not_supported";
    /// The version written in an argument is unknown to the library.
    ArgumentVersionMismatch = 25, "argument_version_mismatch";
    /// The function does nothing any more.
    Deprecated = 26, "deprecated";
    /// Not yet.
    NotReady = 27, "not_ready";
    /// No such GPU.
    GpuNotFound = 28, "gpu_not_found";
    /// Not in this state.
    InvalidState = 29, "invalid_state";
    /// This way to reset is not supported.
    ResetTypeNotSupported = 30, "reset_type_not_supported";
    /// NVML does not know either; at initialisation often a revoked device cgroup.
    Unknown = 999, "unknown";
}

impl ReturnCode {
    /// Asking again soon gives the same answer: it depends on device, driver and user.
    pub fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::NotSupported
                | Self::NoPermission
                | Self::FunctionNotFound
                | Self::ArgumentVersionMismatch
                | Self::Deprecated
                | Self::VgpuEccNotSupported
        )
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.name(), self.number())
    }
}

/// A call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{function} answered {code}")]
pub struct NvmlError {
    /// The function, as the library exports it.
    pub function: &'static str,
    /// Its answer. [`ReturnCode::FunctionNotFound`] as well when the library lacks the function.
    pub code: ReturnCode,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_keeps_its_value_and_known_ones_have_a_name_of_their_own() {
        for number in 0..2_000 {
            assert_eq!(ReturnCode::from_number(number).number(), number);
        }
        let names: HashSet<_> = ReturnCode::KNOWN.iter().map(|code| code.name()).collect();
        assert_eq!(ReturnCode::KNOWN.len(), 31);
        assert_eq!(names.len(), 31, "no two codes share a label");
        assert_eq!(ReturnCode::from_number(15), ReturnCode::GpuIsLost);
        assert_eq!(ReturnCode::from_number(28).name(), "gpu_not_found");
        assert_eq!(ReturnCode::from_number(31).name(), "other");
    }

    #[test]
    fn an_error_names_the_function_and_both_forms_of_the_code() {
        let error =
            NvmlError { function: "nvmlDeviceGetPowerUsage", code: ReturnCode::from_number(16) };
        assert_eq!(error.to_string(), "nvmlDeviceGetPowerUsage answered reset_required (16)");
    }
}
