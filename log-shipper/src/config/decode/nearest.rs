//! The known key that somebody probably meant.

/// The closest of `known` to `name`, if it is close: case and `_-` do not count, and of the rest no
/// more than a third may differ.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let fold = |text: &str| -> Vec<char> {
        text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
    };
    let name = fold(name);
    // a key of absurd length is no misspelling, and the distance costs its square
    if name.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|&key| (distance(&name, &fold(key)), key))
        .filter(|(distance, key)| *distance * 3 <= key.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// Insertions, deletions and replacements between two words (Levenshtein).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_its_like_and_a_foreign_one_does_not() {
        let known = ["batchwait", "batchsize", "url", "tenant_id"];
        for (name, near) in [
            ("batch_wait", Some("batchwait")),
            ("batchWait", Some("batchwait")),
            ("batch_sise", Some("batchsize")),
            ("tenant", Some("tenant_id")),
            ("tenantid", Some("tenant_id")),
            ("urls", Some("url")),
            ("password", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), near, "{name}");
        }
    }
}
