//! What differs between two runs of a case (folders, ports), and the names that stand for it.
//!
//! `clean` must undo `fill` for every text that is compared, or a case only passes in the folder
//! where it was recorded.

use std::path::{Path, PathBuf};

/// Folders and ports of one run.
#[derive(Debug, Clone)]
pub(super) struct Placeholders {
    /// The input folder; inside the work folder.
    pub(super) input: PathBuf,
    /// The work folder.
    pub(super) work: PathBuf,
    /// The positions file.
    pub(super) positions: PathBuf,
    /// Port of the sink.
    pub(super) sink_port: u16,
    /// Port for the binary's own server.
    pub(super) http_port: u16,
}

impl Placeholders {
    /// Puts the values in the place of the names.
    pub(super) fn fill(&self, text: &str) -> String {
        let sink = format!("http://127.0.0.1:{}", self.sink_port);
        [
            ("${INPUT_DIR}", display(&self.input)),
            ("${POSITIONS}", display(&self.positions)),
            ("${PUSH_URL}", format!("{sink}/loki/api/v1/push")),
            ("${KUBE_URL}", sink.clone()),
            ("${HTTP_PORT}", self.http_port.to_string()),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Puts the names in the place of the values.
    pub(super) fn clean(&self, text: &str) -> String {
        text.replace(&display(&self.input), "${INPUT_DIR}")
            .replace(&display(&self.work), "${WORK_DIR}")
            .replace(&format!("127.0.0.1:{}", self.sink_port), "${PUSH_HOST}")
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
pub(crate) fn example() -> Placeholders {
    Placeholders {
        input: "/w/in".into(),
        work: "/w".into(),
        positions: "/w/positions.yaml".into(),
        sink_port: 7,
        http_port: 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_can_be_taken_out_again() {
        let filled = example().fill("${INPUT_DIR}/a ${PUSH_URL}?client=x ${HTTP_PORT}");
        assert_eq!(filled, "/w/in/a http://127.0.0.1:7/loki/api/v1/push?client=x 8");
        assert_eq!(
            example().clean("/w/in/a /w/b 127.0.0.1:7"),
            "${INPUT_DIR}/a ${WORK_DIR}/b ${PUSH_HOST}"
        );
    }
}
