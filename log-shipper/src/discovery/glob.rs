//! Path patterns as Promtail's library (doublestar 4) reads them, and the walk that finds files.
//!
//! `*` and `?` match dot files, `**` counts only as a whole path element, braces nest. Links are
//! followed, and whoever may write where a pattern looks may make them: every walk ends.

use std::collections::BTreeSet;
use std::fs::{self, FileType};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use instrumentation::rate_limit::Repeated;

/// Braces may multiply: more alternatives than this in one pattern are refused.
const MAX_ALTERNATIVES: usize = 1_024;

/// No walk goes deeper.
const MAX_DEPTH: usize = 64;

/// No walk lists more directories: links that fork at every level would give 2^40 of them. Nodes
/// with a thousand pods have some ten thousand.
const MAX_DIRECTORIES: usize = 100_000;

static TOO_MANY_DIRECTORIES: Repeated = Repeated::every(Duration::from_mins(10));

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// An opening bracket or brace without its end, or a backslash at the end.
    #[error("pattern `{pattern}`: {what}")]
    Syntax {
        /// The pattern as configured.
        pattern: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Braces that multiply to too many patterns.
    #[error("pattern `{pattern}`: braces give more than {MAX_ALTERNATIVES} alternatives")]
    TooManyAlternatives {
        /// The pattern as configured.
        pattern: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    AnyChar,
    AnyRun,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Element {
    /// `**`: any number of directories, none included.
    Directories,
    /// A name without wildcards: no directory listing is needed.
    Name(String),
    Pattern(Vec<Token>),
}

/// A compiled path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    source: PathBuf,
    alternatives: Vec<Vec<Element>>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files that match, by path as matched (links are not resolved), sorted, each once.
    pub files: Vec<PathBuf>,
    /// Directories in which a new file or directory could be a match: worth watching.
    pub directories: BTreeSet<PathBuf>,
    /// Directories that were listed.
    listed: usize,
}

impl Glob {
    /// Compiles an absolute pattern; make relative ones absolute before.
    ///
    /// # Errors
    /// [`GlobError`] names the pattern and what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        let mut alternatives = Vec::new();
        for plain in expand_braces(pattern)? {
            let elements = plain
                .split('/')
                .filter(|element| !element.is_empty())
                .map(|element| parse_element(pattern, element))
                .collect::<Result<_, _>>()?;
            alternatives.push(elements);
        }
        Ok(Self { source: PathBuf::from(pattern), alternatives })
    }

    /// The pattern as given.
    pub fn as_path(&self) -> &Path {
        &self.source
    }

    /// Whether an absolute path matches.
    pub fn matches(&self, path: &Path) -> bool {
        let Some(path) = path.to_str() else { return false };
        if Path::new(path) == self.source {
            return true;
        }
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        self.alternatives.iter().any(|elements| match_elements(elements, &names))
    }

    /// Whether files below a directory may match.
    pub fn leads_through(&self, directory: &Path) -> bool {
        if self.source.starts_with(directory) {
            return true;
        }
        let Some(directory) = directory.to_str() else { return false };
        let names: Vec<&str> = directory.split('/').filter(|name| !name.is_empty()).collect();
        self.alternatives.iter().any(|elements| may_go_on(elements, &names))
    }

    /// Walks the file system. Errors of single directories are passed over, as in Promtail: what
    /// cannot be listed has no matches.
    pub fn find(&self) -> Found {
        let mut found = Found::default();
        // A name that exists as it is spelled needs no pattern; so files with `[` in their name work.
        if fs::metadata(&self.source).is_ok_and(|meta| meta.is_file()) {
            found.files.push(self.source.clone());
            found.directories.extend(self.source.parent().map(Path::to_path_buf));
            return found;
        }
        self.walk_all(MAX_DIRECTORIES, &mut found);
        if found.listed >= MAX_DIRECTORIES
            && let Some(suppressed) = TOO_MANY_DIRECTORIES.admit(Instant::now())
        {
            tracing::warn!(
                pattern = %self.source.display(), most = MAX_DIRECTORIES, suppressed,
                "the pattern covers too many directories, files in the rest are not found"
            );
        }
        found
    }

    fn walk_all(&self, most: usize, found: &mut Found) {
        for elements in &self.alternatives {
            walk(Path::new("/"), elements, 0, most, found);
        }
        // By bytes: comparing paths part by part is several times slower.
        found.files.sort_unstable_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
        found.files.dedup_by(|one, other| one.as_os_str() == other.as_os_str());
    }
}

