//! How a service is observed: log lines, metrics, trace context, ops server.
//!
//! Flow: `trace_context` -> `rate_limit` -> `json_log` -> `build_info` -> `process_metrics` -> `ops_server`
//!
//! The crate is for user services as much as for the daemons beside it, so
//! nothing in it reads flags or the configuration of a daemon, and nothing but
//! [`json_log::init`] touches the state of the whole process.
//!
//! ```no_run
//! use instrumentation::json_log::{self, Format, Level};
//! use instrumentation::ops_server::{self, OpsServer, Readiness};
//! use instrumentation::process_metrics::ProcessMetrics;
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn start() -> std::io::Result<()> {
//! let log = json_log::init("ml-inference", Format::Json, "info".parse().expect("a level"));
//! let readiness = Readiness::default();
//! let model_loaded = readiness.latch("model");
//! let router = OpsServer::builder()
//!     .collector(ProcessMetrics)
//!     .readiness(readiness.clone())
//!     .log_control(log)
//!     .router();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9464").await?;
//! let stop = CancellationToken::new();
//! let server = tokio::spawn(ops_server::serve(listener, router, stop.clone()));
//! model_loaded.release(); // from here on `/-/ready` answers 200
//! # stop.cancel();
//! # server.await?
//! # }
//! ```

pub mod build_info;
pub mod json_log;
pub mod ops_server;
pub mod process_metrics;
pub mod rate_limit;
pub mod trace_context;
