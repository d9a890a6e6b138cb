//! A real Prometheus scrapes the exporter in the formats that it negotiates, and the queries of
//! dashboards that people have give data.

use stack_tests::prometheus::Prometheus;

use crate::fixture::{Exporter, scenario};

/// What the dashboard 12239 of grafana.com asks, and what alerts of old ask.
const QUERIES: [&str; 9] = [
    "DCGM_FI_DEV_GPU_TEMP{instance=~\".+\", gpu=~\".+\"}",
    "avg(DCGM_FI_DEV_GPU_TEMP)",
    "DCGM_FI_DEV_POWER_USAGE",
    "sum(DCGM_FI_DEV_POWER_USAGE)",
    "DCGM_FI_DEV_SM_CLOCK * 1000000",
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
    "avg(gpu_utilization_percent) >= 0",
];

#[test]
fn a_real_prometheus_scrapes_everything_and_dashboards_have_data() {
    let mut exporter = Exporter::start(&["--simulate", &scenario("inference.json")], &[]);
    exporter.page();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: gpu\n  static_configs: \
         [{{targets: ['127.0.0.1:{port}']}}]\n- job_name: gpu-dcgm\n  metrics_path: /metrics/dcgm\n  \
         static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n",
        port = exporter.port()
    );
    let prometheus = Prometheus::start(folder.path(), &config);
    prometheus.await_answer("sum(up) == 2");
    for query in QUERIES {
        assert!(!prometheus.await_answer(query).is_empty(), "{query}");
    }
    let temperatures = prometheus.query("DCGM_FI_DEV_GPU_TEMP{job=\"gpu\"}");
    assert_eq!(temperatures.len(), 4);
    let labels = &temperatures[0].labels;
    for name in ["gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname"] {
        assert!(labels.contains_key(name), "{name}: {labels:?}");
    }
    // counters are counters, also those that OpenMetrics would name otherwise
    prometheus.await_answer("rate(gpu_energy_joules_total[5s]) > 0");
    prometheus.await_answer("rate(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{job=\"gpu\"}[30s]) > 0");
    prometheus.await_answer("gpu_utilization_window_max_ratio >= gpu_utilization_ratio");
    assert_eq!(prometheus.query("scrape_samples_scraped < 50"), []);
    assert!(!prometheus.output().contains("append failed"), "{}", prometheus.output());
    assert_eq!(exporter.stop(), 0);
}
