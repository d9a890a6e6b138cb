//! Templates of Go's `Regexp.Expand`: `$1`, `${1}`, `$name`, `${name}`, `$$`.

use std::sync::Arc;

use super::Locations;

/// Numbers from here on are names, which no group can have.
const NUMBER_LIMIT: usize = 100_000_000;

pub(super) fn expand(
    template: &str,
    names: &[Option<Arc<str>>],
    locations: &Locations,
    haystack: &[u8],
    out: &mut Vec<u8>,
) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('$') {
            out.push(b'$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            if let Some((begin, end)) = group(name, names, locations) {
                out.extend_from_slice(&haystack[begin..end]);
            }
            rest = after;
        } else {
            out.push(b'$');
            rest = after;
        }
    }
    out.extend_from_slice(rest.as_bytes());
}

/// The name after a dollar sign and what follows it; `None` if there is no name.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let text = braced.unwrap_or(text);
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let length = text.find(|character| !is_word(character)).unwrap_or(text.len());
    let (name, rest) = text.split_at(length);
    let rest = if braced.is_some() { rest.strip_prefix('}')? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

fn group(name: &str, names: &[Option<Arc<str>>], locations: &Locations) -> Option<(usize, usize)> {
    if let Some(number) = number(name) {
        return locations.get(number);
    }
    let mut named = names.iter().enumerate().filter(|(_, known)| known.as_deref() == Some(name));
    named.find_map(|(index, _)| locations.get(index))
}

/// A group number has no leading zeros; `01` is a name.
fn number(name: &str) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || (name.len() > 1 && name.starts_with('0')) {
        return None;
    }
    name.parse().ok().filter(|number| *number < NUMBER_LIMIT)
}
