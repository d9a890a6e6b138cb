//! The simulated NVML as a shared library: `libfake_nvml.so`, with the symbols of the real one.
//!
//! The scenario is read from the file that `FAKE_NVML_SCENARIO` names when NVML is first opened, and
//! runs as long as the process. Loading the library has no effect at all, as with the real one.

#![expect(unsafe_code, reason = "the symbols of a C library are exported")]

pub mod probe;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use simulated_nvml::{Scenario, Simulation};

/// Names the file of the scenario.
const SCENARIO: &str = "FAKE_NVML_SCENARIO";

/// Code of NVML for what nobody knows.
const UNKNOWN: u32 = 999;

static SIMULATION: OnceLock<Option<Simulation>> = OnceLock::new();

/// Starts the scenario, the first time. Its errors go to standard error: C has no place for them.
#[expect(clippy::print_stderr, reason = "a C library has no other way to say what is wrong")]
fn start() -> bool {
    let started = SIMULATION.get_or_init(|| {
        let Some(path) = std::env::var_os(SCENARIO) else {
            eprintln!("fake-nvml: {SCENARIO} names no scenario");
            return None;
        };
        match Scenario::load(Path::new(&path)).and_then(Simulation::start) {
            Ok(simulation) => Some(simulation),
            Err(error) => {
                eprintln!("fake-nvml: {}: {error}", Path::new(&path).display());
                None
            }
        }
    });
    started.is_some()
}

/// Where cargo put the shared library that belongs to the running test.
///
/// # Panics
///
/// When there is none: this crate has to be among the dependencies of the test.
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test.parent().expect("a program is in a folder");
    // As a dependency it is beside the test, as a part of the workspace one folder above, too.
    let places = [folder.join("libfake_nvml.so"), folder.join("../libfake_nvml.so")];
    let built = places.iter().filter_map(|place| {
        let changed = std::fs::metadata(place).and_then(|data| data.modified()).ok()?;
        Some((changed, place))
    });
    let newest = built.max_by_key(|(changed, _)| *changed);
    newest.expect("cargo builds the shared library with the tests that depend on it").1.clone()
}

macro_rules! export {
    (
        library { $($library:ident($($la:ident: $lt:ty),*) = $lm:ident::$lf:ident;)* }
        device { $($device:ident($($da:ident: $dt:ty),*) = $dm:ident::$df:ident;)* }
    ) => {
        mod symbols {
            use std::ffi::{c_char, c_int, c_uint, c_ulonglong};

            use nvml_wrapper_sys::bindings::*;
            use simulated_nvml::abi::entry;

            $(
                #[unsafe(no_mangle)]
                unsafe extern "C" fn $library($($la: $lt),*) -> nvmlReturn_t {
                    if stringify!($library).starts_with("nvmlInit") && !super::start() {
                        return super::UNKNOWN;
                    }
                    // SAFETY: the caller's contract is that of the function called.
                    unsafe { entry::$library::<0>($($la),*) }
                }
            )*

            $(
                #[unsafe(no_mangle)]
                unsafe extern "C" fn $device(device: nvmlDevice_t, $($da: $dt),*) -> nvmlReturn_t {
                    // SAFETY: the caller's contract is that of the function called.
                    unsafe { entry::$device::<0>(device, $($da),*) }
                }
            )*

            #[unsafe(no_mangle)]
            unsafe extern "C" fn nvmlErrorString(result: nvmlReturn_t) -> *const c_char {
                // SAFETY: any number is a result.
                unsafe { entry::nvmlErrorString::<0>(result) }
            }
        }
    };
}

simulated_nvml::for_each_function!(export);
