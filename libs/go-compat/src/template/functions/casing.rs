//! Upper and lower case, and the casing styles of identifiers.

use super::characters::{self, lower, upper};
use super::{Arguments, Builtin, Outcome, exactly};
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    exactly("ToUpper", 1, to_upper),
    exactly("ToLower", 1, to_lower),
    exactly("upper", 1, to_upper),
    exactly("lower", 1, to_lower),
    exactly("title", 1, |call| first_letters(call, upper)),
    exactly("untitle", 1, |call| first_letters(call, lower)),
    exactly("initials", 1, |call| {
        let text = call.characters(0)?;
        let initials = text.split_whitespace().filter_map(|word| word.chars().next());
        Ok(Value::text(initials.collect::<String>()))
    }),
    exactly("swapcase", 1, swap_case),
    exactly("snakecase", 1, |call| separated(call, '_')),
    exactly("kebabcase", 1, |call| separated(call, '-')),
    exactly("camelcase", 1, camel_case),
];

fn to_upper(call: &mut Arguments<'_>) -> Outcome {
    let mut text = call.text(0)?;
    if text.is_ascii() {
        text.make_ascii_uppercase();
        return Ok(Value::Text(text));
    }
    Ok(Value::Text(characters::map(&text, upper)))
}

fn to_lower(call: &mut Arguments<'_>) -> Outcome {
    let mut text = call.text(0)?;
    if text.is_ascii() {
        text.make_ascii_lowercase();
        return Ok(Value::Text(text));
    }
    Ok(Value::Text(characters::map(&text, lower)))
}

/// Go's `strings.Title`: a letter is the first of its word when no letter, digit, underscore or
/// other non-space symbol outside of ASCII stands before it.
fn first_letters(call: &mut Arguments<'_>, change: fn(char) -> char) -> Outcome {
    let mut inside = false;
    let text = characters::map(call.bytes(0)?, |character| {
        let first = !inside;
        inside = if character.is_ascii() {
            character.is_ascii_alphanumeric() || character == '_'
        } else {
            character.is_alphanumeric() || !character.is_whitespace()
        };
        if first { change(character) } else { character }
    });
    Ok(Value::Text(text))
}

fn swap_case(call: &mut Arguments<'_>) -> Outcome {
    let text = characters::map(call.bytes(0)?, |character| {
        if character.is_uppercase() { lower(character) } else { upper(character) }
    });
    Ok(Value::Text(text))
}

fn is_separator(character: char) -> bool {
    matches!(character, '_' | '-') || character.is_whitespace()
}

/// `HTTPServer2xx` as `http_server_2xx`. A separator in the text stays one.
fn separated(call: &mut Arguments<'_>, separator: char) -> Outcome {
    let text: Vec<char> = call.characters(0)?.chars().collect();
    let mut out = String::with_capacity(text.len() + 8);
    // the first character of the current word
    let mut start = None;
    for (index, &character) in text.iter().enumerate() {
        if is_separator(character) {
            out.push(separator);
            start = None;
            continue;
        }
        if let Some(first) = start
            && begins_word(&text, index, first)
        {
            out.push(separator);
            start = None;
        }
        start = start.or(Some(character));
        out.push(lower(character));
    }
    Ok(Value::text(out))
}

/// Whether a word begins at `index`, whose predecessor belongs to a word that begins with `first`.
fn begins_word(text: &[char], index: usize, first: char) -> bool {
    let (before, here) = (text[index - 1], text[index]);
    if here.is_uppercase() {
        // the last letter of a run of capitals belongs to what follows: HTTPServer
        let ends_run = text.get(index + 1).is_some_and(|next| next.is_lowercase());
        return !before.is_uppercase() || ends_run;
    }
    // digits belong to the letters after them, if there are any: http2xx, but bld4Floor
    here.is_ascii_digit()
        && before.is_alphabetic()
        && !first.is_ascii_digit()
        && text[index..]
            .iter()
            .find(|next| !next.is_ascii_digit())
            .is_some_and(|next| next.is_lowercase())
}

/// `some_snake case` as `SomeSnakeCase`. Separators at both ends stay, and of several in a row all
/// but one.
fn camel_case(call: &mut Arguments<'_>) -> Outcome {
    let text = call.characters(0)?;
    let inner = text.trim_start_matches(is_separator);
    let mut out = text[..text.len() - inner.len()].to_owned();
    let core = inner.trim_end_matches(is_separator);
    let mut capital = true;
    let mut before = 'x';
    for character in core.chars() {
        if is_separator(character) {
            if is_separator(before) {
                out.push(character);
            }
            capital = true;
        } else if capital {
            out.push(upper(character));
            capital = false;
        } else {
            out.push(character);
        }
        before = character;
    }
    out.push_str(&inner[core.len()..]);
    Ok(Value::text(out))
}
