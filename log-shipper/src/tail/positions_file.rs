//! `positions.yaml` in Promtail's format: one map from path to the offset of the first byte that is
//! not done. Going back to Promtail works with it.
//!
//! The value of a file is that of the last acknowledged line, not of the last one read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::yaml::{self, Node, YamlError};

/// Larger files are refused: 50,000 paths of 1 KiB come to 50 MiB.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// Keys that are no paths: cursors of other sources, kept as they are.
const CURSOR_PREFIXES: [&str; 2] = ["cursor-", "journal-"];

/// Why a positions file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PositionsError {
    /// It is there and cannot be read.
    #[error("positions file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// It is no YAML.
    #[error("invalid yaml positions file [{path}]")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        cause: YamlError,
    },
    /// It is YAML of another shape.
    #[error(
        "invalid yaml positions file [{path}]: line {line}: {what}; expected one key `positions` \
         with a map of path to offset"
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// Path or cursor name to its value, as text.
pub type Positions = BTreeMap<String, String>;

/// Whether a key is the cursor of another source rather than a path.
pub fn is_cursor(key: &str) -> bool {
    CURSOR_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Reads the file; a missing one has no positions.
///
/// # Errors
/// [`PositionsError`] when it is there and cannot be used.
pub fn load(path: &Path) -> Result<Positions, PositionsError> {
    let read = |cause| PositionsError::Read { path: path.to_path_buf(), cause };
    let text = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Positions::new()),
        Err(error) => return Err(read(error)),
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return Err(read(io::Error::new(io::ErrorKind::FileTooLarge, "more than 128 MiB")));
        }
        Ok(_) => std::fs::read_to_string(path).map_err(read)?,
    };
    let tree = yaml::parse(&text)
        .map_err(|cause| PositionsError::Yaml { path: path.to_path_buf(), cause })?;
    parse(&tree).map_err(|(line, what)| PositionsError::Shape {
        path: path.to_path_buf(),
        line,
        what,
    })
}

fn parse(tree: &Node) -> Result<Positions, (usize, &'static str)> {
    let mut positions = Positions::new();
    for (key, value) in mapping(tree)? {
        if key.raw_text() != Some("positions") {
            return Err((key.line, "unknown key"));
        }
        for (path, offset) in mapping(value)? {
            let text =
                |node: &Node, what| node.raw_text().map(str::to_owned).ok_or((node.line, what));
            positions
                .insert(text(path, "a path is no text")?, text(offset, "an offset is no text")?);
        }
    }
    Ok(positions)
}

fn mapping(node: &Node) -> Result<&[(Node, Node)], (usize, &'static str)> {
    match &node.kind {
        yaml::Kind::Null => Ok(&[]),
        yaml::Kind::Mapping(pairs) => Ok(pairs),
        _ => Err((node.line, "not a map")),
    }
}

/// The text of the file.
pub fn to_yaml(positions: &Positions) -> String {
    if positions.is_empty() {
        return "positions: {}\n".to_owned();
    }
    let size = positions.iter().map(|(path, offset)| path.len() + offset.len() + 8);
    let mut text = String::with_capacity(16 + size.sum::<usize>());
    text.push_str("positions:\n");
    for (path, offset) in positions {
        // Quoted where a plain scalar could mean something else.
        let plain = path.starts_with('/')
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        let key = if plain { Cow::Borrowed(path.as_str()) } else { Cow::Owned(quote(path)) };
        let offset = quote(offset);
        let _ = if key.len() > yaml::MAX_SIMPLE_KEY_BYTES {
            writeln!(text, "  ? {key}\n  : {offset}")
        } else {
            writeln!(text, "  {key}: {offset}")
        };
    }
    text
}

/// A double-quoted YAML scalar.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            char if char.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Positions, PositionsError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("positions.yaml");
        std::fs::write(&path, text).unwrap();
        load(&path)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let positions: Positions = [
            ("/var/log/pods/ns_pod_uid/app/0.log", "123456"),
            ("/with space: and \"quotes\"\t.log", "1"),
            ("cursor-journal", "s=1;i=2;b=3"),
        ]
        .map(|(path, offset)| (path.to_owned(), offset.to_owned()))
        .into();
        let text = to_yaml(&positions);
        assert!(text.contains("  /var/log/pods/ns_pod_uid/app/0.log: \"123456\"\n"), "{text}");
        assert_eq!(load_text(&text).unwrap(), positions);
        assert_eq!(load_text(&to_yaml(&Positions::new())).unwrap(), Positions::new());
    }

    #[test]
    fn a_path_longer_than_a_simple_key_is_read_again() {
        let folders = "/a".repeat(700);
        let positions: Positions = [format!("{folders}.log"), format!("{folders}/é {{x}}.log")]
            .map(|path| (path, "7".to_owned()))
            .into();
        let text = to_yaml(&positions);
        assert_eq!(load_text(&text).unwrap(), positions, "{text}");
    }

    #[test]
    fn numbers_without_quotes_are_read_and_a_missing_file_is_empty() {
        let positions = load_text("positions:\n  /a.log: 4\n").unwrap();
        assert_eq!(positions["/a.log"], "4");
        assert!(load(Path::new("/does/not/exist.yaml")).unwrap().is_empty());
        assert!(load_text("").unwrap().is_empty());
    }

    #[test]
    fn other_shapes_are_refused_with_their_line() {
        let error = load_text("positions:\n  /a.log: \"4\"\nother: 1\n").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("unknown key"), "{error}");
        assert!(load_text("positions: [broken\n").is_err());
        assert!(load_text("- 1\n").is_err());
    }
}
