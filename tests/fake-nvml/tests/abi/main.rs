//! What programs see of a simulated NVML, through the table and through the shared library.

#![expect(unsafe_code, reason = "C functions are called")]

mod activity;
mod faults;
mod fixture;
mod functions;
mod mig;
mod samples;
mod steering;
