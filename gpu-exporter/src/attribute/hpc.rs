//! Jobs of a batch system, from a directory that it writes: a file per GPU (`0`) or MIG instance
//! (`0.7`), a job per line, as dcgm-exporter reads it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::device_ids::KnownDevices;
use super::owner::DeviceKey;

/// Bytes of a file that are read; jobs have short names.
const FILE_LIMIT: u64 = 64 << 10;

/// Jobs of one device that are shown.
const JOBS_LIMIT: usize = 64;

/// Reads the directory. Files of unknown devices, and files that cannot be read, are passed over.
///
/// # Errors
/// The directory cannot be read.
pub(super) fn read(
    directory: &Path,
    known: &KnownDevices,
) -> io::Result<BTreeMap<DeviceKey, Vec<String>>> {
    let mut jobs = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(device) = name.to_str().and_then(|name| device(name, known)) else { continue };
        match read_file(&entry.path()) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                jobs.insert(device, found);
            }
            Err(error) => {
                tracing::debug!(file = %entry.path().display(), %error, "cannot read a job file");
            }
        }
    }
    Ok(jobs)
}

fn device(name: &str, known: &KnownDevices) -> Option<DeviceKey> {
    let (gpu, instance) = match name.split_once('.') {
        Some((gpu, instance)) => (gpu, Some(instance.parse().ok()?)),
        None => (name, None),
    };
    let gpu = known.index(gpu.parse().ok()?)?;
    match instance {
        Some(instance) => known.instance(&gpu.uuid, instance),
        None => Some(DeviceKey::Gpu(gpu.uuid.clone())),
    }
}

fn read_file(path: &Path) -> io::Result<Vec<String>> {
    // a pipe or device would hold the reader
    if !fs::metadata(path)?.is_file() {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let jobs = text.lines().map(str::trim).filter(|job| !job.is_empty());
    Ok(jobs.take(JOBS_LIMIT).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::super::device_ids::tests::{gpu, two_gpus};
    use super::*;

    #[test]
    fn a_file_names_the_jobs_of_its_device() {
        let directory = tempfile::tempdir().unwrap();
        let files =
            [("0", "job-1\n\n job-2 \n"), ("1.7", "job-3"), ("1.8", "x"), ("5", "x"), ("a", "x")];
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        fs::write(directory.path().join("1"), "").unwrap();
        fs::create_dir(directory.path().join("1.9")).unwrap();
        let jobs = read(directory.path(), &two_gpus()).unwrap();
        let expected = BTreeMap::from([
            (DeviceKey::Gpu(gpu(0).uuid.clone()), vec!["job-1".to_owned(), "job-2".to_owned()]),
            (DeviceKey::Mig(gpu(1).uuid.clone(), 7), vec!["job-3".to_owned()]),
        ]);
        assert_eq!(jobs, expected);
    }

    #[test]
    fn a_large_file_is_read_in_part() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("0"), "job\n".repeat(1 << 20)).unwrap();
        let jobs = read(directory.path(), &two_gpus()).unwrap();
        assert_eq!(jobs.values().next().map(Vec::len), Some(JOBS_LIMIT));
    }

    #[test]
    fn a_missing_directory_is_an_error() {
        assert!(read(Path::new("/nonexistent"), &two_gpus()).is_err());
    }
}
