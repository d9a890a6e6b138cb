use super::*;

#[test]
fn tuning() {
    for feedback in [false, true] {
        let mut sums = (0.0, 0.0, 0.0);
        for state in 0..10 {
            let score = measure_day(state, feedback).unwrap();
            println!(
                "{feedback} {state}: n={} right={} rec={:.2} before={} hooks={} merged={} lost={} orph={} unexp={} lat={:?} missed={:?} noise={:#?}",
                score.interruptions,
                score.right,
                score.recall(),
                score.before,
                score.webhooks,
                score.merged,
                score.lost,
                score.orphans,
                score.unexplained,
                score.latencies,
                score.missed,
                score.noise
            );
            sums.0 += score.interruptions as f64 / 10.0;
            sums.1 += score.precision() / 10.0;
            sums.2 += score.recall() / 10.0;
        }
        println!("{feedback}: {sums:?}");
    }
}
