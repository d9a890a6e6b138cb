use super::*;
use std::time::{Duration, Instant};

use crate::pipeline::stages::testing::{NOW_NS, entry};

fn options(rate: f64, burst: i64, drop: bool) -> LimitOptions {
    LimitOptions { rate, burst, drop, ..LimitOptions::default() }
}

fn by_label(burst: i64) -> LimitOptions {
    LimitOptions { by_label_name: Some("ns".to_owned()), ..options(0.001, burst, true) }
}

/// Verdicts for lines that all arrive at `now`, one for each value of the label `ns`.
fn verdicts(stage: &mut dyn Stage, now: Instant, values: &[Option<&str>]) -> Vec<bool> {
    let mut context = Context::new(NOW_NS, now);
    values
        .iter()
        .map(|value| {
            let labels: Vec<_> = value.iter().map(|value| ("ns", *value)).collect();
            stage.process(&mut entry(&labels, "x"), &mut context) == Verdict::Pass
        })
        .collect()
}

#[test]
fn the_burst_passes_and_the_rest_is_dropped_and_counted() {
    let metrics = StageMetrics::new();
    let mut stage = LimitStage::new(options(1.0, 2, true), &metrics).unwrap();

    assert_eq!(verdicts(&mut stage, Instant::now(), &[None; 4]), [true, true, false, false]);
    assert_eq!(metrics.dropped(REASON), 2);
}

#[test]
fn forks_share_the_limit() {
    let now = Instant::now();
    let mut first = LimitStage::new(options(1.0, 2, true), &StageMetrics::new()).unwrap();
    let mut second = first.fork();

    assert_eq!(verdicts(&mut first, now, &[None]), [true]);
    assert_eq!(verdicts(&mut *second, now, &[None; 2]), [true, false]);
}

#[test]
fn every_label_value_has_its_own_limit_and_lines_without_the_label_have_none() {
    let metrics = StageMetrics::new();
    let mut stage = LimitStage::new(by_label(2), &metrics).unwrap();
    let lines =
        [Some("a"), Some("a"), Some("b"), Some("a"), Some("b"), Some("b"), None, None, None];

    assert_eq!(
        verdicts(&mut stage, Instant::now(), &lines),
        [true, true, true, false, true, false, true, true, true]
    );
    assert_eq!(metrics.dropped(REASON), 2);
    assert_eq!(metrics.dropped_by_label("ns", "a"), 1);
    assert_eq!(metrics.dropped_by_label("ns", "b"), 1);
}

#[test]
fn without_drop_a_line_passes_and_asks_for_a_pause_until_the_next_token() {
    let start = Instant::now();
    let mut stage = LimitStage::new(options(8.0, 1, false), &StageMetrics::new()).unwrap();
    let mut context = Context::new(NOW_NS, start);

    assert_eq!(stage.process(&mut entry(&[], "x"), &mut context), Verdict::Pass);
    assert_eq!(context.pause_until, Some(start + Duration::from_millis(125)));
}

#[test]
fn a_longer_pause_of_another_stage_stays() {
    let start = Instant::now();
    let mut stage = LimitStage::new(options(8.0, 1, false), &StageMetrics::new()).unwrap();
    let mut context = Context::new(NOW_NS, start);
    let longer = start + Duration::from_secs(9);
    context.pause_until = Some(longer);
    stage.process(&mut entry(&[], "x"), &mut context);

    assert_eq!(context.pause_until, Some(longer));
}

#[test]
fn old_label_values_and_their_counts_are_forgotten() {
    let now = Instant::now();
    let metrics = StageMetrics::new();
    let mut stage = LimitStage::new(by_label(1), &metrics).unwrap();
    assert_eq!(verdicts(&mut stage, now, &[Some("first"), Some("first")]), [true, false]);

    for value in 0..2 * MIN_DISTINCT_LABELS {
        assert_eq!(verdicts(&mut stage, now, &[Some(&value.to_string())]), [true]);
    }
    assert_eq!(metrics.dropped_by_label("ns", "first"), 0);
    assert_eq!(metrics.dropped(REASON), 1);
    assert_eq!(verdicts(&mut stage, now, &[Some("first")]), [true]);
    let Buckets::DropByLabel(generations) = &stage.buckets else { panic!("by label") };
    let generations = lock(generations);
    assert!(generations.young.len() + generations.old.len() <= 2 * MIN_DISTINCT_LABELS);
}

#[test]
fn a_label_value_in_use_keeps_its_bucket_over_a_generation() {
    let now = Instant::now();
    let mut stage = LimitStage::new(by_label(1), &StageMetrics::new()).unwrap();
    assert_eq!(verdicts(&mut stage, now, &[Some("busy")]), [true]);

    for value in 0..MIN_DISTINCT_LABELS {
        verdicts(&mut stage, now, &[Some(&value.to_string())]);
    }
    assert_eq!(verdicts(&mut stage, now, &[Some("busy")]), [false]);
}

#[test]
fn rate_and_burst_must_be_positive_and_a_label_needs_drop() {
    let refusal = |options| LimitStage::new(options, &StageMetrics::new()).unwrap_err().to_string();

    assert!(refusal(options(0.0, 10, false)).contains("rate: the rate is 0"));
    assert!(refusal(options(f64::NAN, 10, false)).contains("rate"));
    assert!(refusal(options(1.0, 0, false)).contains("burst: the burst is 0"));
    let waiting = LimitOptions { drop: false, ..by_label(1) };
    assert!(refusal(waiting).contains("drop must be true"));
}

#[test]
fn values_that_are_too_long_share_a_bucket_and_are_not_kept() {
    let metrics = StageMetrics::new();
    let mut stage = LimitStage::new(by_label(1), &metrics).unwrap();
    let [long, other] = ["a", "b"].map(|letter| letter.repeat(MAX_VALUE_BYTES + 1));
    let lines = [Some(&*long), Some(&*other), Some(&other[..MAX_VALUE_BYTES])];

    assert_eq!(verdicts(&mut stage, Instant::now(), &lines), [true, false, true]);
    assert_eq!(metrics.dropped_by_label("ns", LONG_VALUE), 1);
}
