//! Files of counters, in dcgm-exporter's format: name, type and help, a line each.
//!
//! A line that cannot be used is skipped, counted and told with its number; the other lines hold.
//! The name on the page is the one in the file, whichever spelling of a field it is.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use prometheus_model::exposition::MetricType;

use super::names::{self, Fact, Field, Source};

/// Bytes of a file; dcgm-exporter's own has 8 KiB.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Lines that are told, of those that cannot be used. All are counted.
const TOLD: usize = 50;

/// What is shown under DCGM's names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    /// In the file's order.
    pub(in crate::expose) metrics: Vec<Metric>,
    /// Names of labels on every series.
    pub(in crate::expose) labels: Vec<Label>,
    /// The first lines that could not be used.
    problems: Vec<Problem>,
    skipped: usize,
}

/// A line that makes series.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::expose) struct Metric {
    /// As in the file.
    pub(in crate::expose) name: String,
    /// As in the file, but for what is not what the file says.
    pub(in crate::expose) kind: MetricType,
    /// As in the file.
    pub(in crate::expose) help: String,
    /// What it shows.
    pub(in crate::expose) field: Field,
}

/// A line that puts a label on every series.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::expose) struct Label {
    /// As in the file.
    pub(in crate::expose) name: String,
    /// What it shows.
    pub(in crate::expose) fact: Fact,
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    Fields(usize),
    Unknown(String),
    Type { name: String, given: String },
    Text(String),
    Number(String),
    Twice(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Fields(count) => {
                write!(f, "has {count} of three fields: name, type, help")
            }
            Reason::Unknown(name) => write!(f, "`{name}` is no field that is read here"),
            Reason::Type { name, given } => {
                write!(f, "type `{given}` of `{name}` is none of gauge, counter, label")
            }
            Reason::Text(name) => write!(f, "`{name}` is a text: its type has to be label"),
            Reason::Number(name) => {
                write!(f, "`{name}` is a number: its type has to be gauge or counter")
            }
            Reason::Twice(name) => write!(f, "`{name}` is there already"),
        }
    }
}

/// A file that cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CountersError {
    /// It cannot be read.
    #[error("cannot read the file of counters {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It is longer than any such file would be.
    #[error("the file of counters {} is longer than {FILE_LIMIT} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// No line of it can be used.
    #[error(
        "the file of counters {} has no line that can be used{}", path.display(),
        first.as_ref().map(|first| format!("; line {}: {first}", first.line)).unwrap_or_default()
    )]
    Empty {
        /// The file.
        path: PathBuf,
        /// The first line that cannot be used.
        first: Option<Problem>,
    },
}

/// Reads a file, and logs a warning for each line that is skipped.
///
/// # Errors
///
/// If the file cannot be read, is longer than 1 MiB, or has no line that can be used.
pub fn load(path: &Path) -> Result<Counters, CountersError> {
    let cannot_read = |cause| CountersError::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot_read)?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(cannot_read)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(CountersError::TooLong { path: path.to_owned() });
    }
    let counters = Counters::parse(&String::from_utf8_lossy(&bytes));
    if counters.metrics.is_empty() {
        let first = counters.problems.into_iter().next();
        return Err(CountersError::Empty { path: path.to_owned(), first });
    }
    for problem in &counters.problems {
        let (path, line) = (path.display(), problem.line);
        tracing::warn!(%path, line, reason = %problem, "line of the file of counters skipped");
    }
    if counters.skipped > counters.problems.len() {
        let lines = counters.skipped - counters.problems.len();
        tracing::warn!(path = %path.display(), lines, "more lines of the file of counters skipped");
    }
    Ok(counters)
}

impl Counters {
    /// Those of dcgm-exporter's default file.
    pub fn built_in() -> Self {
        Self::parse(include_str!("default-counters.csv"))
    }

    /// Those of the default file, by the names of DCGM 4.6.
    pub(in crate::expose) fn base_units() -> Self {
        Self::parse(include_str!("base-unit-counters.csv"))
    }

    /// The names of version 1.
    pub(in crate::expose) fn version_1() -> Self {
        Self::parse(include_str!("version-1-counters.csv"))
    }

    /// Whether there is a metric of this name.
    pub(in crate::expose) fn has(&self, name: &str) -> bool {
        self.metrics.iter().any(|metric| metric.name == name)
    }

    /// Lines that could not be used.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The first lines that could not be used.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Self {
        let mut counters = Self::default();
        let mut names = HashSet::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(reason) = counters.add(line, &mut names) {
                counters.skipped += 1;
                if counters.problems.len() < TOLD {
                    counters.problems.push(Problem { line: index + 1, reason });
                }
            }
        }
        counters
    }

    fn add(&mut self, line: &str, names: &mut HashSet<String>) -> Result<(), Reason> {
        // a comma in the help text is the help's, quoted or not
        let fields: Vec<String> = line.splitn(3, ',').map(unquoted).collect();
        let [name, kind, help] =
            <[String; 3]>::try_from(fields).map_err(|fields| Reason::Fields(fields.len()))?;
        let field = names::find(&name).ok_or_else(|| Reason::Unknown(shown(&name)))?;
        let kind = match kind.to_ascii_lowercase().as_str() {
            "gauge" => Some(MetricType::Gauge),
            "counter" => Some(MetricType::Counter),
            "label" => None,
            _ => return Err(Reason::Type { name, given: shown(&kind) }),
        };
        if !names.insert(name.clone()) {
            return Err(Reason::Twice(name));
        }
        match (kind, field.source) {
            (None, Source::Fact(fact)) => self.labels.push(Label { name, fact }),
            (None, _) => return Err(Reason::Number(name)),
            (Some(_), Source::Fact(_)) => return Err(Reason::Text(name)),
            (Some(kind), _) => {
                let kind = if field.is_gauge() { MetricType::Gauge } else { kind };
                self.metrics.push(Metric { name, kind, help, field });
            }
        }
        Ok(())
    }
}

