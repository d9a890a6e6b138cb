//! `regex`: the named groups of the first match become extracted values.
//!
//! A named group that took no part in the match is an empty text, not absent: Promtail's users
//! have labels that depend on it. Nothing is held between lines but reused memory.

use std::sync::Arc;

use go_compat::regexp::{Locations, Regexp};

use super::error::StageError;
use super::options::{Options, locate};
use super::source::Source;
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct RegexOptions {
    /// Pattern in Go's syntax.
    pub expression: String,
    /// Extracted value to match instead of the line.
    pub source: Option<String>,
}

/// Number and name of each named group, in the order of the pattern.
pub(super) type Groups = Arc<[(usize, Arc<str>)]>;

/// Compiles the option `expression` of a stage.
pub(super) fn compile(
    stage: &'static str,
    expression: &str,
) -> Result<(Regexp, Groups), StageError> {
    if expression.is_empty() {
        return Err(StageError::new(stage, "expression is required")
            .key("expression")
            .accepted("a regular expression in Go (RE2) syntax"));
    }
    let regexp = Regexp::new(expression).map_err(|cause| {
        StageError::new(stage, "could not compile regular expression")
            .key("expression")
            .accepted("Go (RE2) syntax")
            .cause(cause)
    })?;
    let names = regexp.group_names().iter().enumerate();
    let groups =
        names.filter_map(|(group, name)| Some((group, Arc::clone(name.as_ref()?)))).collect();
    Ok((regexp, groups))
}

/// See the module.
#[derive(Debug, Clone)]
pub struct RegexStage {
    regexp: Regexp,
    groups: Groups,
    source: Source,
    locations: Locations,
}

impl RegexStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// No expression or one that does not compile, an empty source.
    pub fn new(options: RegexOptions) -> Result<Self, StageError> {
        let (regexp, groups) = compile("regex", &options.expression)?;
        let source = Source::new("regex", options.source)?;
        let locations = regexp.capture_locations();
        Ok(Self { regexp, groups, source, locations })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::strict("regex", node)?;
        let decoded = RegexOptions {
            expression: options.text("expression")?.unwrap_or_default(),
            source: options.text("source")?,
        };
        let stage = Self::new(decoded).map_err(|error| locate(error, node))?;
        if stage.groups.is_empty() {
            options.warn("the expression has no named group, so nothing is extracted");
        }
        options.finish(warnings);
        Ok(stage)
    }
}

impl Stage for RegexStage {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        let Self { regexp, groups, source, locations } = self;
        let Some(text) = source.text(&entry.line, &entry.extracted) else { return Verdict::Pass };
        if regexp.captures_read(locations, text) {
            for (group, name) in &**groups {
                let value = locations.get(*group).map_or(&[][..], |(begin, end)| &text[begin..end]);
                entry.extracted.set_text(name, value);
            }
        }
        Verdict::Pass
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::pipeline::extracted::Value;
    use crate::pipeline::extracted::ValueRef;
    use crate::pipeline::stages::testing::{entry, extract, run, text};

    fn stage(expression: &str) -> RegexStage {
        RegexStage::new(RegexOptions { expression: expression.to_owned(), source: None }).unwrap()
    }

