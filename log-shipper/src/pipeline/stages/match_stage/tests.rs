use super::*;
use crate::pipeline::stage_metrics::StageMetrics;
use crate::pipeline::stages::labels::LabelsStage;
use crate::pipeline::stages::static_labels::StaticLabelsStage;
use crate::pipeline::stages::testing::{context, entry, extract, labels, run, text};

type Build = fn() -> Result<Pipeline, StageError>;

fn options(selector: &str, action: Option<&str>) -> MatchOptions {
    MatchOptions {
        selector: Some(selector.to_owned()),
        action: action.map(str::to_owned),
        pipeline_name: None,
    }
}

fn build(options: MatchOptions, stages: Option<Build>) -> Result<MatchStage, StageError> {
    MatchStage::new(options, stages, StageMetrics::new().drop_counter(DEFAULT_REASON))
}

fn mark() -> Result<Pipeline, StageError> {
    let stage = StaticLabelsStage::new(vec![("m".to_owned(), Some("yes".to_owned()))])?;
    Ok(Pipeline::new(vec![Box::new(stage)]))
}

#[test]
fn nested_stages_see_only_selected_lines() {
    let mut stage = build(options(r#"{job="app"} |= "x""#, None), Some(mark)).unwrap();
    let mut selected = entry(&[("job", "app")], "x");
    let mut other = entry(&[("job", "app")], "y");

    assert_eq!(run(&mut stage, &mut selected), Verdict::Pass);
    assert_eq!(run(&mut stage, &mut other), Verdict::Pass);
    assert_eq!(labels(&selected), r#"{job="app", m="yes"}"#);
    assert_eq!(labels(&other), r#"{job="app"}"#);
}

#[test]
fn a_nested_pipeline_begins_with_the_labels_over_the_extracted_values() {
    fn copy() -> Result<Pipeline, StageError> {
        let map = vec![("copy".to_owned(), Some("job".to_owned()))];
        Ok(Pipeline::new(vec![Box::new(LabelsStage::new(map)?)]))
    }
    let mut stage = build(options(r#"{job="J"}"#, Some("keep")), Some(copy)).unwrap();
    let mut entry = entry(&[("job", "J")], "");
    extract(&mut entry, "job", text("O"));
    run(&mut stage, &mut entry);

    assert_eq!(labels(&entry), r#"{copy="J", job="J"}"#);
}

#[test]
fn selected_lines_are_dropped_and_counted() {
    let metrics = StageMetrics::new();
    let options = options(r#"{job="app"} |= "debug""#, Some("drop"));
    let mut stage =
        MatchStage::new(options, None::<Build>, metrics.drop_counter("health_checks")).unwrap();
    let mut debug = entry(&[("job", "app")], "debug 1");

    assert_eq!(run(&mut stage, &mut debug), Verdict::Drop);
    assert_eq!(run(&mut *stage.fork(), &mut debug), Verdict::Drop);
    assert_eq!(run(&mut stage, &mut entry(&[("job", "app")], "keep 1")), Verdict::Pass);
    assert_eq!(metrics.dropped("health_checks"), 2);
}

/// Holds every entry until the flush.
#[derive(Debug, Default)]
struct HoldAll(Vec<Entry>);

impl Stage for HoldAll {
    fn process(&mut self, entry: &mut Entry, _: &mut Context) -> Verdict {
        self.0.push(std::mem::take(entry));
        Verdict::Hold
    }

    fn flush(&mut self, _: bool, context: &mut Context) {
        context.released.append(&mut self.0);
    }

    fn held_since(&self, file: FileId) -> Option<u64> {
        self.0
            .iter()
            .filter(|entry| entry.origin.file == file)
            .map(|entry| entry.origin.begin)
            .min()
    }

    fn fork(&self) -> Box<dyn Stage> {
        Box::<Self>::default()
    }
}

#[test]
fn held_entries_of_nested_stages_are_reported_and_flushed() {
    let hold = || Ok(Pipeline::new(vec![Box::<HoldAll>::default()]));
    let mut stage = build(options(r#"{job="app"}"#, None), Some(hold)).unwrap();
    let mut line = entry(&[("job", "app")], "x");
    (line.origin.file, line.origin.begin) = (3, 40);

    assert_eq!(run(&mut stage, &mut line), Verdict::Hold);
    assert_eq!((stage.held_since(3), stage.held_since(4)), (Some(40), None));
    assert_eq!(stage.fork().held_since(3), None);
    let mut context = context();
    stage.flush(true, &mut context);
    assert_eq!(context.released.len(), 1);
    assert_eq!(context.released[0].line, b"x");
}

#[test]
fn bad_options_are_refused() {
    let good = r#"{job="app"}"#;
    let refusal = |options, stages| build(options, stages).unwrap_err().to_string();
    let none: Option<Build> = None;

    let empty = MatchOptions::default();
    assert!(refusal(empty, Some(mark)).contains("a selector is required"));
    assert!(refusal(options(good, None), none).contains("at least one stage"));
    assert!(refusal(options(good, Some("drop")), Some(mark)).contains("never run"));
    assert!(refusal(options(good, Some("kep")), Some(mark)).contains("accepted: keep, drop"));
    assert!(refusal(options("{}", None), Some(mark)).contains("invalid selector"));
    let unnamed = MatchOptions { pipeline_name: Some(String::new()), ..options(good, None) };
    assert!(refusal(unnamed, Some(mark)).contains("pipeline_name"));
}

#[test]
fn the_error_of_a_nested_stage_is_passed_on() {
    fn broken() -> Result<Pipeline, StageError> {
        Err(StageError::new("json", "broken"))
    }
    let error = build(options(r#"{job="app"}"#, None), Some(broken)).unwrap_err();
    assert_eq!(error.stage, "json");
}
