//! `--once`: a page for a person, or for a script.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_model::exposition::{Format, Writer};
use tokio_util::sync::CancellationToken;

use super::counters::CountersFile;
use super::sources::Published;
use super::{LOOK_AGAIN, RunError};
use crate::config::Config;
use crate::expose::http::Source as _;
use crate::expose::page::Pages;
use crate::nvml::library::Source;
use crate::sample::driver::Driver;
use crate::sample::metrics::Metrics;

/// A driver that does not start by then is shown as it is.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn print(config: &Config) -> Result<(), RunError> {
    let (_, counters) = CountersFile::load(config.page.dcgm.counters_file.clone())?;
    let source = Source::of(&config.sampling)?;
    let driver =
        Driver::new(source, config.sampling.clone(), config.require_gpu, Metrics::default());
    let board = driver.board();
    let stop = CancellationToken::new();
    let thread_stop = stop.clone();
    let sampling = tokio::task::spawn_blocking(move || driver.run(&thread_stop));
    let end = Instant::now() + PATIENCE;
    while !board.is_ready(Instant::now()) && Instant::now() < end && !sampling.is_finished() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    // rates and activity need two readings
    tokio::time::sleep(config.sampling.interval + config.sampling.interval / 4).await;
    let published = Published::new(board, Arc::default());
    let (snapshot, allocations) = (published.snapshot(), published.allocations());
    let mut writer = Writer::new(Format::Text004);
    let pages = Arc::new(Pages::new(config, counters));
    pages.write(&mut writer, &config.page.naming, &snapshot, &allocations);
    pages.write_own(&mut writer, &config.page.naming, &snapshot, &allocations);
    stop.cancel();
    if let Ok(ended) = sampling.await {
        ended?;
    }
    io::stdout().write_all(&writer.finish()).map_err(RunError::Output)
}
