//! What a daemon's exit code tells whoever restarts it.
//!
//! Scripts and restart policies depend on the numbers; they never change.

use std::process::ExitCode;

/// How a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// It stopped because it was asked to, and finished what it held.
    Stopped = 0,
    /// It failed while running; a restart may help.
    Failed = 1,
    /// Its flags are wrong (clap's own code).
    BadFlags = 2,
    /// Only a new container helps: this one holds what is out of date (`EX_SOFTWARE`).
    NeedsNewContainer = 70,
    /// Its configuration is wrong (`EX_CONFIG` of sysexits.h); a restart will not help.
    BadConfiguration = 78,
}

impl ExitStatus {
    /// The number that the parent process sees.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        let codes = [
            ExitStatus::Stopped,
            ExitStatus::Failed,
            ExitStatus::BadFlags,
            ExitStatus::NeedsNewContainer,
            ExitStatus::BadConfiguration,
        ]
        .map(ExitStatus::code);
        assert_eq!(codes, [0, 1, 2, 70, 78]);
    }
}