/// Without blanks around it, and without quotes as a CSV file may have them.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_owned(),
    }
}

/// The beginning of a text that may be of any length.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reasons(text: &str) -> Vec<String> {
        let counters = Counters::parse(text);
        counters.problems().iter().map(|one| format!("{}: {one}", one.line)).collect()
    }

    #[test]
    fn the_built_in_lines_are_those_of_dcgm_exporter() {
        let counters = Counters::built_in();
        assert_eq!(counters.problems(), []);
        assert_eq!((counters.metrics.len(), counters.labels.len()), (25, 1));
    }

    #[test]
    fn the_other_built_in_lines_are_names_of_the_same_fields() {
        let (default, version_1) = (Counters::built_in(), Counters::version_1());
        let base_units = Counters::base_units();
        assert_eq!((base_units.problems(), version_1.problems()), (&[][..], &[][..]));
        assert_eq!((base_units.metrics.len(), base_units.labels.len()), (25, 1));
        assert_eq!(version_1.metrics.len(), 39);
        assert!(version_1.metrics.iter().all(|metric| metric.name.starts_with("dcgm_")));
        for metric in &default.metrics {
            let is_same = |other: &&Metric| other.field.source == metric.field.source;
            let other = base_units.metrics.iter().find(is_same);
            assert!(other.is_some_and(|other| other.kind == metric.kind), "{}", metric.name);
        }
    }

    #[test]
    fn fields_are_trimmed_and_the_name_stays_as_it_is_spelled() {
        let text = "# remark\n\n  DCGM_FI_DEV_DEC_UTIL ,  gauge , Decoder, in %\r\n\
                    dcgm_gpu_temp,GAUGE,\"a \"\"b\"\", c\"\n\
                    DCGM_FI_SYSTEM_DRIVER_VERSION, label, x\n";
        let counters = Counters::parse(text);
        assert_eq!(counters.problems(), []);
        let shown: Vec<_> =
            counters.metrics.iter().map(|one| (one.name.as_str(), one.help.as_str())).collect();
        let expected = [("DCGM_FI_DEV_DEC_UTIL", "Decoder, in %"), ("dcgm_gpu_temp", "a \"b\", c")];
        assert_eq!(shown, expected);
        assert_eq!(counters.labels[0].name, "DCGM_FI_SYSTEM_DRIVER_VERSION");
    }

    #[test]
    fn a_line_that_cannot_be_used_is_told_and_the_others_hold() {
        let text = "DCGM_FI_DEV_GPU_TEMP, gauge, t\nDCGM_FI_DEV_NOTHING, gauge, t\nx\n\
                    DCGM_FI_DEV_GPU_TEMP, gauge, t\nDCGM_FI_DEV_FB_USED, histogram, t\n\
                    DCGM_FI_DRIVER_VERSION, gauge, t\nDCGM_FI_DEV_FB_FREE, label, t\n";
        let expected = [
            "2: `DCGM_FI_DEV_NOTHING` is no field that is read here",
            "3: has 1 of three fields: name, type, help",
            "4: `DCGM_FI_DEV_GPU_TEMP` is there already",
            "5: type `histogram` of `DCGM_FI_DEV_FB_USED` is none of gauge, counter, label",
            "6: `DCGM_FI_DRIVER_VERSION` is a text: its type has to be label",
            "7: `DCGM_FI_DEV_FB_FREE` is a number: its type has to be gauge or counter",
        ];
        assert_eq!(reasons(text), expected);
        assert_eq!(Counters::parse(text).metrics.len(), 1);
        assert_eq!(Counters::parse(text).skipped(), 6);
    }

    #[test]
    fn what_is_no_counter_is_not_shown_as_one() {
        let text = "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL, counter, x\n\
                    DCGM_FI_DEV_PCIE_REPLAY_COUNTER, counter, x\n\
                    DCGM_EXP_XID_ERRORS_COUNT, counter, x";
        let kinds: Vec<_> =
            Counters::parse(text).metrics.into_iter().map(|metric| metric.kind).collect();
        assert_eq!(kinds, [MetricType::Gauge, MetricType::Counter, MetricType::Gauge]);
    }

    #[test]
    fn a_file_without_a_usable_line_is_an_error_that_names_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counters.csv");
        std::fs::write(&path, "# nothing\nfoo, gauge, bar\n").unwrap();
        let error = load(&path).unwrap_err().to_string();
        assert!(error.ends_with("; line 2: `foo` is no field that is read here"), "{error}");
        std::fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
        assert!(matches!(load(&path), Err(CountersError::TooLong { .. })));
        assert!(matches!(load(folder.path()), Err(CountersError::Read { .. })));
        std::fs::write(&path, b"DCGM_FI_DEV_GPU_TEMP, gauge, \xff\n").unwrap();
        assert_eq!(load(&path).unwrap().metrics[0].help, "\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_its_lines_are_used_or_counted(
            lines in prop::collection::vec(
                prop_oneof!["[^\n]{0,40}", Just("DCGM_FI_DEV_GPU_TEMP, gauge, x".to_owned())], 0..20
            )
        ) {
            let counters = Counters::parse(&lines.join("\n"));
            let used = counters.metrics.len() + counters.labels.len();
            let remarks = lines.iter().flat_map(|line| line.lines()).filter(|line| {
                let line = line.trim_start_matches('\u{feff}').trim();
                !line.is_empty() && !line.starts_with('#')
            });
            prop_assert!(used + counters.skipped() <= remarks.count() + 1);
            prop_assert!(used <= 1);
        }
    }
}
