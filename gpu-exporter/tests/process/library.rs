//! The way a real driver goes: a shared library is found, opened, called, and left.

use std::path::Path;

use crate::fixture::{Exporter, run, samples};

/// Two GPUs, read once a minute, with a log of all calls.
fn quiet_scenario(folder: &Path) -> (String, std::path::PathBuf) {
    let calls = folder.join("calls.json");
    let text = format!(
        r#"{{"gpus": [{{"uuid": "GPU-a"}}, {{"uuid": "GPU-b"}}], "call_log": "{}"}}"#,
        calls.display()
    );
    let path = folder.join("scenario.json");
    std::fs::write(&path, text).expect("a folder of a test can be written");
    (path.display().to_string(), calls)
}

/// Calls so far that ask for something; not those of the thread that waits for events, and of the
/// end.
fn calls(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let log: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let is_asking = |name: &str| {
        !["nvmlEventSetWait_v2", "nvmlShutdown"].contains(&name) && !name.ends_with("Free")
    };
    let counts = log["calls"].as_object().into_iter().flatten().filter(|(name, _)| is_asking(name));
    counts.filter_map(|(_, count)| count.as_u64()).sum()
}

#[test]
fn a_library_is_loaded_by_its_path_and_a_scrape_calls_nothing_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, log) = quiet_scenario(folder.path());
    let library = fake_nvml::path().display().to_string();
    let mut exporter = Exporter::start_in(
        folder,
        &["--nvml.library-path", &library, "--sample.interval", "1m"],
        &[("FAKE_NVML_SCENARIO", &scenario)],
    );
    let page = exporter.page();
    assert_eq!(samples(&page, "gpu_up").len(), 2, "{page}");
    assert!(page.contains("gpu_memory_total_bytes{gpu_id=\"1\",uuid=\"GPU-b\"}"), "{page}");
    // the log is written by another thread: wait until it stands still
    let mut before = 0;
    stack_tests::patience::await_condition("the log of calls stands still", || {
        let now = calls(&log);
        std::mem::replace(&mut before, now) == now && now > 20
    });
    for _ in 0..50 {
        assert_eq!(exporter.get("/metrics").status, 200);
    }
    // once the end is in the log, everything before it is
    let answer = exporter.post_release("1m");
    assert!(answer.contains(" 200 "), "{answer}");
    exporter.await_line("gpu_exporter_nvml_up{reason=\"released\"} 0");
    stack_tests::patience::await_condition("the shutdown is logged", || {
        std::fs::read_to_string(&log).unwrap().contains("nvmlShutdown")
    });
    assert_eq!(calls(&log), before, "{}", std::fs::read_to_string(&log).unwrap());
    assert_eq!(exporter.stop(), 0);
}

#[test]
fn without_a_library_the_page_says_so_and_a_required_gpu_ends_it() {
    let mut exporter = Exporter::start(&["--nvml.library-path", "/nowhere/libnvidia-ml.so.1"], &[]);
    let line = exporter.await_line("gpu_exporter_nvml_up{");
    assert_eq!(line, "gpu_exporter_nvml_up{reason=\"library_not_found\"} 0");
    // or else nobody would scrape it
    exporter.page();
    assert_eq!(exporter.get("/-/healthy").status, 200);
    assert_eq!(exporter.stop(), 0);
    let (code, output) =
        run(&["--nvml.library-path", "/nowhere/libnvidia-ml.so.1", "--require-gpu"]);
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("there is no driver, and it is required"), "{output}");
}
