//! Entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    gpu_exporter::run::main(std::env::args_os())
}
