//! NVML's C ABI: one entry for each function and slot, and the table that has them.
//!
//! Pointers are turned into [`border`]'s values here; what answers is safe code.

#![expect(unsafe_code, reason = "the C ABI is what is simulated")]
#![expect(clippy::needless_pass_by_value, reason = "a place that was received is used by one call")]

pub mod activity;
pub mod border;
pub mod errors;
pub mod events;
pub mod fabric;
pub mod gauges;
pub mod identity;
pub mod library;
pub mod load;
pub mod mig;
pub mod processes;
pub mod system_events;
pub mod thermal;

use nvml_wrapper_sys::bindings::NvmlLib;

use crate::code::Code;
use crate::driver::Driver;
use crate::for_each_function;

/// What answers returns.
type Answer = Result<(), Code>;

fn number_of(answer: Answer) -> u32 {
    match answer {
        Ok(()) => 0,
        Err(code) => code.0,
    }
}

macro_rules! entries {
    (
        library { $($library:ident($($la:ident: $lt:ty),*) = $lm:ident::$lf:ident;)* }
        device { $($device:ident($($da:ident: $dt:ty),*) = $dm:ident::$df:ident;)* }
    ) => {
        /// The functions, by slot. What holds for NVML's holds for them: pointers are null or valid
        /// for what the function writes there.
        #[expect(
            non_snake_case, missing_docs, clippy::missing_safety_doc,
            reason = "names and contracts are NVML's"
        )]
        pub mod entry {
            use std::ffi::{c_char, c_int, c_uint, c_ulonglong};

            use nvml_wrapper_sys::bindings::*;

            use super::border::Argument;
            use super::*;
            use crate::functions::Function;
            use crate::{code, slots};

            $(
                pub unsafe extern "C" fn $library<const SLOT: usize>($($la: $lt),*) -> nvmlReturn_t {
                    let driver = match slots::enter(SLOT, Function::$library) {
                        Ok(driver) => driver,
                        Err(code) => return code.0,
                    };
                    if let Err(code) = driver.enter_library(Function::$library) {
                        return code.0;
                    }
                    $(
                        // SAFETY: who calls a C function answers for its pointers.
                        let $la = unsafe { $la.receive() };
                    )*
                    number_of($lm::$lf(&driver, $($la),*))
                }
            )*

            $(
                pub unsafe extern "C" fn $device<const SLOT: usize>(
                    device: nvmlDevice_t, $($da: $dt),*
                ) -> nvmlReturn_t {
                    let driver = match slots::enter(SLOT, Function::$device) {
                        Ok(driver) => driver,
                        Err(code) => return code.0,
                    };
                    let target = match driver.enter_device(Function::$device, device.addr()) {
                        Ok(target) => target,
                        Err(code) => return code.0,
                    };
                    $(
                        // SAFETY: who calls a C function answers for its pointers.
                        let $da = unsafe { $da.receive() };
                    )*
                    number_of($dm::$df(&driver, target, $($da),*))
                }
            )*

            pub unsafe extern "C" fn nvmlErrorString<const SLOT: usize>(
                result: nvmlReturn_t,
            ) -> *const c_char {
                if let Ok(driver) = slots::enter(SLOT, Function::nvmlErrorString) {
                    drop(driver);
                }
                code::text(result).as_ptr()
            }
        }

        fn fill<const SLOT: usize>(table: &mut NvmlLib, driver: &Driver) {
            let has = |name: &str| !driver.scenario.absent_symbols.iter().any(|it| it == name);
            $(
                if has(stringify!($library)) {
                    table.$library = Ok(entry::$library::<SLOT>);
                }
            )*
            $(
                if has(stringify!($device)) {
                    table.$device = Ok(entry::$device::<SLOT>);
                }
            )*
            if has("nvmlErrorString") {
                table.nvmlErrorString = Ok(entry::nvmlErrorString::<SLOT>);
            }
        }
    };
}

for_each_function!(entries);

/// The table of a slot. Symbols that are not simulated, and those that the scenario takes out, are
/// errors, as in a library that lacks them.
///
/// # Errors
///
/// When the program's own symbols cannot be looked at.
pub(crate) fn table(slot: usize, driver: &Driver) -> Result<NvmlLib, libloading::Error> {
    // of the type that `NvmlLib::new` has too: a second copy of 300 look-ups is 0.1 MiB
    let program = libloading::Library::from(libloading::os::unix::Library::this());
    // SAFETY: nothing is loaded, so no code of a library runs; symbols are looked up in the program
    // itself, which exports none of NVML's.
    let mut table = unsafe { NvmlLib::from_library(program) }?;
    #[cfg(not(feature = "many"))]
    let fills: [fn(&mut NvmlLib, &Driver); crate::slots::COUNT] = [fill::<0>];
    #[cfg(feature = "many")]
    let fills: [fn(&mut NvmlLib, &Driver); crate::slots::COUNT] = [
        fill::<0>, fill::<1>, fill::<2>, fill::<3>, fill::<4>, fill::<5>, fill::<6>, fill::<7>,
        fill::<8>, fill::<9>, fill::<10>, fill::<11>, fill::<12>, fill::<13>, fill::<14>,
        fill::<15>,
    ];
    fills[slot](&mut table, driver);
    Ok(table)
}
