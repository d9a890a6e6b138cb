//! The library: found, loaded, started and ended.
//!
//! Handles and samples hold the library loaded, but not started: after a shutdown it answers
//! `uninitialized` to all of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nvml_wrapper_sys::bindings::NvmlLib;
use simulated_nvml::{Scenario, ScenarioError, Simulation};

use super::calls::{self, Calls};
use super::error::{NvmlError, ReturnCode};
use super::identity::DriverVersions;
use crate::config::Sampling;

/// Where the library is looked for. The first is the dynamic linker's own search, which is where
/// container runtimes put it; the others are the driver container of the GPU Operator.
const USUAL_PLACES: [&str; 5] = [
    "libnvidia-ml.so.1",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/run/nvidia/driver/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1",
    "/run/nvidia/driver/usr/lib64/libnvidia-ml.so.1",
    "/home/kubernetes/bin/nvidia/lib64/libnvidia-ml.so.1",
];

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Where NVML comes from.
#[derive(Clone)]
pub enum Source {
    /// The usual places.
    Usual,
    /// This file.
    File(PathBuf),
    /// Functions of this process, made anew at each start.
    Table(Arc<dyn Fn() -> Result<NvmlLib, Cause> + Send + Sync>),
}

impl Source {
    /// What the configuration says. A simulation begins here.
    ///
    /// # Errors
    /// The scenario cannot be read or played.
    pub fn of(settings: &Sampling) -> Result<Self, ScenarioError> {
        Ok(match (&settings.simulate, &settings.library_path) {
            (Some(scenario), _) => Self::simulated(Simulation::start(Scenario::load(scenario)?)?),
            (None, Some(library)) => Self::File(library.clone()),
            (None, None) => Self::Usual,
        })
    }

    /// A simulation, which runs until the last clone of the source is dropped.
    pub fn simulated(simulation: Simulation) -> Self {
        Self::Table(Arc::new(move || simulation.table().map_err(Into::into)))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usual => out.write_str("Usual"),
            Self::File(path) => out.debug_tuple("File").field(path).finish(),
            Self::Table(_) => out.write_str("Table"),
        }
    }
}

/// There is no NVML to call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No file could be loaded.
    #[error("cannot load NVML, tried {}", tried.join(", "))]
    NotFound {
        /// The places, in order.
        tried: Vec<String>,
        /// What the dynamic linker said of the first one.
        #[source]
        cause: Cause,
    },
    /// The file is a library, but not one of NVML, or of a driver before R304.
    #[error("{place} lacks {symbol}, without which nothing can be read")]
    MissingSymbol {
        /// The file.
        place: String,
        /// What it should export.
        symbol: &'static str,
    },
    /// It does not start.
    #[error("NVML does not start")]
    Init {
        /// Its answer.
        #[source]
        cause: NvmlError,
    },
}

impl OpenError {
    /// The answer to the start, if it came that far.
    pub fn code(&self) -> Option<ReturnCode> {
        match self {
            Self::Init { cause } => Some(cause.code),
            Self::NotFound { .. } | Self::MissingSymbol { .. } => None,
        }
    }

    /// The value of the label `reason`.
    pub fn reason(&self) -> &'static str {
        match self.code() {
            None => ReturnCode::LibraryNotFound.name(),
            Some(ReturnCode::LibRmVersionMismatch) => "version_mismatch",
            Some(code) => code.name(),
        }
    }
}

/// A loaded library.
#[derive(Debug)]
pub struct Library {
    calls: Calls,
}

