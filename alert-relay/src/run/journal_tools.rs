//! `journal verify` and `journal dump`.

use std::io::{self, Write};
use std::path::Path;

use daemon_runtime::exit_status::ExitStatus;

use crate::cli::JournalOrder;
use crate::journal::{DumpError, Journal, JournalError, Place};

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ToolError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
    #[error("{path} has no journal")]
    None { path: String },
}

impl From<DumpError> for ToolError {
    fn from(error: DumpError) -> Self {
        match error {
            DumpError::Journal(error) => Self::Journal(error),
            DumpError::Output(cause) => Self::Output(cause),
        }
    }
}

pub(super) fn run(order: &JournalOrder, out: &mut impl Write) -> Result<ExitStatus, ToolError> {
    match order {
        JournalOrder::Verify(folder) => {
            let found = open(folder)?.verify()?;
            for problem in &found.problems {
                writeln!(out, "damaged: {problem}")?;
            }
            writeln!(
                out,
                "{} rows, {} records, {} refused bodies, {} damaged",
                found.rows, found.records, found.bodies, found.damaged
            )?;
            Ok(if found.damaged == 0 { ExitStatus::Stopped } else { ExitStatus::Failed })
        }
        JournalOrder::Dump(folder) => {
            let mut out = io::BufWriter::new(out);
            open(folder)?.dump(&mut out)?;
            out.flush()?;
            Ok(ExitStatus::Stopped)
        }
    }
}

/// A command makes no journal.
fn open(folder: &Path) -> Result<Journal, ToolError> {
    let place = Place::new(folder);
    if place.is_empty() {
        return Err(ToolError::None { path: folder.display().to_string() });
    }
    Ok(place.open()?)
}
