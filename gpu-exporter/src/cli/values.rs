//! Values of flags, with what is accepted in the error.

use std::time::Duration;

use daemon_runtime::durations::GoDuration;

use crate::config::Naming;

/// A value that a flag does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{accepted} is accepted")]
pub(super) struct ValueError {
    accepted: String,
}

fn refused<T>(accepted: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError { accepted: accepted.into() })
}

fn duration(
    text: &str,
    from: (&str, Duration),
    to: (&str, Duration),
) -> Result<Duration, ValueError> {
    match text.parse::<GoDuration>().ok().map(Duration::from) {
        Some(duration) if (from.1..=to.1).contains(&duration) => Ok(duration),
        _ => refused(format!("a duration from {} to {}", from.0, to.0)),
    }
}

pub(super) fn interval(text: &str) -> Result<Duration, ValueError> {
    duration(text, ("250ms", Duration::from_millis(250)), ("1m", Duration::from_mins(1)))
}

pub(super) fn window(text: &str) -> Result<Duration, ValueError> {
    duration(text, ("1s", Duration::from_secs(1)), ("1h", Duration::from_hours(1)))
}

pub(super) fn kubelet_interval(text: &str) -> Result<Duration, ValueError> {
    duration(text, ("1s", Duration::from_secs(1)), ("10m", Duration::from_mins(10)))
}

/// Milliseconds, as dcgm-exporter's flags have them.
pub(super) fn milliseconds(text: &str) -> Result<Duration, ValueError> {
    match text.parse() {
        Ok(number) if (1..=86_400_000).contains(&number) => Ok(Duration::from_millis(number)),
        _ => refused("a number of milliseconds from 1 to 86400000"),
    }
}

/// `host:port` or `:port`.
pub(super) fn address(text: &str) -> Result<String, ValueError> {
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (!host.contains(':') || host.starts_with('[')) => {
            Ok(text.to_owned())
        }
        _ => refused("HOST:PORT, :PORT or [IPV6]:PORT"),
    }
}

pub(super) fn naming(text: &str) -> Result<Naming, ValueError> {
    Naming::named(text).map_or_else(|| refused(Naming::ACCEPTED), Ok)
}

/// The name of a label, or nothing for none.
pub(super) fn label_name(text: &str) -> Result<String, ValueError> {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let starts_well = text.bytes().next().is_none_or(is_letter);
    if starts_well && text.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        refused("a name of letters, digits and underscores")
    }
}

/// Which devices of a node are shown: `f`, `g` or `i`, with indices behind `g:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Devices {
    /// GPUs are shown even when MIG is on.
    pub(super) parents: bool,
    /// Empty: all.
    pub(super) indices: Vec<String>,
}

pub(super) fn devices(text: &str) -> Result<Devices, ValueError> {
    let accepted = "f (all), g or g:0,1 (GPUs, also with MIG on), or i (MIG instances)";
    let (kind, list) = text.split_once(':').unwrap_or((text, ""));
    let indices: Vec<String> =
        list.split(',').filter(|index| !index.is_empty()).map(str::to_owned).collect();
    let are_numbers = indices.iter().all(|index| index.parse::<u32>().is_ok());
    match kind {
        "f" | "i" if text.len() == 1 => Ok(Devices { parents: false, indices }),
        "g" if are_numbers && text.len() != 2 => Ok(Devices { parents: true, indices }),
        _ => refused(accepted),
    }
}
