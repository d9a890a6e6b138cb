//! Which pod holds which GPU, as the kubelet says it on its socket.

use stack_tests::kubelet::{Container, Kubelet, Pod};

use crate::fixture::{Exporter, samples};

#[test]
fn pods_are_named_while_they_hold_a_gpu_and_the_kubelet_may_go() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kubelet.sock");
    let scenario = folder.path().join("two.json");
    std::fs::write(&scenario, r#"{"gpus": [{"uuid": "GPU-a"}, {"uuid": "GPU-b"}]}"#).unwrap();
    let mut kubelet = Kubelet::start(&socket);
    let chat = |pod: &str| {
        let container = Container::new("server").device("nvidia.com/gpu", &["GPU-a"]);
        Pod::new("llm", pod).container(container)
    };
    kubelet.set_pods(vec![chat("chat-0")]);
    let mut exporter = Exporter::start(
        &[
            "--simulate",
            &scenario.display().to_string(),
            "--kubelet.pod-resources-socket",
            &socket.display().to_string(),
            "--kubelet.interval",
            "1s",
            "-k",
        ],
        &[],
    );
    let line = exporter.await_line("gpu_pod_info{");
    for label in ["uuid=\"GPU-a\"", "namespace=\"llm\"", "pod=\"chat-0\"", "container=\"server\""] {
        assert!(line.contains(label), "{label}: {line}");
    }
    let page = exporter.page();
    let allocated = samples(&page, "gpu_allocated");
    let held = allocated.iter().filter(|(_, value)| *value > 0.0).count();
    assert_eq!((held, allocated.len()), (1, 2), "{allocated:?}");
    let temperatures = samples(&page, "DCGM_FI_DEV_GPU_TEMP");
    assert!(temperatures[0].0.contains("namespace=\"llm\",pod=\"chat-0\""), "{temperatures:?}");
    assert!(!temperatures[1].0.contains("pod="), "{temperatures:?}");
    exporter.await_line("gpu_pod_energy_joules_total{namespace=\"llm\",pod=\"chat-0\"}");

    // another pod takes over, then the kubelet is gone: the last mapping stays
    kubelet.set_pods(vec![chat("chat-1")]);
    stack_tests::patience::await_condition("the successor holds the GPU", || {
        exporter.await_line("gpu_pod_info{").contains("chat-1")
    });
    kubelet.stop();
    exporter.await_line(
        "gpu_exporter_kubelet_errors_total{api=\"pod_resources\",reason=\"connect\"} 1",
    );
    assert!(exporter.page().contains("pod=\"chat-1\""));
    assert_eq!(exporter.stop(), 0);
}

#[test]
fn a_reply_of_more_than_16_mib_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kubelet.sock");
    let scenario = folder.path().join("one.json");
    std::fs::write(&scenario, r#"{"gpus": [{"uuid": "GPU-a"}]}"#).unwrap();
    let kubelet = Kubelet::start(&socket);
    // the default of gRPC's libraries is 4 MiB
    let ids: Vec<String> = (0..600_000).map(|id| format!("device-{id:022}")).collect();
    assert!(ids.iter().map(String::len).sum::<usize>() > 16 << 20);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let others = Container::new("router").device("example.com/flow", &ids);
    let server = Container::new("server").device("nvidia.com/gpu", &["GPU-a"]);
    // the one that matters comes last
    kubelet.set_pods(vec![
        Pod::new("network", "router-0").container(others),
        Pod::new("llm", "chat-0").container(server),
    ]);
    let mut exporter = Exporter::start(
        &[
            "--simulate",
            &scenario.display().to_string(),
            "--kubelet.pod-resources-socket",
            &socket.display().to_string(),
        ],
        &[],
    );
    let line = exporter.await_line("gpu_pod_info{");
    assert!(line.contains("pod=\"chat-0\""), "{line}");
    let page = exporter.page();
    let errors: Vec<_> = samples(&page, "gpu_exporter_kubelet_errors_total")
        .into_iter()
        .filter(|(_, errors)| *errors > 0.0)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(exporter.stop(), 0);
}
