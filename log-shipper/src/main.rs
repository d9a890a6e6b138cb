//! Entry point: flags, configuration, wiring. Every line here connects parts that are tested
//! elsewhere.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The only TLS provider; reqwest refuses to build a client without one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    log_shipper::ship::daemon::main(std::env::args_os())
}
