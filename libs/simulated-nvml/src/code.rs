//! Why a call has no answer: NVML's return codes by number, since a driver may return any.

use std::ffi::CStr;

/// A return code that is not success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// NVML has not been opened.
    pub const UNINITIALIZED: Self = Self(1);
    /// An argument makes no sense, or a handle is of nothing.
    pub const INVALID_ARGUMENT: Self = Self(2);
    /// This device has no such thing.
    pub const NOT_SUPPORTED: Self = Self(3);
    /// There is nothing of that name, or nothing new.
    pub const NOT_FOUND: Self = Self(6);
    /// The buffer is too small.
    pub const INSUFFICIENT_SIZE: Self = Self(7);
    /// Nothing happened in time.
    pub const TIMEOUT: Self = Self(10);
    /// The library lacks the function.
    pub const FUNCTION_NOT_FOUND: Self = Self(13);
    /// The GPU fell off the bus.
    pub const GPU_IS_LOST: Self = Self(15);
    /// The GPU has to be reset.
    pub const RESET_REQUIRED: Self = Self(16);
    /// A structure is of another version.
    pub const ARGUMENT_VERSION_MISMATCH: Self = Self(25);
    /// Nobody knows.
    pub const UNKNOWN: Self = Self(999);
}

/// What NVML's `nvmlErrorString` says about a code, in our words.
pub fn text(code: u32) -> &'static CStr {
    match code {
        0 => c"Success",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        4 => c"Insufficient Permissions",
        5 => c"Already Initialized",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        8 => c"Insufficient External Power",
        9 => c"Driver Not Loaded",
        10 => c"Timeout",
        11 => c"Interrupt Request Issue",
        12 => c"NVML Shared Library Not Found",
        13 => c"Function Not Found",
        14 => c"Corrupted infoROM",
        15 => c"GPU is lost",
        16 => c"GPU requires reset",
        17 => c"GPU access blocked by the operating system",
        18 => c"Driver/library version mismatch",
        19 => c"In use by another client",
        20 => c"Insufficient Memory",
        21 => c"No data",
        25 => c"Argument version mismatch",
        26 => c"Deprecated",
        27 => c"Not Ready",
        28 => c"GPU not found",
        _ => c"Unknown Error",
    }
}
