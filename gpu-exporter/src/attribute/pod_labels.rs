//! Which labels of pods are shown, and under which names.

use go_compat::regexp::{Regexp, RegexpError};

/// A pattern for names of labels that is no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("pod label pattern {pattern:?} is no regular expression of Go's syntax")]
pub struct LabelPatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    #[source]
    pub cause: RegexpError,
}

/// Chooses labels by their names. A pattern may match anywhere in a name, as in dcgm-exporter.
#[derive(Debug, Default)]
pub(super) struct PodLabels {
    patterns: Vec<Regexp>,
}

impl PodLabels {
    /// Of those names that one of the patterns matches.
    pub(super) fn new(patterns: &[String]) -> Result<Self, LabelPatternError> {
        let compile = |pattern: &String| {
            Regexp::new(pattern)
                .map_err(|cause| LabelPatternError { pattern: pattern.clone(), cause })
        };
        Ok(Self { patterns: patterns.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// No label is wanted.
    pub(super) const fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The labels that are wanted, sorted, under names that Prometheus accepts. Of two labels that
    /// get one name the first by its own name stays.
    pub(super) fn choose(&self, mut labels: Vec<(String, String)>) -> Vec<(String, String)> {
        labels.retain(|(name, _)| {
            self.patterns.iter().any(|pattern| pattern.is_match(name.as_bytes()))
        });
        labels.sort_unstable();
        for (name, _) in &mut labels {
            *name = legal_name(name);
        }
        labels.sort_by(|(left, _), (right, _)| left.cmp(right));
        labels.dedup_by(|(later, _), (earlier, _)| later == earlier);
        labels
    }
}

/// `app.kubernetes.io/name` becomes `app_kubernetes_io_name`.
fn legal_name(name: &str) -> String {
    let legal = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let mut made: String = name.chars().map(legal).collect();
    if made.starts_with(|first: char| first.is_ascii_digit()) {
        made.insert(0, '_');
    }
    // `__` in front is kept for Prometheus itself
    if made.starts_with("__") {
        let rest = made.trim_start_matches('_');
        made = format!("_{rest}");
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(patterns: &[&str], labels: &[(&str, &str)]) -> Vec<(String, String)> {
        let patterns: Vec<_> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        PodLabels::new(&patterns).unwrap().choose(labels.collect())
    }

    #[test]
    fn labels_are_chosen_by_any_pattern_and_get_legal_names() {
        let labels = [("team", "ml"), ("app.kubernetes.io/name", "vllm"), ("hash", "x")];
        let chosen = choose(&["^team$", "^app"], &labels);
        let expected = [("app_kubernetes_io_name", "vllm"), ("team", "ml")];
        assert_eq!(chosen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(choose(&[], &labels), []);
    }

    #[test]
    fn a_name_is_shown_once() {
        let chosen = choose(&["."], &[("a-b", "dash"), ("a.b", "dot"), ("a_b", "line")]);
        assert_eq!(chosen, [("a_b".to_owned(), "dash".to_owned())]);
    }

    #[test]
    fn names_do_not_begin_with_digits_or_two_underscores() {
        assert_eq!(legal_name("3d"), "_3d");
        assert_eq!(legal_name("__name__"), "_name__");
        assert_eq!(legal_name("über"), "_ber");
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_named() {
        let error = PodLabels::new(&["team".to_owned(), "(".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("\"(\""), "{error}");
    }
}
