//! The configuration, without an environment: read, checked, shown, built, and run over one line.
//!
//! What is shown as the configuration in effect reads as that configuration.

use std::path::Path;
use std::sync::Arc;

use log_shipper::config::{self, yaml};
use log_shipper::pipeline::build::build;
use prometheus_model::label_set::LabelSet;

use super::{Check, Shape, Target, build_context, context, entry};
use crate::recordings;

pub(super) const TARGET: Target = Target {
    name: "config",
    about: "promtail.yaml",
    seeds,
    words: &[
        "scrape_configs:",
        "clients:",
        "positions:",
        "server:",
        "pipeline_stages:",
        "- ",
        "\n",
        "\n  ",
        "\n      - ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "|",
        ">-",
        "&a ",
        "*a",
        "<<: *a",
        "!!int ",
        "!!str ",
        "yes",
        "off",
        "~",
        "null",
        "0x1f",
        "1_000",
        "1e3",
        ".inf",
        "-1",
        "5m",
        "1h30m",
        "4KB",
        "9999999999h",
        "match:",
        "selector: '{job=\"a\"}'",
        "stages:",
        "json:",
        "regex:",
        "expression:",
        "template:",
        "timestamp:",
        "format:",
        "source:",
        "metrics:",
        "drop:",
        "limit:",
        "replace:",
        "labels:",
        "multiline:",
        "cri: {}",
        "docker: {}",
        "pack:",
        "sampling:",
        "tenant:",
        "relabel_configs:",
        "static_configs:",
        "kubernetes_sd_configs:",
        "file_sd_configs:",
        "journal:",
        "syslog:",
        "gelf:",
        "loki_push_api:",
        "heroku_drain:",
        "basic_auth:",
        "tls_config:",
        "oauth2:",
        "proxy_url: http://a:b@c",
        "bearer_token: x",
        "url: http://localhost/",
        "#",
        "---\n",
        "? ",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    recordings::configs()
}

fn start() -> Check {
    let labels: Arc<LabelSet> = Arc::new([("job", "fuzz")].into_iter().collect());
    Box::new(move |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(tree) = yaml::parse(&text) {
            let written = yaml::to_text(&tree);
            let again = yaml::parse(&written).map(|tree| yaml::to_text(&tree));
            assert_eq!(again.ok(), Some(written), "YAML that was written");
        }
        let config = match config::parse(Path::new("fuzz.yaml"), &text, None) {
            Ok(config) => config,
            Err(error) => return Shape::of_message(&error.to_string()),
        };
        let can_start = config.validate_for_start().is_ok();
        let shown = config.to_yaml();
        if let Ok(again) = config::parse(Path::new("shown.yaml"), &shown, None) {
            assert_eq!(again.to_yaml(), shown, "what is shown");
        }
        let mut built = Vec::new();
        for job in &config.scrape_configs {
            let mut stages = build_context();
            let mut pipeline = match build(&job.pipeline_stages, &mut stages) {
                Ok(pipeline) => pipeline,
                Err(error) => return Shape::of_message(&error.to_string()),
            };
            let mut context = context();
            let line = br#"{"level":"info","msg":"a=b \"c\"","time":"2024-01-02T03:04:05Z"}"#;
            let mut entry = entry(&labels, line);
            built.push(format!("{:?}", pipeline.process(&mut entry, &mut context)));
            pipeline.flush(true, &mut context);
            let rules = job.relabel_rules();
            assert!(rules.is_ok(), "rules that were loaded compile: {rules:?}");
        }
        Shape::of((can_start, built, config.warnings().len()))
    })
}
