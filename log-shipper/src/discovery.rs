//! Which files are read, and with which labels.
//!
//! A discovery yields groups of labels; relabelling turns them into targets; a target's pattern
//! finds files.

pub mod consul;
pub mod file_targets;
pub mod glob;
pub mod kubernetes;
pub mod outage;
pub mod static_targets;
pub mod target;
pub mod wake;
