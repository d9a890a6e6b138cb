//! A driver or kubelet that does not do what it should.

use stack_tests::kubelet::{Container, Kubelet, Pod};

use crate::fixture::{Exporter, run, samples};

fn scenario(folder: &std::path::Path, text: &str) -> String {
    let path = folder.join("scenario.json");
    std::fs::write(&path, text).expect("a folder of a test can be written");
    path.display().to_string()
}

#[test]
fn a_page_with_a_gpu_that_hangs_has_each_series_once() {
    let folder = tempfile::tempdir().unwrap();
    let hang = r#"{"gpus": [{"calls": {"nvmlDeviceGetMemoryInfo_v2": {"hang_at_ms": 0}}}, {}]}"#;
    let path = scenario(folder.path(), hang);
    let mut exporter = Exporter::start(&["--simulate", &path], &[]);
    exporter.await_line("gpu_exporter_call_stuck_seconds{");
    let page = exporter.get("/metrics").body;
    let mut series: Vec<_> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| series)
        .collect();
    series.sort_unstable();
    let all = series.len();
    series.dedup();
    assert_eq!(series.len(), all, "{page}");
    let answer = exporter.post_release("1m");
    assert!(answer.contains(" 503 ") && answer.contains("NVML is still open"), "{answer}");
    assert_eq!(exporter.stop(), 0, "{}", exporter.log());
}

#[test]
fn a_start_of_nvml_that_hangs_is_told_and_keeps_no_stop_back() {
    let folder = tempfile::tempdir().unwrap();
    let hang = r#"{"gpus": [{}], "calls": {"nvmlInit_v2": {"hang_at_ms": 0}}}"#;
    let path = scenario(folder.path(), hang);
    let mut exporter = Exporter::start(&["--simulate", &path], &[]);
    exporter.await_line("gpu_exporter_nvml_up{reason=\"hung\"} 0");
    exporter.page();
    let answer = exporter.post_release("1m");
    assert!(answer.contains(" 503 ") && answer.contains("NVML is still open"), "{answer}");
    // not a failure of the exporter: it was asked to stop, and did
    assert_eq!(exporter.stop(), 0, "{}", exporter.log());
    assert!(exporter.log().contains("left without its shutdown"), "{}", exporter.log());
}

#[test]
fn one_page_is_printed_although_nvml_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let hang = r#"{"gpus": [{}], "calls": {"nvmlInit_v2": {"hang_at_ms": 0}}}"#;
    let path = scenario(folder.path(), hang);
    let (code, output) = run(&["--once", "--simulate", &path]);
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("gpu_exporter_nvml_up{reason=\"hung\"} 0"), "{output}");
}

#[test]
fn one_page_names_the_pods_that_the_kubelet_tells() {
    let folder = tempfile::tempdir().unwrap();
    let path = scenario(folder.path(), r#"{"gpus": [{"uuid": "GPU-a"}, {"uuid": "GPU-b"}]}"#);
    let kubelet = Kubelet::start(folder.path().join("kubelet.sock"));
    let container = Container::new("server").device("nvidia.com/gpu", &["GPU-b"]);
    kubelet.set_pods(vec![Pod::new("llm", "chat-0").container(container)]);
    let socket = kubelet.socket().display().to_string();
    let (code, output) =
        run(&["--once", "--simulate", &path, "--kubelet.pod-resources-socket", &socket]);
    assert_eq!(code, 0, "{output}");
    let pods = samples(&output, "gpu_pod_info");
    assert!(pods.len() == 1 && pods[0].0.contains("uuid=\"GPU-b\""), "{output}");
    assert!(pods[0].0.contains("pod=\"chat-0\""), "{output}");
    assert_eq!(kubelet.calls(), 1);
}
