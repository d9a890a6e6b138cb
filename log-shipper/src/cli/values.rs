//! Values of flags that Go reads in its own way.

use crate::config::label_map::LabelMap;

/// Not a number that the flag can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a whole number from {min} to {max}")]
pub(super) struct NumberError {
    text: String,
    min: i128,
    max: i128,
}

/// A whole number, decimal or as `0x1f`, `0o17`, `0b1`.
fn number<T: TryFrom<i64>>(text: &str, min: i128, max: i128) -> Result<T, NumberError> {
    go_compat::strconv::parse_int(text, 0)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| NumberError { text: text.to_owned(), min, max })
}

/// Any whole number.
pub(super) fn integer(text: &str) -> Result<i64, NumberError> {
    number(text, i64::MIN.into(), i64::MAX.into())
}

/// A number of bytes, streams or the like.
pub(super) fn count(text: &str) -> Result<u64, NumberError> {
    number(text, 0, i64::MAX.into())
}

/// A size in memory.
pub(super) fn size(text: &str) -> Result<usize, NumberError> {
    number(text, 0, i64::MAX.into())
}

/// A number of attempts.
pub(super) fn attempts(text: &str) -> Result<u32, NumberError> {
    number(text, 0, u32::MAX.into())
}

/// A TCP port.
pub(super) fn port(text: &str) -> Result<u16, NumberError> {
    number(text, 0, u16::MAX.into())
}

/// Not a list of labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a list of labels: accepted is name=value,name=value, a pair with commas in \
     double quotes"
)]
pub(super) struct LabelsError {
    text: String,
}

/// `name=value,name=value`, each pair perhaps quoted as in CSV.
pub(super) fn labels(text: &str) -> Result<LabelMap, LabelsError> {
    let refused = || LabelsError { text: text.to_owned() };
    let mut labels = LabelMap::default();
    if text.is_empty() {
        return Ok(labels);
    }
    for pair in csv_fields(text).ok_or_else(refused)? {
        let (name, value) = pair.split_once('=').ok_or_else(refused)?;
        labels.set(name, value).map_err(|_name| refused())?;
    }
    Ok(labels)
}

/// The fields of one record; `None` where quotes do not match.
fn csv_fields(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let mut field = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted;
            loop {
                let (part, after) = rest.split_once('"')?;
                field.push_str(part);
                // two quotes stand for one
                let Some(inner) = after.strip_prefix('"') else {
                    rest = after;
                    break;
                };
                field.push('"');
                rest = inner;
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            field.push_str(&rest[..end]);
            rest = &rest[end..];
            if field.contains('"') {
                return None;
            }
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.is_empty().then_some(fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let labels = labels(text).unwrap();
        labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn labels_are_pairs_with_the_quotes_of_csv() {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("a=1,b=2"), [("a", "1"), ("b", "2")].map(owned));
        assert_eq!(pairs("\"a=x,y\",b=p=q"), [("a", "x,y"), ("b", "p=q")].map(owned));
        assert_eq!(pairs("\"a=say \"\"hi\"\"\""), [("a", "say \"hi\"")].map(owned));
        assert_eq!(pairs("a="), [("a", "")].map(owned));
        assert!(pairs("").is_empty());
    }

    #[test]
    fn what_is_no_list_of_labels_is_refused() {
        for text in ["a", "a=1,", "a=1,b", "1a=1", "a.b=1", "\"a=1", "a=\"1\"", "\"a=1\"x"] {
            assert!(labels(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_have_gos_bases_and_a_range() {
        assert_eq!(integer("-0x10"), Ok(-16));
        assert_eq!(port("65535"), Ok(65535));
        assert_eq!(
            port("65536").unwrap_err().to_string(),
            "\"65536\" is not a whole number from 0 to 65535"
        );
        assert!(attempts("-1").is_err() && size("1.5").is_err());
    }
}
