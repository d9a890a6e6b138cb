//! Calls every function of an NVML that the exporter may use, and writes what came back.
//!
//! `nvml-probe [PATH]`; without a path, the library of the installed driver.

#![expect(unsafe_code, reason = "a C library is loaded")]

use std::io::Write;

use fake_nvml::probe::Report;
use nvml_wrapper_sys::bindings::NvmlLib;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "libnvidia-ml.so.1".into());
    // SAFETY: whoever names a library to be loaded trusts what it does when it is.
    let table = unsafe { NvmlLib::new(path) }?;
    let mut output = std::io::stdout().lock();
    for line in Report::of(&table).lines() {
        writeln!(output, "{line}")?;
    }
    Ok(())
}
