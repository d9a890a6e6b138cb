//! Entry point.

use std::process::ExitCode;

use alert_relay::wiring::Relay;

fn main() -> ExitCode {
    // One provider for all TLS of the process; it fails only if there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    alert_relay::run::main(std::env::args_os(), &mut Relay::default())
}
