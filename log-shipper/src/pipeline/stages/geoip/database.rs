//! The databases of all `geoip` stages: each file is in memory once, and replaced there when it is
//! replaced on disk.
//!
//! A file is read whole. Mapping it would need `unsafe`, and whoever truncates a mapped file kills
//! the process; that costs the file's size in memory, and twice that while a new one is read.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use daemon_runtime::secret::Fingerprint;
use instrumentation::json_log::ErrorChain;
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

/// A larger file is refused; the largest that `MaxMind` sells has some 400 MB.
const MAX_BYTES: u64 = 1 << 30;

/// Characters of a database's type that an error shows.
const MAX_TYPE: usize = 100;

/// What records are about: the option `db_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `city`
    City,
    /// `asn`
    Asn,
}

impl Kind {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Asn => "asn",
        }
    }

    /// Which databases have such records.
    pub(super) fn accepted(self) -> &'static str {
        match self {
            Self::City => "a database of cities, countries or locations, such as GeoLite2-City",
            Self::Asn => "a database of autonomous systems, such as GeoLite2-ASN",
        }
    }

    /// Whether a database that calls itself so has such records.
    fn fits(self, database_type: &str) -> bool {
        let name = database_type.to_ascii_lowercase();
        let words: &[&str] = match self {
            Self::City => &["city", "country", "location", "enterprise"],
            Self::Asn => &["asn", "isp"],
        };
        words.iter().any(|word| name.contains(word))
    }
}

/// Why a file is no database for a stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// It is a folder or a device.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// More than fits.
    #[error("{} has more than {MAX_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Its format is another one, or it is damaged.
    #[error("{} is no MaxMind database", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: MaxMindDbError,
    },
    /// It is about something else.
    #[error("{} is of type {found:?}, which has no records for db_type {}", path.display(), wanted.as_str())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it calls itself.
        found: String,
        /// What the stage wants.
        wanted: Kind,
    },
}

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    reader: Reader<Vec<u8>>,
    /// A damaged record is told once for each file.
    is_damage_told: AtomicBool,
}

impl Opened {
    /// The whole of a file. Its records are not looked at.
    pub(super) fn new(path: &Path, bytes: Vec<u8>, kind: Kind) -> Result<Self, DatabaseError> {
        let reader = Reader::from_source(bytes)
            .map_err(|cause| DatabaseError::Invalid { path: path.to_owned(), cause })?;
        let found = &reader.metadata().database_type;
        if !kind.fits(found) {
            let found = found.chars().take(MAX_TYPE).collect();
            return Err(DatabaseError::WrongKind { path: path.to_owned(), found, wanted: kind });
        }
        Ok(Self { path: path.to_owned(), reader, is_damage_told: AtomicBool::new(false) })
    }

    /// The record of the network that `address` lies in; `None` also where it cannot be read.
    pub(super) fn record<'a, T: Deserialize<'a>>(&'a self, address: IpAddr) -> Option<T> {
        if address.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return None;
        }
        let found = self.reader.lookup(address).and_then(|found| found.decode());
        found.unwrap_or_else(|error| {
            if !self.is_damage_told.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    path = %self.path.display(), error = %ErrorChain(&error),
                    "a record of the database cannot be read, entries with it stay as they are"
                );
            }
            None
        })
    }
}

/// One file. The stages that use it share it.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    kind: Kind,
    current: RwLock<Arc<Opened>>,
    /// What lay there at the last look, whether it could be used or not.
    seen: Mutex<Option<Fingerprint>>,
}

impl Database {
    fn open(path: &Path, kind: Kind) -> Result<Self, DatabaseError> {
        let (opened, seen) = read(path, kind)?;
        Ok(Self {
            path: path.to_owned(),
            kind,
            current: RwLock::new(Arc::new(opened)),
            seen: Mutex::new(Some(seen)),
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What to look addresses up in, now.
    pub(super) fn current(&self) -> Arc<Opened> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again if it is another one. What cannot be used leaves the old one in use, and
    /// is told once.
    fn refresh(&self) {
        let found = fs::metadata(&self.path).ok().map(|metadata| Fingerprint::of(&metadata));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == found {
            return;
        }
        *seen = found;
        let path = self.path.display();
        match read(&self.path, self.kind) {
            Ok((opened, as_read)) => {
                *seen = Some(as_read);
                let build_epoch = opened.reader.metadata().build_epoch;
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(opened);
                tracing::info!(%path, build_epoch, "geoip database has changed, using the new one");
            }
            Err(error) => tracing::error!(
                %path, error = %ErrorChain(&error),
                "new geoip database cannot be used, keeping the old one"
            ),
        }
    }
}

fn read(path: &Path, kind: Kind) -> Result<(Opened, Fingerprint), DatabaseError> {
    let unreadable = |cause| DatabaseError::Unreadable { path: path.to_owned(), cause };
    // Before the open, which would wait for a writer if this were a pipe.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(DatabaseError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let too_large = || DatabaseError::TooLarge { path: path.to_owned() };
    if metadata.len() > MAX_BYTES {
        return Err(too_large());
    }
    // Of the open file and before it is read: a change in between shows at the next look.
    let seen = Fingerprint::of(&metadata);
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).map_err(|_| too_large())?);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    Ok((Opened::new(path, bytes, kind)?, seen))
}

/// All databases of a configuration. A clone has the same ones.
#[derive(Debug, Clone, Default)]
pub struct GeoDatabases(Arc<Mutex<Vec<Arc<Database>>>>);

impl GeoDatabases {
    /// The database in `path`, read unless a stage has it already. Blocks on the disk.
    ///
    /// # Errors
    /// [`DatabaseError`] names the file and what is wrong with it.
    pub fn open(&self, path: &Path, kind: Kind) -> Result<Arc<Database>, DatabaseError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &&Arc<Database>| one.path == path && one.kind == kind;
        if let Some(database) = known.iter().find(same) {
            return Ok(Arc::clone(database));
        }
        let database = Arc::new(Database::open(path, kind)?);
        known.push(Arc::clone(&database));
        Ok(database)
    }

    /// Whether no stage has one.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Reads again what was replaced. Blocks on the disk.
    pub fn refresh(&self) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for database in known {
            database.refresh();
        }
    }
}