fn walk(directory: &Path, elements: &[Element], depth: usize, most: usize, found: &mut Found) {
    let Some((first, rest)) = elements.split_first() else { return };
    if depth > MAX_DEPTH {
        return;
    }
    if let Element::Name(name) = first {
        let path = directory.join(name);
        visit(&path, directory, None, rest, depth, most, found);
        return;
    }
    if matches!(first, Element::Directories) {
        // `**` as nothing at all
        walk(directory, rest, depth, most, found);
    }
    if found.listed >= most {
        return;
    }
    found.listed += 1;
    let Ok(entries) = fs::read_dir(directory) else { return };
    found.directories.insert(directory.to_path_buf());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        match first {
            Element::Directories => {
                let path = directory.join(name);
                if is_directory(&entry, &path) {
                    if !leads_back(&entry, directory) {
                        walk(&path, elements, depth + 1, most, found);
                    }
                } else if rest.is_empty() && is_file(entry.file_type().ok(), &path) {
                    found.files.push(path);
                }
            }
            Element::Pattern(tokens) if match_name(tokens, name) => {
                let kind = entry.file_type().ok();
                visit(&directory.join(name), directory, kind, rest, depth, most, found);
            }
            Element::Pattern(_) | Element::Name(_) => {}
        }
    }
}

/// Looks at one path; `kind` is what its directory says of it, where that was listed.
fn visit(
    path: &Path,
    parent: &Path,
    kind: Option<FileType>,
    rest: &[Element],
    depth: usize,
    most: usize,
    found: &mut Found,
) {
    if rest.is_empty() {
        watch(parent, found);
        if is_file(kind, path) {
            found.files.push(path.to_path_buf());
        }
    } else if fs::metadata(path).is_ok_and(|meta| meta.is_dir()) {
        walk(path, rest, depth + 1, most, found);
    } else {
        // Not there yet: its parent says when it comes.
        watch(parent, found);
    }
}

fn watch(directory: &Path, found: &mut Found) {
    if !found.directories.contains(directory) {
        found.directories.insert(directory.to_path_buf());
    }
}

/// Whether a path leads to a file. Most entries of a directory say so themselves, which spares a
/// question per file.
fn is_file(kind: Option<FileType>, path: &Path) -> bool {
    match kind {
        Some(kind) if !kind.is_symlink() => kind.is_file(),
        _ => fs::metadata(path).is_ok_and(|meta| meta.is_file()),
    }
}

/// Follows links, and asks the file system only where the directory entry does not know.
fn is_directory(entry: &fs::DirEntry, path: &Path) -> bool {
    match entry.file_type() {
        Ok(kind) if kind.is_symlink() => path.is_dir(),
        Ok(kind) => kind.is_dir(),
        Err(_) => false,
    }
}

/// Whether an entry is a link to the directory that it stands in, or to one above: everything in
/// it is found without the link.
fn leads_back(entry: &fs::DirEntry, directory: &Path) -> bool {
    if !entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
        return false;
    }
    let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let Some(target) = identity(&entry.path()) else { return false };
    directory.ancestors().any(|above| identity(above) == Some(target))
}

fn match_elements(elements: &[Element], names: &[&str]) -> bool {
    let Some((first, rest)) = elements.split_first() else { return names.is_empty() };
    match first {
        Element::Directories => {
            (0..=names.len()).any(|skipped| match_elements(rest, &names[skipped..]))
        }
        Element::Name(literal) => {
            names.first().is_some_and(|name| name == literal) && match_elements(rest, &names[1..])
        }
        Element::Pattern(tokens) => {
            names.first().is_some_and(|name| match_name(tokens, name))
                && match_elements(rest, &names[1..])
        }
    }
}

/// Whether names match the beginning of a pattern that has more.
fn may_go_on(elements: &[Element], names: &[&str]) -> bool {
    let Some((first, rest)) = elements.split_first() else { return false };
    let Some((name, names)) = names.split_first() else { return true };
    let is_match = match first {
        Element::Directories => return true,
        Element::Name(literal) => name == literal,
        Element::Pattern(tokens) => match_name(tokens, name),
    };
    is_match && may_go_on(rest, names)
}

/// Matches one name. Remembers only the last `*`, so the cost is the product of both lengths.
fn match_name(tokens: &[Token], name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match tokens.get(token) {
            None if at == chars.len() => return true,
            Some(Token::AnyRun) => {
                star = Some((token + 1, at));
                token += 1;
                continue;
            }
            Some(Token::AnyChar) => at < chars.len(),
            Some(Token::Literal(wanted)) => chars.get(at) == Some(wanted),
            Some(Token::Class { negated, ranges }) => chars.get(at).is_some_and(|char| {
                ranges.iter().any(|(low, high)| (low..=high).contains(&char)) != *negated
            }),
            None => false,
        };
        if step {
            token += 1;
            at += 1;
        } else if let Some((after, begin)) = star.filter(|(_, begin)| *begin < chars.len()) {
            star = Some((after, begin + 1));
            token = after;
            at = begin + 1;
        } else {
            return false;
        }
    }
}

