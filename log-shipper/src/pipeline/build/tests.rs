use super::*;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use prometheus_model::exposition::{Collect, Format, Writer};
use prometheus_model::instrument::Registry;
use prometheus_model::label_set::LabelSet;

use crate::config::yaml;
use crate::pipeline::entry::Entry;
use crate::pipeline::stage::{Context, Verdict};

mod promtail;
mod promtail_metrics;

/// 2024-01-02T03:04:05Z
const NOW_NS: i64 = 1_704_164_645_000_000_000;

const FILE: (&str, &str) = ("filename", "/in/a.log");
const APP: [(&str, &str); 2] = [FILE, ("job", "app")];

fn try_build(stages: &str, context: &mut BuildContext) -> Result<Pipeline, StageError> {
    let root = yaml::parse(stages).unwrap();
    let Kind::Sequence(stages) = &root.kind else { panic!("a list of stages") };
    build(stages, context)
}

fn context() -> BuildContext {
    BuildContext::new("logs", &StageMetrics::new(), &CustomMetrics::new(), 1)
}

/// The error's message with its causes.
fn refusal(stages: &str) -> String {
    let error = try_build(stages, &mut context()).expect_err(stages);
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What came out of a pipeline.
struct Run {
    entries: Vec<Entry>,
    context: BuildContext,
}

/// Lines of one target through a pipeline, as a tailer does it.
fn run(stages: &str, labels: &[(&str, &str)], lines: &[&str]) -> Run {
    let mut build_context = context();
    let mut pipeline = try_build(stages, &mut build_context).unwrap();
    let base: Arc<LabelSet> = Arc::new(labels.iter().copied().collect());
    let mut context = Context::new(NOW_NS, Instant::now());
    let mut entry = Entry::default();
    let mut entries = Vec::new();
    for line in lines {
        entry.timestamp_ns = NOW_NS;
        entry.line = line.as_bytes().to_vec();
        entry.labels.reset(&base);
        entry.metadata.clear();
        entry.extracted.reset(&base);
        let verdict = pipeline.process(&mut entry, &mut context);
        entries.append(&mut context.released);
        if verdict == Verdict::Pass {
            entries.push(entry.clone());
        }
    }
    pipeline.flush(true, &mut context);
    entries.append(&mut context.released);
    Run { entries, context: build_context }
}

impl Run {
    fn lines(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| std::str::from_utf8(&entry.line).unwrap()).collect()
    }

    /// Labels without the file name.
    fn labels(&self) -> Vec<String> {
        self.entries
            .iter()
            .map(|entry| {
                let mut labels = entry.labels.to_label_set();
                labels.remove("filename");
                labels.to_string()
            })
            .collect()
    }

    /// Structured metadata, sorted by name.
    fn metadata(&self) -> Vec<Vec<(&str, &str)>> {
        self.entries
            .iter()
            .map(|entry| {
                let mut pairs: Vec<_> =
                    entry.metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
                pairs.sort_unstable();
                pairs
            })
            .collect()
    }

    fn dropped(&self, reason: &str) -> u64 {
        self.context.metrics.dropped(reason)
    }

    /// Samples of custom metrics.
    fn samples(&self) -> Vec<String> {
        let mut writer = Writer::new(Format::Text004);
        self.context.custom_metrics.collect(&mut writer);
        let page = String::from_utf8(writer.finish()).unwrap();
        page.lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with("log_shipper_"))
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn all_known_stages_can_be_built() {
    let database = tempfile::NamedTempFile::new().unwrap();
    let bytes = stack_tests::geo_database::GeoDatabase::new("GeoLite2-ASN").bytes();
    std::fs::write(database.path(), bytes).unwrap();
    let geoip = format!("{{db: {}, source: a, db_type: asn}}", database.path().display());
    let options = |name: &str| match name {
        "cri"
        | "decolorize"
        | "docker"
        | "eventlogmessage"
        | "labels"
        | "metrics"
        | "pack"
        | "static_labels"
        | "structured_metadata"
        | "non_indexed_labels" => "",
        "drop" | "output" => "{source: a}",
        "geoip" => &geoip,
        "json" => "{expressions: {a: }}",
        "labelallow" | "labeldrop" => "[a]",
        "limit" => "{rate: 1, burst: 1}",
        "logfmt" => "{mapping: {a: }}",
        "match" => "{selector: '{a=\"b\"}', action: drop}",
        "multiline" => "{firstline: a}",
        "regex" | "replace" => "{expression: '(?P<a>b)'}",
        "sampling" => "{rate: 1}",
        "template" => "{source: a, template: b}",
        "tenant" => "{value: a}",
        "timestamp" => "{source: a, format: Unix}",
        other => panic!("no options for {other}"),
    };
    for name in STAGES {
        let stages = format!("- {name}: {}", options(name));
        try_build(&stages, &mut context()).unwrap_or_else(|error| panic!("{stages}: {error}"));
    }
    assert!(STAGES.is_sorted());
}

#[test]
fn an_item_must_be_a_map_with_one_text_as_key() {
    assert_eq!(
        refusal("- docker: {}\n- json: {expressions: {a: a}}\n  labels: {a: a}\n"),
        "line 2, column 3: pipeline stage: a stage must contain only one key, this one has json, \
         labels; accepted: a map with one key, such as `- json: {...}` or `- docker: {}`"
    );
    assert!(refusal("- decolorize").contains("line 1, column 3: pipeline stage: \"decolorize\""));
    assert!(refusal("-\n- docker: {}").contains("is no stage"));
    assert!(refusal("- [docker]").contains("is no stage"));
    assert!(refusal("- yes: {}").contains("must be a text"));
}

#[test]
fn an_empty_map_is_nothing_with_a_warning() {
    let mut context = context();
    try_build("- {}", &mut context).unwrap();
    assert_eq!(context.warnings.len(), 1);
}

#[test]
fn unknown_stages_are_refused_with_the_known_ones() {
    let error = refusal("- parse_json: {}");
    assert!(error.contains("unknown stage \"parse_json\"; accepted: cri, decolorize"), "{error}");
    assert!(refusal("- luhn: {}").contains("luhn exists in Alloy only"));
    assert!(refusal("- label_drop: [a]").contains("accepted: labeldrop"));
    assert!(refusal("- geoip: {source: ip}").contains("geoip stage: db: db path cannot be empty"));
}

#[test]
fn errors_of_nested_stages_keep_their_place() {
    let nested = "- match:\n    selector: '{job=\"app\"}'\n    stages:\n      - limit: {rate: 0, burst: 1}\n";
    assert!(
        refusal(nested).starts_with("line 4, column 23: limit stage: rate: "),
        "{}",
        refusal(nested)
    );
}

#[test]
fn matches_may_not_be_nested_without_end() {
    let mut stages = "docker: {}".to_owned();
    for _ in 0..40 {
        stages = format!("match: {{selector: '{{a=\"b\"}}', stages: [{{{stages}}}]}}");
    }
    assert!(refusal(&format!("- {stages}")).contains("nested too deeply"));
}

#[test]
fn unknown_keys_are_ignored_with_a_warning_that_names_the_known_ones() {
    let mut context = context();
    try_build("- drop: {source: nope, reason: x}", &mut context).unwrap();

    assert_eq!(context.warnings.len(), 1, "{:?}", context.warnings);
    let warning = context.warnings[0].to_string();
    assert!(warning.starts_with("1:24: scrape config \"logs\": drop stage: "), "{warning}");
    assert!(warning.contains("unknown key reason is ignored; known: source, "), "{warning}");
}

#[test]
fn questionable_options_are_warned_about() {
    let mut context = context();
    let stages = "
        - sampling: {}
        - limit: {rate: 1, burst: 1, drop: true, by_label_name: a, max_distinct_labels: 5}
        - metrics: {m: {type: counter, config: {action: inc}}}
        - metrics: {m: {type: gauge, config: {action: inc}}}";
    try_build(stages, &mut context).unwrap();

    let warnings: Vec<String> = context.warnings.iter().map(ToString::to_string).collect();
    let warnings = warnings.join("\n");
    assert_eq!(context.warnings.len(), 3, "{warnings}");
    for expected in ["all lines are dropped", "raised to 10000", "defined with two types"] {
        assert!(warnings.contains(expected), "{warnings}");
    }
}

#[test]
fn two_sampling_stages_draw_different_numbers() {
    let lines = vec!["x"; 4000];
    let twice = run("- sampling: {rate: 0.5}\n- sampling: {rate: 0.5}", &APP, &lines);
    // 1000, 6 standard deviations of 27
    assert!((840..=1160).contains(&twice.entries.len()), "{}", twice.entries.len());
}

#[test]
fn values_of_a_wrong_type_name_the_key_and_what_is_accepted() {
    assert_eq!(
        refusal("- static_labels: {s: 5}"),
        "line 1, column 22: static_labels stage: s: wrong type: the number 5; accepted: a text; \
         quote what YAML takes for something else"
    );
    for (stages, expected) in [
        ("- tenant: {source: n}", "wrong type: the boolean n; accepted: text"),
        ("- labels: {n: x}", "a key is the boolean n"),
        ("- labels: [a]", "wrong type: a list; accepted: a map of options"),
        ("- labeldrop: a", "wrong type: the text \"a\"; accepted: a list of texts"),
        ("- labeldrop: [1]", "wrong type: the number 1"),
        ("- drop: {older_than: 5x}", "invalid duration \"5x\"; accepted: a Go duration"),
        ("- drop: {longer_than: 5x}", "invalid size \"5x\"; accepted: bytes"),
        (
            "- limit: {rate: fast, burst: 1}",
            "rate: wrong type: the text \"fast\"; accepted: a number",
        ),
        ("- match: {selector: '{a=\"b\"}', stages: {docker: {}}}", "stages: wrong type: a map"),
        ("- metrics: {m: {type: 5}}", "m.type: wrong type: the number 5"),
        ("- metrics: {m: {type: histogram, config: {buckets: 5}}}", "accepted: a list of numbers"),
    ] {
        let error = refusal(stages);
        assert!(error.contains(expected), "{stages}: {error}");
    }
}

#[test]
fn weakly_typed_stages_take_texts_for_numbers_and_numbers_for_texts() {
    let limited = run("- limit: {rate: '0.001', burst: '2', drop: 'true'}", &APP, &["1", "2", "3"]);
    assert_eq!(limited.lines(), ["1", "2"]);

    let dropped = run("- drop: {source: job, value: 5}", &[("job", "5")], &["x"]);
    assert_eq!(dropped.dropped("drop_stage"), 1);

    assert_eq!(run("- sampling: {rate: '1'}", &APP, &["x"]).lines(), ["x"]);
}

#[test]
fn lines_that_a_stage_cannot_read_are_on_the_page_by_stage_and_reason() {
    let stages = "- logfmt: {mapping: {a: }}\n- json: {expressions: {a: }, drop_malformed: true}\n";
    let page = |lines: &[&str]| {
        let registry = Registry::new();
        run(stages, &APP, lines).context.metrics.register(&registry).unwrap();
        let mut writer = Writer::new(Format::Text004);
        registry.collect(&mut writer);
        String::from_utf8(writer.finish()).unwrap()
    };
    let idle = page(&[]);
    assert!(idle.contains("log_shipper_malformed_lines_total{stage=\"logfmt\"} 0\n"), "{idle}");
    let page = page(&["a=\"", "a=1"]);
    assert!(page.contains("log_shipper_malformed_lines_total{stage=\"logfmt\"} 1\n"), "{page}");
    assert!(page.contains("logentry_dropped_lines_total{reason=\"json_stage\"} 2\n"), "{page}");
}
