//! `tools`: the real servers that tests and `up` need, from PATH or from the distribution's package.
//!
//! A package is unpacked under `target/tools`, never installed: no root is needed, and nothing
//! outside the repository changes. Tests find the programs by the same rule, in
//! `stack_tests::real_peers`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{output, root};
use crate::say;

/// Programs and the Debian packages that have them.
const TOOLS: [(&str, &str); 4] = [
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    (ALERTMANAGER, ALERTMANAGER),
    ("amtool", ALERTMANAGER),
];

/// Program and package are named alike; the upstream name `alertmanager` is not looked for.
const ALERTMANAGER: &str = "prometheus-alertmanager";

/// `cargo xtask tools`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("`tools` takes no arguments");
    }
    for (program, _) in TOOLS {
        say(&format!("{program}: {}", find_or_fetch(program)?.display()));
    }
    Ok(())
}

/// All of them, for the tests.
pub(crate) fn fetch_all() -> Result<()> {
    TOOLS.iter().try_for_each(|(program, _)| find_or_fetch(program).map(drop))
}

/// A program's path.
pub(crate) fn find_or_fetch(program: &str) -> Result<PathBuf> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let package = TOOLS
        .iter()
        .find_map(|(name, package)| (*name == program).then_some(*package))
        .with_context(|| format!("no package is known for {program}"))?;
    fetch(package).with_context(|| {
        format!("{program} is not in PATH and could not be fetched: install the package {package}")
    })?;
    find(program).with_context(|| format!("the package {package} has no {program}"))
}

fn folder() -> PathBuf {
    root().join("target/tools")
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = folder().join("usr/bin");
    std::env::split_paths(&path)
        .chain([unpacked])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Downloads a package and unpacks it.
fn fetch(package: &str) -> Result<()> {
    let folder = folder();
    let downloads = folder.join("download");
    fs::create_dir_all(&downloads)?;
    say(&format!("fetching the package {package}"));
    // a machine whose lists are empty or old is helped by lists of our own
    download(package, &downloads, &[])
        .or_else(|_| download_with_own_lists(package, &downloads, &folder.join("apt")))?;
    let file = fs::read_dir(&downloads)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
        })
        .with_context(|| format!("no file of {package} in {}", downloads.display()))?;
    output(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(&folder))?;
    fs::remove_file(file)?;
    if package == ALERTMANAGER {
        find_files_beside(&folder.join("usr/bin").join(ALERTMANAGER))?;
    }
    Ok(())
}

/// Debian's Alertmanager opens its templates under an absolute path, and does not start without
/// them. Started in `target/tools`, it finds the unpacked ones by a path of the same length.
fn find_files_beside(program: &Path) -> Result<()> {
    const ABSOLUTE: &[u8] = b"/usr/share/prometheus/alertmanager";
    const RELATIVE: &[u8] = b"usr//share/prometheus/alertmanager";
    let mut bytes = fs::read(program)?;
    let mut at = 0;
    while let Some(found) =
        bytes[at..].windows(ABSOLUTE.len()).position(|window| window == ABSOLUTE)
    {
        at += found;
        bytes[at..at + ABSOLUTE.len()].copy_from_slice(RELATIVE);
    }
    // written beside and moved over it: another process may just be running it
    let (copy, mode) = (program.with_extension("new"), fs::metadata(program)?.permissions());
    fs::write(&copy, bytes)?;
    fs::set_permissions(&copy, mode)?;
    fs::rename(copy, program)?;
    Ok(())
}

fn download(package: &str, folder: &Path, options: &[String]) -> Result<()> {
    let arguments = ["-qq", "download", package];
    output(Command::new("apt-get").args(options).args(arguments).current_dir(folder)).map(drop)
}

fn download_with_own_lists(package: &str, downloads: &Path, apt: &Path) -> Result<()> {
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(folder))?;
    }
    let options = [
        "-o".to_owned(),
        format!("Dir::State::Lists={}", apt.join("lists").display()),
        "-o".to_owned(),
        format!("Dir::Cache={}", apt.join("cache").display()),
    ];
    output(Command::new("apt-get").args(&options).args(["-qq", "update"]))?;
    download(package, downloads, &options)?;
    fs::remove_dir_all(apt)?;
    Ok(())
}