fn parse_element(pattern: &str, element: &str) -> Result<Element, GlobError> {
    let syntax = |what| GlobError::Syntax { pattern: pattern.to_owned(), what };
    if element == "**" {
        return Ok(Element::Directories);
    }
    let mut tokens = Vec::new();
    let mut chars = element.chars().peekable();
    while let Some(char) = chars.next() {
        tokens.push(match char {
            '*' => {
                while chars.next_if_eq(&'*').is_some() {}
                Token::AnyRun
            }
            '?' => Token::AnyChar,
            '\\' => Token::Literal(chars.next().ok_or_else(|| syntax("backslash at the end"))?),
            '[' => parse_class(&mut chars).ok_or_else(|| syntax("`[` without its `]`"))?,
            literal => Token::Literal(literal),
        });
    }
    let literal: Option<String> = tokens
        .iter()
        .map(|token| if let Token::Literal(char) = token { Some(*char) } else { None })
        .collect();
    Ok(literal.map_or(Element::Pattern(tokens), Element::Name))
}

fn parse_class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if(|char| matches!(char, '^' | '!')).is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { negated, ranges }),
            '\\' => chars.next()?,
            char => char,
        };
        let mut high = low;
        if chars.peek() == Some(&'-') {
            chars.next();
            high = match chars.next()? {
                ']' => {
                    ranges.extend([(low, low), ('-', '-')]);
                    return Some(Token::Class { negated, ranges });
                }
                '\\' => chars.next()?,
                char => char,
            };
        }
        ranges.push((low, high));
    }
}

/// `a{b,c{d,e}}` to `ab`, `acd`, `ace`.
fn expand_braces(pattern: &str) -> Result<Vec<String>, GlobError> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(text) = open.pop() {
        if open.len() + done.len() > MAX_ALTERNATIVES {
            return Err(GlobError::TooManyAlternatives { pattern: pattern.to_owned() });
        }
        let Some(begin) = find_unescaped(&text, '{') else {
            done.push(text);
            continue;
        };
        let (choices, end) = split_choices(&text, begin).ok_or_else(|| GlobError::Syntax {
            pattern: pattern.to_owned(),
            what: "`{` without its `}`",
        })?;
        // The last choice is pushed first, so that the order of the pattern is kept.
        for choice in choices.into_iter().rev() {
            open.push(format!("{}{choice}{}", &text[..begin], &text[end..]));
        }
    }
    Ok(done)
}

fn find_unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '\\' => {
                chars.next();
            }
            char if char == wanted => return Some(index),
            _ => {}
        }
    }
    None
}