impl Library {
    /// Loads and starts it.
    ///
    /// # Errors
    /// [`OpenError`]; then nothing stays loaded.
    pub fn open(source: &Source) -> Result<Arc<Self>, OpenError> {
        let (calls, place) = match source {
            Source::Usual => load_first(&USUAL_PLACES.map(Path::new))?,
            Source::File(path) => load_first(&[path])?,
            Source::Table(table) => {
                let place = "the simulated library".to_owned();
                let table = table()
                    .map_err(|cause| OpenError::NotFound { tried: vec![place.clone()], cause })?;
                (Calls(table), place)
            }
        };
        let table = &calls.0;
        let required = [
            ("nvmlInit_v2", table.nvmlInit_v2.is_err()),
            ("nvmlShutdown", table.nvmlShutdown.is_err()),
            ("nvmlDeviceGetCount_v2", table.nvmlDeviceGetCount_v2.is_err()),
            ("nvmlDeviceGetHandleByIndex_v2", table.nvmlDeviceGetHandleByIndex_v2.is_err()),
            ("nvmlDeviceGetHandleByUUID", table.nvmlDeviceGetHandleByUUID.is_err()),
            ("nvmlDeviceGetUUID", table.nvmlDeviceGetUUID.is_err()),
        ];
        if let Some((symbol, _)) = required.iter().find(|(_, is_missing)| *is_missing) {
            return Err(OpenError::MissingSymbol { place, symbol });
        }
        calls.init().map_err(|cause| OpenError::Init { cause })?;
        Ok(Arc::new(Self { calls }))
    }

    /// What can be called.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Versions of driver, library and CUDA; what is not told is empty.
    pub fn versions(&self) -> DriverVersions {
        let cuda = self.calls.cuda_version().map_or_else(
            |_| String::new(),
            |version| format!("{}.{}", version / 1000, version % 1000 / 10),
        );
        DriverVersions {
            driver: self.calls.driver_version().unwrap_or_default(),
            nvml: self.calls.nvml_version().unwrap_or_default(),
            cuda,
        }
    }
}

fn load_first(places: &[&Path]) -> Result<(Calls, String), OpenError> {
    let mut first: Option<Cause> = None;
    for place in places {
        match calls::load(place) {
            Ok(calls) => return Ok((calls, place.display().to_string())),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(OpenError::NotFound {
        tried: places.iter().map(|place| place.display().to_string()).collect(),
        cause: first.unwrap_or_else(|| "no place to look at".into()),
    })
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_linkers_words() {
        let source = Source::File("/nowhere/libnvidia-ml.so.1".into());
        let error = Library::open(&source).unwrap_err();
        assert_eq!(error.to_string(), "cannot load NVML, tried /nowhere/libnvidia-ml.so.1");
        assert!(error.source().unwrap().to_string().contains("libnvidia-ml"), "{error:?}");
        assert_eq!(error.reason(), "library_not_found");
    }

    #[test]
    fn a_library_of_something_else_is_refused_by_the_symbol_that_it_lacks() {
        // every program of this system has this one loaded already
        let error = Library::open(&Source::File("libc.so.6".into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "libc.so.6 lacks nvmlInit_v2, without which nothing can be read"
        );
        assert_eq!(error.reason(), "library_not_found");
    }

    #[test]
    fn a_library_of_nvml_is_loaded_and_its_refusal_to_start_told() {
        // without a scenario it loads like the real one, and answers what nobody understands
        let error = Library::open(&Source::File(fake_nvml::path())).unwrap_err();
        assert_eq!(error.code(), Some(ReturnCode::Unknown), "{error:?}");
        assert_eq!(error.source().unwrap().to_string(), "nvmlInit_v2 answered unknown (999)");
    }

    #[test]
    fn a_scenario_takes_the_place_of_any_library() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"gpus": [{}, {}]}"#).unwrap();
        let settings = Sampling {
            simulate: Some(file.path().to_owned()),
            library_path: Some("/nowhere".into()),
            ..Sampling::default()
        };
        let source = Source::of(&settings).unwrap();
        let library = Library::open(&source).unwrap();
        assert_eq!(library.calls().device_count(), Ok(2));
        assert_eq!(library.versions().driver, "580.95.05");
        std::fs::write(file.path(), r#"{"gpu": []}"#).unwrap();
        assert!(Source::of(&settings).unwrap_err().to_string().contains("gpu"));
    }

    #[test]
    fn reasons_tell_what_a_person_has_to_do() {
        let of = |code| {
            let cause = NvmlError { function: "nvmlInit_v2", code: ReturnCode::from_number(code) };
            OpenError::Init { cause }.reason()
        };
        assert_eq!(of(9), "driver_not_loaded");
        assert_eq!(of(12), "library_not_found");
        assert_eq!(of(18), "version_mismatch");
        assert_eq!(of(999), "unknown");
    }
}
