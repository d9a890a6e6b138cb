//! NVIDIA's management library: found, opened, called, and outlived.

pub mod identity;