    /// `a=1 b=` of what is extracted from the line.
    fn extracted(expression: &str, line: &str) -> String {
        let mut entry = entry(&[], line);
        assert_eq!(run(&mut stage(expression), &mut entry), Verdict::Pass);
        let mut values: Vec<_> = entry
            .extracted
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_text().unwrap()))
            .collect();
        values.sort_unstable();
        values.join(" ")
    }

    #[test]
    fn named_groups_are_extracted_and_absent_ones_are_empty() {
        let access = r#"^(?P<ip>\S+) \S+ (?:-|(?P<user>\w+)) \[[^\]]+\] "(?P<method>[A-Z]+) (?P<path>\S+)[^"]*" (?P<status>\d{3}) (?P<size>\d+|-)$"#;
        assert_eq!(
            extracted(
                access,
                r#"10.0.0.7 - - [25/Oct/2023:10:30:45 +0000] "POST /v1/predict HTTP/1.1" 200 512"#
            ),
            "ip=10.0.0.7 method=POST path=/v1/predict size=512 status=200 user="
        );
        assert_eq!(extracted(access, "unparsable line"), "");
        assert_eq!(
            extracted(r"^(?P<ts>\S+) (?P<opt>x)?(?P<rest>.*)$", "T1 hello"),
            "opt= rest=hello ts=T1"
        );
    }

    #[test]
    fn only_the_first_match_counts_and_unnamed_groups_are_ignored() {
        assert_eq!(extracted(r"(\w)(?P<n>\d)", "a1 b2"), "n=1");
        assert_eq!(extracted("(?P<first>a|ab|abc)", "xabc"), "first=a");
    }

    #[test]
    fn classes_know_ascii_only() {
        assert_eq!(extracted(r"^(?P<w>\w+)", "é1"), "");
        assert_eq!(extracted(r"name=(?P<word>\w*)", "größe=12 name=Straße"), "word=Stra");
        assert_eq!(extracted(r"(?i)n=(?P<digits>\d+)", "n=١٢٣ N=8"), "digits=8");
        assert_eq!(extracted(r"(?P<spaced>\S+)\s+name", "n=7\u{a0}name=nbsp"), "");
        assert_eq!(extracted(r"a\s*(?P<c>.)", "a\u{b}b"), "c=\u{b}");
        assert_eq!(extracted(r"a\s*(?P<c>.)", "a\u{a0}b"), "c=\u{a0}");
    }

    #[test]
    fn gos_syntax_is_understood() {
        for (expression, line, expected) in [
            (r"^(?P<dup>x)\d|^(?P<dup>y)$", "x1", "dup="),
            (r"^(?P<dup>x)\d|^(?P<dup>y)$", "y", "dup=y"),
            (r"\Qa.b\E(?P<quoted>.)", "a.b!", "quoted=!"),
            (r"\Qa.b\E(?P<quoted>.)", "axb!", ""),
            (r"^(?<short>new)$", "new", "short=new"),
            (r"^[[:word:]]+\pN(?P<after>[^\pN])", "word7z", "after=z"),
            (r"\x{1F680}\s(?P<rocket>.*)", "go 🚀 up", "rocket=up"),
            (r"(?m)^b(?P<line>.*)$", "one\nbtwo\nthree", "line=two"),
            (r"(?s)^(?P<all>one.b)", "one\nbtwo\nthree", "all=one\nb"),
        ] {
            assert_eq!(extracted(expression, line), expected, "{expression} on {line}");
        }
    }

    #[test]
    fn a_value_is_matched_with_a_source() {
        let options = RegexOptions {
            expression: r"^(?P<verb>[A-Z]+) /v1/models/(?P<model>[^:/]+)(:(?P<action>\w+))?"
                .to_owned(),
            source: Some("req".to_owned()),
        };
        let mut stage = RegexStage::new(options).unwrap();
        let mut model = |req: Option<Value>| {
            let mut entry = entry(&[], "POST /v1/models/line:predict");
            if let Some(req) = req {
                extract(&mut entry, "req", req);
            }
            run(&mut stage, &mut entry);
            let get =
                |name| entry.extracted.get(name).and_then(ValueRef::to_text).map(Cow::into_owned);
            (get("model"), get("action"))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            model(Some(text("POST /v1/models/fraud:predict"))),
            (some("fraud"), some("predict"))
        );
        assert_eq!(model(Some(text("GET /v1/models/churn"))), (some("churn"), some("")));
        assert_eq!(model(Some(Value::Number(17.0))), (None, None));
        assert_eq!(model(Some(Value::Null)), (None, None));
        assert_eq!(model(None), (None, None));
    }

    #[test]
    fn groups_of_a_line_that_is_not_utf_8_keep_its_bytes() {
        let mut entry = entry(&[], b"k=\xff\xfe;");
        run(&mut stage("k=(?P<k>[^;]*)"), &mut entry);
        assert_eq!(entry.extracted.get("k"), Some(ValueRef::Text(b"\xff\xfe")));
    }

    #[test]
    fn options_that_cannot_work_are_refused() {
        let refusal = |expression: &str| {
            let options = RegexOptions { expression: expression.to_owned(), source: None };
            RegexStage::new(options).unwrap_err().to_string()
        };
        assert!(refusal("").contains("expression: expression is required"));
        assert!(refusal("(?P<a>x").contains("expression: could not compile regular expression"));
    }

    #[test]
    fn an_expression_without_named_groups_is_warned_about() {
        let mut warnings = Vec::new();
        let node = crate::config::yaml::parse("{expression: '(a)'}").unwrap();
        RegexStage::from_node(&node, &mut warnings).unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].message.contains("no named group"),
            "{warnings:?}"
        );
    }
}
