//! The configuration files of the parts.

use std::fmt::Write as _;
use std::path::Path;

use super::options::Options;

/// Prometheus' own: every part is scraped.
pub(super) fn scrapes(options: &Options) -> String {
    let jobs = [
        ("inference-service", &options.service),
        ("log-shipper", &options.shipper),
        ("gpu-exporter", &options.gpus),
        ("prometheus", &options.prometheus),
    ];
    jobs.iter().fold(
        "# written by `cargo xtask up`\nglobal: {scrape_interval: 5s}\nscrape_configs:\n"
            .to_owned(),
        |mut config, (job, address)| {
            let _ = writeln!(
                config,
                "  - {{job_name: {job}, static_configs: [{{targets: ['{address}']}}]}}"
            );
            config
        },
    )
}

/// An ordinary `promtail.yaml`.
pub(super) fn promtail(folder: &Path, options: &Options) -> String {
    let (address, port) = options.shipper.rsplit_once(':').unwrap_or((&options.shipper, "9080"));
    format!(
        "# written by `cargo xtask up`: an ordinary promtail.yaml
server:
  http_listen_address: {address}
  http_listen_port: {port}
positions:
  filename: {folder}/positions.yaml
clients:
  - url: http://{receiver}/loki/api/v1/push
scrape_configs:
  - job_name: inference
    static_configs:
      - labels:
          job: ml-inference
          __path__: {folder}/logs/*.log
    pipeline_stages:
      - json:
          expressions: {{timestamp: , level: , service: , trace_id: }}
      - timestamp:
          source: timestamp
          format: RFC3339Nano
      - labels: {{level: , service: }}
      - structured_metadata: {{trace_id: }}
",
        folder = folder.display(),
        receiver = options.receiver,
    )
}
