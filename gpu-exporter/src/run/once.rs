//! `--once`: a page for a person, or for a script.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_model::exposition::{Format, Writer};
use tokio_util::sync::CancellationToken;

use super::counters::CountersFile;
use super::sampling::Sampling;
use super::sources::Published;
use super::{RunError, until_ready};
use crate::attribute::board::Board as PodBoard;
use crate::attribute::device_ids::KnownDevices;
use crate::attribute::refresh;
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
    let mut sampling = Sampling::start(driver, stop.clone())?;
    let readings = async {
        let _ = tokio::time::timeout(PATIENCE, until_ready(&board)).await;
        // rates and activity need two readings, which come by the clock
        tokio::time::sleep(config.sampling.interval + config.sampling.interval / 4).await;
    };
    tokio::select! {
        // nobody asked it to
        early = sampling.ended() => return Ok(early?),
        () = readings => {}
    }
    let pods = Arc::new(PodBoard::default());
    let attribution = &config.attribution;
    let is_missing = matches!(attribution.pod_resources_socket.try_exists(), Ok(false));
    if attribution.is_enabled && (attribution.is_required || !is_missing) {
        let devices = KnownDevices::of(&board.snapshot(Instant::now()));
        refresh::once(attribution.clone(), devices, &pods).await?;
    }
    let published = Published::new(board, pods);
    let (snapshot, allocations) = (published.snapshot(), published.allocations());
    let mut writer = Writer::new(Format::Text004);
    let pages = Arc::new(Pages::new(config, counters));
    pages.write(&mut writer, &config.page.naming, &snapshot, &allocations);
    pages.write_own(&mut writer, &config.page.naming, &snapshot, &allocations);
    stop.cancel();
    sampling.end().await?;
    io::stdout().write_all(&writer.finish()).map_err(RunError::Output)
}
