//! How much of an alert is kept, whatever comes.

use std::collections::BTreeMap;

use prometheus_model::label_set::LabelSet;

/// Labels of an alert, and annotations; those beyond make it unusable.
pub(super) const MAX_PAIRS: usize = 64;

/// Bytes of a value. A longer one is cut.
pub(super) const MAX_VALUE: usize = 64 << 10;

/// Ends a value that was cut.
const CUT: &str = "… (cut)";

/// Bytes of a rejected alert that are kept.
pub(super) const MAX_REJECTED: usize = 16 << 10;

/// The set of these pairs, without those whose value is empty if `drop_empty`.
pub(super) fn label_set(
    pairs: &BTreeMap<String, String>,
    what: &str,
    drop_empty: bool,
) -> Result<LabelSet, String> {
    if pairs.len() > MAX_PAIRS {
        return Err(format!("{} {what}, at most {MAX_PAIRS} are accepted", pairs.len()));
    }
    let kept = pairs.iter().filter(|(_, value)| !(drop_empty && value.is_empty()));
    Ok(kept.map(|(name, value)| (cut(name), cut(value))).collect())
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_VALUE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_VALUE - CUT.len());
    format!("{}{CUT}", &text[..end])
}

/// The beginning of what was rejected.
pub(super) fn beginning(body: &str) -> String {
    body[..body.floor_char_boundary(MAX_REJECTED)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(number: usize, value: &str) -> BTreeMap<String, String> {
        (0..number).map(|index| (format!("label{index}"), value.to_owned())).collect()
    }

    #[test]
    fn values_are_cut_between_characters_and_marked() {
        let long = "ä".repeat(MAX_VALUE);
        let set = label_set(&pairs(1, &long), "labels", true).unwrap();
        let value = set.get("label0").unwrap();
        assert!(value.len() <= MAX_VALUE && value.len() > MAX_VALUE - 8, "{}", value.len());
        assert!(value.ends_with("ä… (cut)"));
    }

    #[test]
    fn too_many_labels_are_refused_and_empty_ones_are_none() {
        let error = label_set(&pairs(65, "x"), "labels", true).unwrap_err();
        assert_eq!(error, "65 labels, at most 64 are accepted");
        assert!(label_set(&pairs(3, ""), "labels", true).unwrap().is_empty());
        assert_eq!(label_set(&pairs(3, ""), "annotations", false).unwrap().len(), 3);
    }
}