/// The alternatives of the brace that opens at `begin`, and where the text goes on after it.
fn split_choices(text: &str, begin: usize) -> Option<(Vec<&str>, usize)> {
    let mut choices = Vec::new();
    let mut depth = 0_usize;
    let mut start = begin + 1;
    let mut chars = text[begin..].char_indices();
    while let Some((offset, char)) = chars.next() {
        let index = begin + offset;
        match char {
            '\\' => {
                chars.next();
            }
            '{' => depth += 1,
            ',' if depth == 1 => {
                choices.push(&text[start..index]);
                start = index + 1;
            }
            '}' if depth == 1 => {
                choices.push(&text[start..index]);
                return Some((choices, index + 1));
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_leads_to_files_if_it_is_the_beginning_of_a_path_that_matches() {
        let leads = |pattern: &str, directory: &str| {
            Glob::new(pattern).unwrap().leads_through(Path::new(directory))
        };
        for directory in ["/pods", "/pods/ml_a_uid-1", "/pods/ml_a_uid-1/main"] {
            assert!(leads("/pods/*uid-1/main/*.log", directory), "{directory}");
        }
        for directory in
            ["/logs", "/pods/ml_a_uid-2", "/pods/x_uid-1/side", "/pods/x_uid-1/main/a.log"]
        {
            assert!(!leads("/pods/*uid-1/main/*.log", directory), "{directory}");
        }
        assert!(leads("/a/**/*.log", "/a/b/c/d"));
        assert!(!leads("/a/**/*.log", "/b"));
    }

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::new(pattern).unwrap().matches(Path::new(path))
    }

    #[test]
    fn wildcards_stay_inside_one_path_element() {
        assert!(matches("/var/log/*.log", "/var/log/a.log"));
        assert!(matches("/var/log/*.log", "/var/log/.hidden.log"));
        assert!(!matches("/var/log/*.log", "/var/log/a/b.log"));
        assert!(matches("/var/log/?.log", "/var/log/ä.log"));
        assert!(!matches("/var/log/?.log", "/var/log/ab.log"));
        assert!(matches("/l/a*b*c", "/l/aXbYbZc"));
        assert!(!matches("/l/a*b*c", "/l/aXbYbZ"));
    }

    #[test]
    fn two_stars_are_directories_only_as_a_whole_element() {
        assert!(matches("/log/**/a.log", "/log/a.log"));
        assert!(matches("/log/**/a.log", "/log/x/y/a.log"));
        assert!(matches("/log/**", "/log/x/y"));
        assert!(matches("/log/**.txt", "/log/a.txt"));
        assert!(!matches("/log/**.txt", "/log/x/a.txt"));
    }

    #[test]
    fn classes_and_alternatives() {
        assert!(matches("/l/[a-c].log", "/l/b.log"));
        assert!(!matches("/l/[!a-c].log", "/l/b.log"));
        assert!(!matches("/l/[^a-c].log", "/l/b.log"));
        assert!(matches("/l/[]x].log", "/l/].log"));
        assert!(matches("/l/*.{log,txt}", "/l/a.txt"));
        assert!(matches("/{a/b,c{d,e}}/x", "/a/b/x"));
        assert!(matches("/{a/b,c{d,e}}/x", "/ce/x"));
        assert!(matches(r"/l/\*.log", "/l/*.log"));
        assert!(!matches(r"/l/\*.log", "/l/a.log"));
    }

    #[test]
    fn broken_patterns_are_refused_by_name() {
        for pattern in ["/l/[a", "/l/{a,b", r"/l/\"] {
            let error = Glob::new(pattern).unwrap_err().to_string();
            assert!(error.contains(pattern), "{error}");
        }
        let many = "{a,b}".repeat(11);
        assert!(matches!(Glob::new(&many), Err(GlobError::TooManyAlternatives { .. })));
    }

    #[test]
    fn a_walk_finds_files_and_the_directories_to_watch() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a/0.log", "a/0.log.gz", "b/c/1.log", "[x].log"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let root = root.path().to_str().unwrap();
        let found = Glob::new(&format!("{root}/**/*.log")).unwrap().find();
        let names: Vec<_> =
            found.files.iter().map(|path| path.strip_prefix(root).unwrap()).collect();
        assert_eq!(names, ["[x].log", "a/0.log", "b/c/1.log"].map(Path::new));
        assert!(found.directories.contains(Path::new(&format!("{root}/b/c"))));

        let literal = Glob::new(&format!("{root}/[x].log")).unwrap().find();
        assert_eq!(literal.files.len(), 1, "a name that exists needs no pattern");

        let later = Glob::new(&format!("{root}/new/*.log")).unwrap().find();
        assert!(later.files.is_empty());
        assert!(
            later.directories.contains(Path::new(root)),
            "its parent is watched until it exists"
        );
    }

    #[test]
    fn links_to_a_directory_above_are_not_entered() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("x/y")).unwrap();
        fs::create_dir_all(root.path().join("other")).unwrap();
        fs::write(root.path().join("x/y/1.log"), "").unwrap();
        fs::write(root.path().join("other/2.log"), "").unwrap();
        for (link, target) in [("x/a", "."), ("x/b", "."), ("x/y/up", ".."), ("x/o", "../other")] {
            std::os::unix::fs::symlink(target, root.path().join(link)).unwrap();
        }
        let root = root.path().join("x").to_str().unwrap().to_owned();
        let found = Glob::new(&format!("{root}/**/*.log")).unwrap().find();
        let names: Vec<_> =
            found.files.iter().map(|path| path.strip_prefix(&root).unwrap()).collect();
        assert_eq!(names, ["o/2.log", "y/1.log"].map(Path::new));
    }

    #[test]
    fn a_walk_lists_so_many_directories_and_no_more() {
        let root = tempfile::tempdir().unwrap();
        // Each level is the next one twice: no link leads back, and 2^12 paths lead to the file.
        for level in 0..12 {
            let directory = root.path().join(format!("d{level}"));
            fs::create_dir(&directory).unwrap();
            for name in ["a", "b"] {
                let next = format!("../d{}", level + 1);
                std::os::unix::fs::symlink(next, directory.join(name)).unwrap();
            }
        }
        fs::create_dir(root.path().join("d12")).unwrap();
        let glob = Glob::new(&format!("{}/d0/**/*.log", root.path().display())).unwrap();
        let mut found = Found::default();
        glob.walk_all(1_000, &mut found);
        assert_eq!(found.listed, 1_000);
        assert!(found.directories.len() <= 1_000);
    }
}
