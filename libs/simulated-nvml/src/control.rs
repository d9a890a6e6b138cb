//! Commands from a file, and calls into a file: how a test steers a simulation in another process.
//!
//! The control file grows by lines; each is `{"advance_ms": 500}` or something that happens, as in a
//! scenario's timeline. Only whole lines are read, each once.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::driver::Driver;
use crate::functions::Function;
use crate::scenario::parse_json;
use crate::scenario::timeline::Happening;

/// Between two looks at the control file.
const LOOK: Duration = Duration::from_millis(10);

/// Bytes of the control file that are read at one look.
const MOST_AT_ONCE: u64 = 1 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

/// Follows the control file and keeps the call log, until the simulation ends.
#[derive(Debug)]
struct Control {
    driver: Arc<Driver>,
    offset: u64,
    lines: u64,
    last_error: Option<String>,
    written: String,
}

/// Starts the thread that follows a scenario's files, if it names any.
///
/// # Errors
///
/// When there can be no more threads.
pub(crate) fn start(driver: &Arc<Driver>) -> std::io::Result<()> {
    if driver.scenario.control.is_none() && driver.scenario.call_log.is_none() {
        return Ok(());
    }
    let mut control = Control {
        driver: driver.clone(),
        offset: 0,
        lines: 0,
        last_error: None,
        written: String::new(),
    };
    std::thread::Builder::new().name("nvml-control".to_owned()).spawn(move || control.run())?;
    Ok(())
}

impl Control {
    fn run(&mut self) {
        while !self.driver.clock.is_over() {
            let seen = self.driver.clock.seen();
            if let Some(path) = self.driver.scenario.control.clone() {
                self.follow(&path);
            }
            if let Some(path) = self.driver.scenario.call_log.clone() {
                self.log(&path);
            }
            self.driver.clock.wait(None, seen, Some(Instant::now() + LOOK));
        }
    }

    fn follow(&mut self, path: &Path) {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(MOST_AT_ONCE).read_to_end(&mut bytes)
        });
        // It may not be there yet.
        if read.is_err() {
            return;
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.offset += whole as u64;
        for line in bytes[..whole].split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            if line.trim().is_empty() {
                continue;
            }
            self.lines += 1;
            if let Err(reason) = self.obey(&line) {
                self.last_error = Some(format!("command {}: {reason}", self.lines));
            }
        }
    }

    fn obey(&self, line: &str) -> Result<(), String> {
        let is_advance = serde_json::from_str::<Value>(line)
            .is_ok_and(|value| value.get("advance_ms").is_some());
        if is_advance {
            let command: Advance = parse_json(line).map_err(|error| error.to_string())?;
            self.driver.clock.advance(Duration::from_millis(command.advance_ms));
            return Ok(());
        }
        let happening: Happening = parse_json(line).map_err(|error| error.to_string())?;
        self.driver.apply(&happening).map_err(|(key, reason)| format!("`{key}`: {reason}"))
    }

    /// Replaces the call log when it has changed. Its reader never sees a half of it.
    fn log(&mut self, path: &Path) {
        let calls: serde_json::Map<_, _> = Function::ALL
            .iter()
            .map(|function| (function.name().to_owned(), self.driver.calls(*function).into()))
            .filter(|(_, count): &(String, Value)| *count != json!(0))
            .collect();
        let text = json!({
            "calls": calls,
            "commands": self.lines,
            "last_error": self.last_error,
        })
        .to_string();
        if text == self.written {
            return;
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let replaced = File::create(&beside)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| std::fs::rename(&beside, path));
        // Tried again at the next look.
        if replaced.is_ok() {
            self.written = text;
        }
    }
}
