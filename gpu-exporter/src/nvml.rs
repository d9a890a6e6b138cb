//! NVIDIA's management library: found, opened, called, and outlived.

pub mod calls;
pub mod device;
pub mod error;
pub mod events;
pub mod fields;
pub mod gpm;
pub mod identity;
pub mod library;
