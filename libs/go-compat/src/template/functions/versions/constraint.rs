//! Ranges of versions: groups separated by `||`, of conditions that must all hold.

use super::version::{Version, compare_pre};

/// Longer ones first: the first that fits is taken.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::NotBelow),
    ("=>", Operator::NotBelow),
    ("<=", Operator::NotAbove),
    ("=<", Operator::NotAbove),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Above),
    ("<", Operator::Below),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Above,
    Below,
    NotBelow,
    NotAbove,
    Tilde,
    Caret,
}

/// Which numbers of a condition's version are left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    All,
}

#[derive(Debug)]
struct Constraint {
    operator: Operator,
    version: Version,
    open: Open,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Constraints(Vec<Vec<Constraint>>);

impl Constraints {
    /// Reads `>= 1.2, < 3.0.0 || 4.2 - 5.x`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.split("||").map(group).collect::<Option<_>>().map(Self)
    }

    pub(super) fn accept(&self, version: &Version) -> bool {
        self.0.iter().any(|group| group.iter().all(|constraint| constraint.accepts(version)))
    }
}

/// Conditions separated by commas or space.
fn group(text: &str) -> Option<Vec<Constraint>> {
    let mut constraints = Vec::new();
    let mut rest = text.trim_start();
    let mut after_space = false;
    loop {
        let (operator, behind) = operator(rest);
        let (constraint, behind) = versioned(operator.unwrap_or(Operator::Equal), behind)?;
        constraints.push(constraint);
        rest = behind;
        if operator.is_none()
            && let Some(end) = behind_hyphen(rest)
        {
            // A range swallows the space before it, so that must not have been the separator.
            if after_space {
                return None;
            }
            if let Some(begin) = constraints.last_mut() {
                begin.operator = Operator::NotBelow;
            }
            let (constraint, behind) = versioned(Operator::NotAbove, end)?;
            constraints.push(constraint);
            rest = behind;
        }
        let trimmed = rest.trim_start();
        if trimmed.is_empty() {
            return Some(constraints);
        }
        match trimmed.strip_prefix(',') {
            Some(behind) => (rest, after_space) = (behind.trim_start(), false),
            None if trimmed.len() < rest.len() => (rest, after_space) = (trimmed, true),
            None => return None,
        }
    }
}

fn operator(text: &str) -> (Option<Operator>, &str) {
    for (spelling, operator) in OPERATORS {
        if let Some(rest) = text.strip_prefix(spelling) {
            return (Some(operator), rest.trim_start());
        }
    }
    (None, text)
}

/// What follows a hyphen with space on both sides.
fn behind_hyphen(text: &str) -> Option<&str> {
    let hyphen = text.trim_start();
    let rest = hyphen.strip_prefix('-')?;
    let end = rest.trim_start();
    (hyphen.len() < text.len() && end.len() < rest.len()).then_some(end)
}

/// The version at the beginning, and the rest.
fn versioned(operator: Operator, text: &str) -> Option<(Constraint, &str)> {
    let of_number = |char: char| char.is_ascii_digit() || matches!(char, 'x' | 'X' | '*');
    let of_words = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.');
    let mut rest = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = [""; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        let begin = if index == 0 { Some(rest) } else { rest.strip_prefix('.') };
        let Some(begin) = begin else { break };
        let end = begin.find(|char| !of_number(char)).unwrap_or(begin.len());
        if end == 0 {
            break;
        }
        (*number, rest) = begin.split_at(end);
    }
    let mut words = |sign: char| {
        let begin = rest.strip_prefix(sign)?;
        let end = begin.find(|char| !of_words(char)).unwrap_or(begin.len());
        let (words, behind) = begin.split_at(end);
        rest = behind;
        Some(words)
    };
    let pre = words('-').map(|words| format!("-{words}")).unwrap_or_default();
    let metadata = words('+');
    if !metadata.is_none_or(super::version::are_identifiers) {
        return None;
    }
    let [major, minor, patch] = numbers;
    let is_open = |number: &str| matches!(number, "" | "x" | "X" | "*");
    let (open, text) = match () {
        () if major.is_empty() => return None,
        () if is_open(major) => (Open::All, format!("0.0.0{pre}")),
        () if is_open(minor) => (Open::Minor, format!("{major}.0.0{pre}")),
        () if is_open(patch) => (Open::Patch, format!("{major}.{minor}.0{pre}")),
        () => (Open::Nothing, format!("{major}.{minor}.{patch}{pre}")),
    };
    Some((Constraint { operator, version: Version::parse(&text)?, open }, rest))
}

impl Constraint {
    fn accepts(&self, version: &Version) -> bool {
        let own = &self.version;
        let is_not_equal = self.operator == Operator::NotEqual && self.open == Open::Nothing;
        if !version.is_release() && own.is_release() && !is_not_equal {
            return false;
        }
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => version == own,
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.not_equal(version),
            Operator::Above => self.above(version),
            Operator::Below => version < own,
            Operator::NotBelow => version >= own,
            Operator::NotAbove => self.not_above(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn not_equal(&self, version: &Version) -> bool {
        let own = &self.version;
        if self.open != Open::Nothing && own.major != version.major {
            return true;
        }
        match self.open {
            Open::Minor => false,
            Open::Patch if own.minor != version.minor => true,
            Open::Patch => compare_pre(&version.pre, &own.pre).is_ne(),
            Open::Nothing | Open::All => version != own,
        }
    }

    fn above(&self, version: &Version) -> bool {
        let own = &self.version;
        match self.open {
            // Nothing of the open part is above it.
            Open::Minor => version.major > own.major,
            Open::Patch => (version.major, version.minor) > (own.major, own.minor),
            Open::Nothing | Open::All => version > own,
        }
    }

    fn not_above(&self, version: &Version) -> bool {
        let own = &self.version;
        match self.open {
            Open::Nothing => version <= own,
            Open::Minor => version.major <= own.major,
            Open::Patch | Open::All => (version.major, version.minor) <= (own.major, own.minor),
        }
    }

    /// The same minor version, or where that is open, the same major one.
    fn tilde(&self, version: &Version) -> bool {
        let own = &self.version;
        if version < own {
            return false;
        }
        let is_zero = (own.major, own.minor, own.patch) == (0, 0, 0);
        match self.open {
            Open::Nothing | Open::All if is_zero => true,
            Open::Minor => version.major == own.major,
            _ => (version.major, version.minor) == (own.major, own.minor),
        }
    }

    /// The same up to the first number that is not zero.
    fn caret(&self, version: &Version) -> bool {
        let own = &self.version;
        if version < own || version.major != own.major {
            return false;
        }
        if own.major > 0 || self.open == Open::Minor {
            return true;
        }
        if version.minor != own.minor {
            return false;
        }
        own.minor > 0 || self.open == Open::Patch || version.patch == own.patch
    }
}
