//! Layout of a log line, as the flag `--log.format` names it.

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

/// Layout of a log line.
///
/// ```
/// use instrumentation::json_log::Format;
///
/// assert_eq!("logfmt".parse(), Ok(Format::Logfmt));
/// assert_eq!(
///     "xml".parse::<Format>().unwrap_err().to_string(),
///     "unknown log format `xml`; accepted are json, logfmt or text",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// One JSON object per line, for a log pipeline.
    #[default]
    Json,
    /// `ts=... level=info msg="..." key=value`, as Prometheus and Promtail write it. Without
    /// `service` and `environment`.
    Logfmt,
    /// For people: time, level, module, message and fields; coloured on a terminal.
    Text,
}

/// A text names no [`Format`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown log format `{found}`; accepted are json, logfmt or text")]
pub struct FormatError {
    found: String,
}

impl Format {
    /// Keys that a field may not have because the line has them already.
    pub(super) fn fixed_keys(self) -> &'static [&'static str] {
        match self {
            Self::Json => &["timestamp", "level", "service", "message"],
            Self::Logfmt => &["ts", "level", "msg"],
            Self::Text => &[],
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Json => "json",
            Self::Logfmt => "logfmt",
            Self::Text => "text",
        })
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text {
            "json" => Ok(Self::Json),
            "logfmt" => Ok(Self::Logfmt),
            "text" => Ok(Self::Text),
            _ => Err(FormatError { found: text.to_owned() }),
        }
    }
}

/// Whether colours are welcome there. `NO_COLOR` counts if it is not empty (no-color.org).
pub(super) fn is_coloured_terminal(stream: &impl IsTerminal) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_survives_its_own_text() {
        for format in [Format::Json, Format::Logfmt, Format::Text] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn a_file_is_not_coloured() {
        assert!(!is_coloured_terminal(&tempfile::tempfile().unwrap()));
    }
}
