//! Sets of characters: Perl and POSIX classes, Unicode properties, case folding.
//!
//! Every class is worked out here and written as plain ranges, so that neither the flags nor the
//! class operators of the engine's own syntax can change what it means.

use std::fmt::Write as _;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Go's general categories; names are exact there, while the engine would take `letter` too.
const CATEGORIES: [&str; 37] = [
    "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N",
    "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So",
    "Z", "Zl", "Zp", "Zs", "Any",
];

/// Code points from `low` to `high`, without the surrogates, which no text contains.
pub(super) fn range(low: u32, high: u32) -> ClassUnicode {
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    // a range's ends are swapped when they are in the wrong order, as within the surrogates
    ClassUnicode::new((low <= high).then(|| ClassUnicodeRange::new(low, high)))
}

/// Adds what differs from a member by case only.
pub(super) fn fold(mut class: ClassUnicode) -> ClassUnicode {
    class.try_case_fold_simple().expect("the case tables are a feature that this crate turns on");
    class
}

/// `\d`, `\s`, `\w` and their negations: ASCII, and `\s` without the vertical tab.
pub(super) fn perl(letter: u8, folded: bool) -> Option<ClassUnicode> {
    let members: &[(u8, u8)] = match letter.to_ascii_lowercase() {
        b'd' => &[(b'0', b'9')],
        b's' => &[(b'\t', b'\n'), (0x0c, b'\r'), (b' ', b' ')],
        b'w' => &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')],
        _ => return None,
    };
    Some(finished(ascii(members), folded, letter.is_ascii_uppercase()))
}

/// `[:name:]` and `[:^name:]`, by what stands between the colons.
pub(super) fn posix(name: &str, folded: bool) -> Option<ClassUnicode> {
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let members: &[(u8, u8)] = match name {
        "alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        "alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        "ascii" => &[(0, 0x7f)],
        "blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        "cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        "digit" => &[(b'0', b'9')],
        "graph" => &[(b'!', b'~')],
        "lower" => &[(b'a', b'z')],
        "print" => &[(b' ', b'~')],
        "punct" => &[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')],
        "space" => &[(b'\t', b'\r'), (b' ', b' ')],
        "upper" => &[(b'A', b'Z')],
        "word" => &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')],
        "xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        _ => return None,
    };
    Some(finished(ascii(members), folded, negated))
}

/// `\p{name}`: a general category or a script.
pub(super) fn property(name: &str, folded: bool, negated: bool) -> Option<ClassUnicode> {
    let class = match name {
        "Any" => range(0, 0x10_ffff),
        // Go counts unassigned code points to no category, the engine to `C`
        "C" => ["Cc", "Cf", "Co"].into_iter().fold(ClassUnicode::empty(), |mut all, name| {
            all.union(&lookup("gc", name).unwrap_or_else(ClassUnicode::empty));
            all
        }),
        "Cs" => ClassUnicode::empty(),
        _ if CATEGORIES.contains(&name) => lookup("gc", name)?,
        _ if is_script_name(name) => lookup("sc", name)?,
        _ => return None,
    };
    Some(finished(class, folded, negated))
}

/// Writes a class as an element of the engine's syntax.
pub(super) fn write(class: &ClassUnicode, out: &mut String) {
    if class.ranges().is_empty() {
        out.push_str(r"[^\x{0}-\x{10FFFF}]");
        return;
    }
    if let [only] = class.ranges()
        && only.start() == only.end()
    {
        write_literal(only.start(), out);
        return;
    }
    out.push('[');
    for range in class.ranges() {
        write_member(range.start(), out);
        if range.start() != range.end() {
            out.push('-');
            write_member(range.end(), out);
        }
    }
    out.push(']');
}

/// Writes a character that stands for itself.
pub(super) fn write_literal(character: char, out: &mut String) {
    if regex_syntax::is_meta_character(character) {
        out.push('\\');
    }
    out.push(character);
}

fn write_member(character: char, out: &mut String) {
    if character.is_ascii_alphanumeric() {
        out.push(character);
    } else {
        write!(out, "\\x{{{:x}}}", u32::from(character)).expect("writing to a String cannot fail");
    }
}

fn ascii(members: &[(u8, u8)]) -> ClassUnicode {
    let range =
        |(low, high): &(u8, u8)| ClassUnicodeRange::new(char::from(*low), char::from(*high));
    ClassUnicode::new(members.iter().map(range))
}

/// Case is folded before a class is negated, so that `(?i)[^k]` does not hold `K`.
fn finished(class: ClassUnicode, folded: bool, negated: bool) -> ClassUnicode {
    let mut class = if folded { fold(class) } else { class };
    if negated {
        class.negate();
    }
    class
}

/// Scripts are written as `Greek` or `Old_Italic`; the engine would ignore case and underscores.
fn is_script_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

fn lookup(property: &str, value: &str) -> Option<ClassUnicode> {
    let found = regex_syntax::parse(&format!(r"[\p{{{property}={value}}}]")).ok()?;
    match found.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}
