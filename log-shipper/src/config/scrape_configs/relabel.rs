//! `relabel_configs`: rules are compiled while they are read, so that a bad one is refused with its
//! place in the file.

use instrumentation::json_log::ErrorChain;
use prometheus_model::label_set::is_valid_label_name;
use prometheus_model::relabel::{Action, RelabelConfig, RelabelError, RelabelRule};

use crate::config::decode::{Block, Fields, Value, read_parsed};
use crate::config::finding::Findings;
use crate::config::yaml::{Kind, Node};

impl Block for RelabelConfig {
    const TYPE: &'static str = "relabel.plain";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("source_labels", &mut self.source_labels);
        fields.field("separator", &mut self.separator);
        fields.field("regex", &mut self.regex);
        fields.field("modulus", &mut self.modulus);
        fields.field("target_label", &mut self.target_label);
        fields.field("replacement", &mut self.replacement);
        fields.field("action", &mut self.action);
    }

    fn complete(&mut self, node: &Node, findings: &mut Findings) {
        let at = |key| node.get(key).unwrap_or(node);
        for name in self.source_labels.iter().filter(|name| !is_valid_label_name(name)) {
            findings.error(at("source_labels"), format!("{name:?} is not a valid label name"));
        }
        if let Err(error) = RelabelRule::new(self.clone()) {
            let node = match &error {
                RelabelError::Expression(_) => at("regex"),
                RelabelError::Surplus { key, .. } | RelabelError::Invalid { key, .. } => at(key),
                _ => node,
            };
            // the message of an expression may have several lines
            findings.error(node, ErrorChain(&error).to_string().replace('\n', " "));
        }
    }
}

impl Value for Action {
    fn read(&mut self, node: &Node, findings: &mut Findings) {
        read_parsed(self, node, findings);
    }

    fn write(&mut self) -> Kind {
        Kind::plain(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;
    use crate::config::yaml::to_text;

    fn refused(text: &str) -> Vec<String> {
        read(&mut RelabelConfig::default(), text).0
    }

    #[test]
    fn a_rule_is_read_and_written_with_its_empty_texts() {
        let mut config = RelabelConfig::default();
        let text = "{source_labels: [a, b], separator: '', regex: 1.5, target_label: c, \
                    replacement: '', action: Replace}";
        assert_eq!(read(&mut config, text), (vec![], vec![]));
        assert_eq!((config.separator.as_deref(), config.regex.as_deref()), (Some(""), Some("1.5")));
        let written = to_text(&Node::new(config.write()));
        let mut again = RelabelConfig::default();
        assert_eq!(read(&mut again, &written), (vec![], vec![]));
        assert_eq!(again, config);
    }

    #[test]
    fn rules_that_cannot_work_are_refused_where_they_stand() {
        for (text, error) in [
            (
                "{source_labels: [job], action: rename, target_label: x}",
                "1:32: action: unknown relabel action \"rename\"; accepted are replace, keep,",
            ),
            ("{regex: '(', target_label: x}", "1:9: relabel regex: "),
            ("{source_labels: [a]}", "1:1: relabel action replace requires target_label"),
            (
                "{action: labeldrop, regex: a, target_label: b}",
                "1:45: relabel action labeldrop does not take target_label",
            ),
            ("{source_labels: [a-b], target_label: x}", "1:17: \"a-b\" is not a valid label name"),
            ("{source_label: a, target_label: x}", "1:2: line 1: field source_label not found in"),
        ] {
            let errors = refused(text);
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].starts_with(error), "{}", errors[0]);
        }
    }
}
