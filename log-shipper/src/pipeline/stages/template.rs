//! `template`: a Go template over the extracted values gives one of them a new text.
//!
//! The template is parsed once. An empty result removes the value; a template that fails on a line
//! leaves the value as it was.

mod data;

use std::sync::Arc;

use go_compat::template::Template;

pub(super) use self::data::TemplateData;
use super::error::StageError;
use super::options::{Options, locate};
use crate::config::Finding;
use crate::config::yaml::Node;
use crate::pipeline::entry::Entry;
use crate::pipeline::extracted::ValueRef;
use crate::pipeline::stage::{Context, Stage, Verdict};

/// Options as in the configuration.
#[derive(Debug, Clone, Default)]
pub struct TemplateOptions {
    /// Extracted value to set; its present text is `.Value`.
    pub source: String,
    /// The template; empty removes the value.
    pub template: String,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct TemplateStage {
    source: Arc<str>,
    template: Template,
    /// Reused for the result.
    rendered: Vec<u8>,
}

/// Parses a template given under a key of a stage.
pub(super) fn parse(
    stage: &'static str,
    key: &str,
    template: &str,
) -> Result<Template, StageError> {
    Template::parse(template).map_err(|cause| {
        StageError::new(stage, "the template does not parse")
            .key(key)
            .accepted("a Go text/template with sprig's functions")
            .cause(cause)
    })
}

impl TemplateStage {
    /// A stage with these options.
    ///
    /// # Errors
    ///
    /// No source, or a template that does not parse.
    pub fn new(options: &TemplateOptions) -> Result<Self, StageError> {
        if options.source.is_empty() {
            return Err(StageError::new("template", "template source value is required")
                .key("source")
                .accepted("the name of the extracted value to set"));
        }
        let template = parse("template", "template", &options.template)?;
        Ok(Self { source: Arc::from(&*options.source), template, rendered: Vec::new() })
    }

