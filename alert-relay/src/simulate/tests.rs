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

fn streams(dataset: &str, config: &str) -> StreamScore {
    use std::fs::File;
    use std::io::BufReader;
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/alert-streams");
    let open = |name: &str| BufReader::new(File::open(folder.join(name)).unwrap());
    let config = Arc::new(Config::parse(config, "streams.yml").unwrap());
    let (episodes, anomalies) = (open("threshold-episodes.csv"), open("labelled-anomalies.csv"));
    measure_streams(config, episodes, anomalies, dataset).unwrap()
}

#[test]
fn stream_tuning() {
    for window in ["1h", "6h", "24h", "48h"] {
        for on in ["10m", "30m", "1h", "3h", "6h"] {
            let config = STREAMS_CONFIG
                .replace("_window: 24h", &format!("_window: {window}"))
                .replace("stable_on: 6h", &format!("stable_on: {on}"))
                .replace("stable_off: 24h", &format!("stable_off: {window}"));
            println!("STREAM {window} {on}: {}", streams("nab", &config));
            println!("STREAMMS {window} {on}: {}", streams("msft", &config));
        }
    }
}
