//! The real binary: over the simulation and over a shared library, scraped by a real Prometheus.

mod bad_input;
mod fixture;
mod library;
mod pods;
mod prometheus;
mod trouble;
