//! Which events are logged: one level, and others for the modules named.
//!
//! A target's level is that of the longest named module it lies in; `a::b` lies
//! in `a`, `ab` does not.

use std::fmt;
use std::str::FromStr;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;

/// What a level may be called, for messages.
const ACCEPTED: &str = "off, error, warn, info, debug or trace";

/// What is logged: `info`, or `info,log_shipper::push=debug` with levels per module.
///
/// The level without a module holds for everything else and is `info` where it
/// is left out. Case does not matter, and `warning` is `warn`.
///
/// ```
/// use instrumentation::json_log::Level;
///
/// let level: Level = "log_shipper::push=debug,warn".parse().unwrap();
/// assert_eq!(level.to_string(), "warn,log_shipper::push=debug");
/// assert_eq!(Level::default().to_string(), "info");
///
/// let error = "inof".parse::<Level>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "unknown log level `inof`; accepted are off, error, warn, info, debug or trace",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    default: LevelFilter,
    /// Longest module first, so that the first match is the closest.
    modules: Vec<(String, LevelFilter)>,
}

/// Why a text is no [`Level`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// A level has a name that does not exist.
    #[error("unknown log level `{found}`; accepted are {ACCEPTED}")]
    Unknown {
        /// The name given.
        found: String,
    },
    /// A part is empty or is no module path before `=`.
    #[error("`{found}` is no log level; accepted is LEVEL or MODULE=LEVEL, separated by commas")]
    Malformed {
        /// The part as given.
        found: String,
    },
    /// Two parts say something about the same module.
    #[error("log level of {what} is given twice")]
    Twice {
        /// What the two parts are about.
        what: String,
    },
}

impl Level {
    /// Whether an event with this severity and target is logged.
    pub(super) fn passes(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.of(metadata.target())
    }

    /// The most verbose level of any module.
    pub(super) fn most_verbose(&self) -> LevelFilter {
        self.modules.iter().map(|(_, level)| *level).fold(self.default, LevelFilter::max)
    }

    fn of(&self, target: &str) -> LevelFilter {
        self.modules
            .iter()
            .find(|(module, _)| lies_in(target, module))
            .map_or(self.default, |(_, level)| *level)
    }
}

impl Default for Level {
    fn default() -> Self {
        Self { default: LevelFilter::INFO, modules: Vec::new() }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(name(self.default))?;
        for (module, level) in &self.modules {
            write!(out, ",{module}={}", name(*level))?;
        }
        Ok(())
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        let mut default = None;
        let mut modules: Vec<(String, LevelFilter)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let malformed = || LevelError::Malformed { found: part.to_owned() };
            let Some((module, level)) = part.split_once('=') else {
                if part.is_empty() {
                    return Err(malformed());
                }
                if default.replace(parse_name(part)?).is_some() {
                    return Err(LevelError::Twice { what: "everything else".to_owned() });
                }
                continue;
            };
            let module = module.trim();
            let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"_:-./".contains(&byte);
            if module.is_empty() || !module.bytes().all(is_path) {
                return Err(malformed());
            }
            if modules.iter().any(|(known, _)| known == module) {
                return Err(LevelError::Twice { what: format!("`{module}`") });
            }
            modules.push((module.to_owned(), parse_name(level.trim())?));
        }
        modules.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Ok(Self { default: default.unwrap_or(LevelFilter::INFO), modules })
    }
}

fn lies_in(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn parse_name(text: &str) -> Result<LevelFilter, LevelError> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(LevelError::Unknown { found: text.to_owned() }),
    }
}

fn name(level: LevelFilter) -> &'static str {
    level.into_level().map_or("off", lower)
}

/// The level as Prometheus and Promtail write it.
pub(super) fn lower(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        tracing::Level::DEBUG => "debug",
        tracing::Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(text: &str) -> Level {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_module_decides() {
        let level = level("warn,a=info,a::b::c=off,a::b=trace");
        assert_eq!(level.of("a"), LevelFilter::INFO);
        assert_eq!(level.of("a::x"), LevelFilter::INFO);
        assert_eq!(level.of("a::b"), LevelFilter::TRACE);
        assert_eq!(level.of("a::b::c::d"), LevelFilter::OFF);
        assert_eq!(level.of("other"), LevelFilter::WARN);
        assert_eq!(level.most_verbose(), LevelFilter::TRACE);
    }

    #[test]
    fn a_module_does_not_cover_one_whose_name_only_starts_like_it() {
        assert_eq!(level("off,hyper=debug").of("hyper_util"), LevelFilter::OFF);
    }

    #[test]
    fn case_and_blanks_do_not_matter_and_warning_is_warn() {
        assert_eq!(level(" WARNING , a = Debug "), level("warn,a=debug"));
    }

    #[test]
    fn without_a_default_it_is_info() {
        assert_eq!(level("a=debug").to_string(), "info,a=debug");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, message) in [
            ("", "`` is no log level"),
            ("info,", "`` is no log level"),
            ("=debug", "`=debug` is no log level"),
            ("a b=debug", "`a b=debug` is no log level"),
            ("a=b=debug", "unknown log level `b=debug`"),
            ("a=verbose", "unknown log level `verbose`"),
            ("info,debug", "log level of everything else is given twice"),
            ("a=info,a=debug", "log level of `a` is given twice"),
        ] {
            let error = text.parse::<Level>().unwrap_err().to_string();
            assert!(error.starts_with(message), "{text:?}: {error}");
        }
    }

    #[test]
    fn every_level_survives_its_own_text() {
        for text in ["off", "error", "warn", "info", "debug", "trace", "off,b::c=warn,a=trace"] {
            assert_eq!(level(text).to_string(), text);
        }
    }
}
