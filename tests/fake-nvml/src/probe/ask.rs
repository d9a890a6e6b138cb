//! One call: through the table, with its code and value in the report.

use std::ffi::{CStr, c_char};

/// Code for a symbol that the library lacks.
pub(super) const ABSENT: u32 = 13;

/// `ask!(report, "of what", table.function(arguments) => shown value)`; the result is the code.
macro_rules! ask {
    ($report:ident, $of:expr, $table:ident.$name:ident($($argument:expr),*) => $value:expr) => {{
        let code = match &$table.$name {
            // SAFETY: arguments are places of this function, as large as NVML wants them.
            Ok(function) => unsafe { function($($argument),*) },
            Err(_) => $crate::probe::ask::ABSENT,
        };
        let value = if code == 0 { Some(format!("{:?}", $value)) } else { None };
        $report.add(stringify!($name), $of, code, value);
        code
    }};
}

/// The same for functions of a device that fill one place, which is made here.
macro_rules! ask_each {
    ($report:ident, $of:expr, $device:expr, $table:ident; $($name:ident: $type:ty),* $(,)?) => {
        $({
            let mut value = <$type>::default();
            ask!($report, $of, $table.$name($device, &raw mut value) => value);
        })*
    };
}

pub(super) use {ask, ask_each};

/// A structure of zeros.
pub(super) fn zeroed<T: Copy>() -> T {
    // SAFETY: only used for NVML's structures: numbers, arrays of numbers and pointers.
    unsafe { std::mem::zeroed() }
}

/// A structure of zeros with its size and version in front.
pub(super) fn versioned<T: Copy>(version: u32) -> T {
    let mut value: T = zeroed();
    let packed = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX) | version << 24;
    // SAFETY: every versioned structure begins with this member.
    unsafe { (&raw mut value).cast::<u32>().write(packed) };
    value
}

/// A text that NVML wrote.
pub(super) fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().map(|char| char.to_ne_bytes()[0]).collect();
    let text = CStr::from_bytes_until_nul(&bytes).unwrap_or(c"(no end)");
    text.to_string_lossy().into_owned()
}
