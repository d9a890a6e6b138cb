use std::time::Instant;

use prometheus_model::label_set::LabelSet;

use super::*;
use crate::config::yaml;
use crate::pipeline::build::{BuildContext, build};
use crate::pipeline::run::Pipeline;
use crate::pipeline::stage_metrics::StageMetrics;
use crate::pipeline::stages::metrics::registry::CustomMetrics;

type Told = Arc<Mutex<Vec<Step>>>;

fn observed(stages: &str) -> (Pipeline, Told) {
    let told = Told::default();
    let teller = Arc::clone(&told);
    let mut context = BuildContext::new("j", &StageMetrics::new(), &CustomMetrics::new(), 1);
    context.observer = Some(Observer::new(move |step| teller.lock().unwrap().push(step)));
    let node = yaml::parse(stages).unwrap();
    let Kind::Sequence(stages) = node.kind else { panic!("a list") };
    (build(&stages, &mut context).unwrap(), told)
}

fn run(pipeline: &mut Pipeline, line: &str, context: &mut Context) -> Verdict {
    let labels: Arc<LabelSet> = Arc::new([("app", "a".to_owned())].into_iter().collect());
    let mut entry = Entry { line: line.as_bytes().to_vec(), ..Entry::default() };
    entry.labels.reset(&labels);
    entry.extracted.reset(&labels);
    pipeline.process(&mut entry, context)
}

fn names(steps: &[Step]) -> Vec<(&str, Outcome)> {
    steps.iter().map(|step| (step.stage.name.as_str(), step.outcome)).collect()
}

#[test]
fn each_stage_says_what_it_changed_and_where_it_stands() {
    let (mut pipeline, told) = observed(
        "- logfmt: {mapping: {level: }}\n- labels: {level: }\n- output: {source: level}\n",
    );
    let mut context = Context::new(1, Instant::now());
    assert_eq!(run(&mut pipeline, "level=warn", &mut context), Verdict::Pass);
    let told = told.lock().unwrap();
    let text = |text: &str| Some(Value::Text(text.into()));
    assert_eq!(told[0].changes, [Change::Extracted("level".into(), None, text("warn"))]);
    assert_eq!(told[1].changes, [Change::Label("level".into(), None, Some("warn".into()))]);
    assert_eq!(told[2].changes, [Change::Line(b"level=warn".into(), b"warn".into())]);
    assert_eq!((told[1].stage.line, told[1].stage.column), (2, 3));
    assert_eq!(told[2].stage.options, "{source: level}");
}

#[test]
fn stages_of_a_match_stand_inside_it_and_one_that_selects_nothing_says_so() {
    let (mut pipeline, told) = observed(
        "- match: {selector: '{app=\"b\"}', stages: [docker: {}]}\n\
         - match: {selector: '{app=\"a\"}', stages: [drop: {expression: x, drop_counter_reason: r}]}\n\
         - docker: {}\n",
    );
    let mut context = Context::new(1, Instant::now());
    assert_eq!(run(&mut pipeline, "x", &mut context), Verdict::Drop);
    let told = told.lock().unwrap();
    assert_eq!(names(&told), [("match", Outcome::NotSelected), ("match", Outcome::Dropped)]);
    assert_eq!(names(&told[1].nested), [("drop", Outcome::Dropped)]);
    assert_eq!(told[1].nested[0].stage.drop_reason.as_deref(), Some("r"));
}

#[test]
fn what_a_stage_holds_is_told_when_it_is_taken_and_when_it_is_released() {
    let (mut pipeline, told) = observed("- multiline: {firstline: '^a'}\n- labels: {app: }\n");
    let mut context = Context::new(1, Instant::now());
    for line in ["a1", "b"] {
        assert_eq!(run(&mut pipeline, line, &mut context), Verdict::Hold);
    }
    pipeline.flush(true, &mut context);
    assert_eq!(context.released.len(), 1);
    let told = told.lock().unwrap();
    let held = ("multiline", Outcome::Held);
    let flushed = ("multiline", Outcome::Flushed);
    assert_eq!(names(&told), [held, held, flushed, ("labels", Outcome::Passed)]);
    assert_eq!(told[2].released[0].line, b"a1\nb");
}

#[test]
fn threads_do_not_mix_their_steps() {
    let (pipeline, told) =
        observed("- match: {selector: '{app=\"a\"}', stages: [docker: {}, docker: {}]}\n");
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let mut pipeline = pipeline.fork();
            thread::spawn(move || {
                let mut context = Context::new(1, Instant::now());
                for _ in 0..200 {
                    run(&mut pipeline, "x", &mut context);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 400);
    assert!(told.iter().all(|step| step.nested.len() == 2));
}
