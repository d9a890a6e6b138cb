//! Test support: real processes, fakes for what cannot be had, and the conformance runner.
//!
//! Flow: `patience -> real_peers -> test_authority -> http_peer -> proxy_peer -> token_server -> geo_database -> log_writer -> daemon_process -> prometheus -> alertmanager -> loki -> shared_state -> kubernetes -> docker -> consul -> faulty_server -> slack -> pagerduty -> smtp -> kubelet -> conformance`

pub mod alertmanager;
pub mod conformance;
pub mod consul;
pub mod daemon_process;
pub mod docker;
pub mod faulty_server;
pub mod geo_database;
pub mod http_peer;
pub mod kubelet;
pub mod kubernetes;
pub mod loki;
pub mod pagerduty;
pub mod patience;
pub mod prometheus;
pub mod proxy_peer;
pub mod real_peers;
mod shared_state;
pub mod slack;
pub mod smtp;
pub mod test_authority;
pub mod token_server;