    /// Decodes the options.
    ///
    /// # Errors
    ///
    /// Values of a wrong type, and what [`Self::new`] refuses.
    pub fn from_node(node: &Node, warnings: &mut Vec<Finding>) -> Result<Self, StageError> {
        let mut options = Options::strict("template", node)?;
        let decoded = TemplateOptions {
            source: options.text("source")?.unwrap_or_default(),
            template: options.text("template")?.unwrap_or_default(),
        };
        options.finish(warnings);
        Self::new(&decoded).map_err(|error| locate(error, node))
    }
}

impl Stage for TemplateStage {
    fn process(&mut self, entry: &mut Entry, context: &mut Context) -> Verdict {
        let value = entry.extracted.get(&self.source).and_then(ValueRef::to_bytes);
        let data = TemplateData {
            extracted: &entry.extracted,
            value: value.as_deref(),
            line: Some(&entry.line),
            now_ns: context.now_ns,
        };
        self.rendered.clear();
        if self.template.render(&data, &mut self.rendered).is_err() {
            return Verdict::Pass;
        }
        drop(value);
        if self.rendered.is_empty() {
            entry.extracted.remove(&self.source);
        } else {
            entry.extracted.set_text(&self.source, &self.rendered);
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
    use crate::pipeline::stages::testing::{entry, extract, run, text};

    fn stage(source: &str, template: &str) -> TemplateStage {
        let options = TemplateOptions { source: source.to_owned(), template: template.to_owned() };
        TemplateStage::new(&options).unwrap()
    }

    /// The value under `x` after a template for it, with these values extracted before.
    fn rendered(template: &str, values: &[(&str, Value)]) -> Option<String> {
        let mut entry = entry(&[("job", "app")], "the line");
        for (name, value) in values {
            extract(&mut entry, name, value.clone());
        }
        run(&mut stage("x", template), &mut entry);
        entry.extracted.get("x").and_then(ValueRef::to_text).map(Cow::into_owned)
    }

    #[test]
    fn the_value_the_line_and_other_values_are_available() {
        let template = "{{ .Value | ToUpper }} {{ .Entry }} {{ .job }} {{ .n }} {{ .b }}";
        let values = [("x", text("a")), ("n", Value::Number(1e21)), ("b", Value::Bool(true))];
        assert_eq!(
            rendered(template, &values).as_deref(),
            Some("A the line app 1000000000000000000000 true")
        );
    }

    #[test]
    fn missing_and_null_values_print_as_no_value() {
        assert_eq!(rendered("{{ .missing }}", &[]).as_deref(), Some("<no value>"));
        assert_eq!(rendered("{{ .n }}", &[("n", Value::Null)]).as_deref(), Some("<no value>"));
        assert_eq!(
            rendered("{{ .Value }}|{{ .not_there | default \"dflt\" }}", &[]).as_deref(),
            Some("<no value>|dflt")
        );
    }

    #[test]
    fn an_empty_result_removes_the_value() {
        assert_eq!(rendered("{{ if false }}x{{ end }}", &[("x", text("old"))]), None);
        assert_eq!(rendered("", &[("x", text("old"))]), None);
    }

    #[test]
    fn a_template_that_fails_leaves_the_value() {
        assert_eq!(
            rendered("new {{ index .x 99 }}", &[("x", text("old"))]).as_deref(),
            Some("old")
        );
        assert_eq!(rendered("new {{ index .y 99 }}", &[("y", text("a"))]), None);
    }

    #[test]
    fn numbers_of_json_are_text_to_a_template() {
        let template = r#"{{ printf "%05s|%-4s|" .num .num }}"#;
        assert_eq!(rendered(template, &[("num", text("7"))]).as_deref(), Some("00007|7   |"));
        assert_eq!(
            rendered(template, &[("num", Value::Number(7.0))]).as_deref(),
            Some("00007|7   |")
        );
    }

    #[test]
    fn control_flow_and_functions_as_promtail_recorded_them() {
        let class = r#"{{- $c := .code | default "0" | int -}}
            {{- if and (ge $c 500) (lt $c 600) -}} server
            {{- else if or (eq $c 200) (eq $c 201) -}} ok
            {{- else -}} other {{- end -}}"#;
        assert_eq!(rendered(class, &[("code", text("503"))]).as_deref(), Some("server"));
        assert_eq!(rendered(class, &[("code", text("200"))]).as_deref(), Some("ok"));
        assert_eq!(rendered(class, &[]).as_deref(), Some("other"));
        let slow = "{{ with .lat }}lat={{ . }}{{ else }}none{{ end }}";
        assert_eq!(rendered(slow, &[("lat", text("0.25"))]).as_deref(), Some("lat=0.25"));
        assert_eq!(rendered(slow, &[]).as_deref(), Some("none"));
        assert_eq!(
            rendered(r#"{{ Hash "salt" .app }}"#, &[("app", text("b"))]).as_deref(),
            Some("997d099266e7fe39fa2552bb2de7eeb317245e339adb822a41fb993f619aa2b3")
        );
        assert_eq!(
            rendered(
                r#"{{ Replace .path "/" "_" -1 | TrimPrefix "_" | TrimSuffix "x" }}"#,
                &[("path", text("/v1/models/x"))]
            )
            .as_deref(),
            Some("x")
        );
        assert_eq!(rendered("{{ .Entry | len }}", &[]).as_deref(), Some("8"));
    }

    #[test]
    fn the_whole_map_can_be_used() {
        let template = "{{ range $k, $v := . }}{{ $k }}={{ $v }};{{ end }}";
        assert_eq!(
            rendered(template, &[("x", text("1")), ("null", Value::Null)]).as_deref(),
            Some("Entry=the line;Value=1;job=app;x=1;")
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_pass_through() {
        let mut entry = entry(&[], b"\xff");
        run(&mut stage("x", "<{{ .Entry }}>"), &mut entry);
        assert_eq!(entry.extracted.get("x"), Some(ValueRef::Text(b"<\xff>")));
    }

    #[test]
    fn options_that_cannot_work_are_refused() {
        let refusal = |source: &str, template: &str| {
            let options =
                TemplateOptions { source: source.to_owned(), template: template.to_owned() };
            TemplateStage::new(&options).unwrap_err()
        };
        assert!(refusal("", "x").to_string().contains("source: template source value is required"));
        assert!(
            refusal("a", "{{ .Value ")
                .to_string()
                .contains("template: the template does not parse")
        );
        let unknown = std::error::Error::source(&refusal("a", "{{ nope }}")).unwrap().to_string();
        assert!(unknown.contains("function \"nope\" not defined"), "{unknown}");
    }
}
