//! An in-memory stand-in for Loki: push and query API, for local runs and benches.

use std::net::SocketAddr;

use clap::Parser;
use stack_tests::loki::{Options, serve};

/// Takes log lines by Loki's push API, keeps them in memory, and answers queries.
///
/// Queries are selectors with line filters: `{job="api"} |= "error"`. Faults can be ordered with
/// POST /test/faults: `{"status": 503}`, `{"close": true}`, `{"silence": true}`, `{}`.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Where to listen.
    #[arg(long = "web.listen-address", default_value = "127.0.0.1:3100", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Most entries that are kept; the oldest go first. With 0, lines are only counted.
    #[arg(long = "limit.entries", default_value_t = 500_000, value_name = "N")]
    max_entries: usize,
}

fn main() -> std::io::Result<()> {
    let flags = Flags::parse();
    serve(flags.listen, Options { max_entries: flags.max_entries, ..Options::default() })
}
