//! A real Prometheus that scrapes what a test started.

use std::collections::BTreeMap;
use std::path::Path;

use crate::daemon_process::{DaemonCommand, DaemonProcess, http_get};
use crate::patience::await_condition;
use crate::real_peers;

/// A running server; killed on drop.
#[derive(Debug)]
pub struct Prometheus {
    process: DaemonProcess,
    port: u16,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// All labels, the metric's name under `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Prometheus {
    /// Starts it with a configuration, and waits until it answers. Data goes below `folder`.
    ///
    /// # Panics
    ///
    /// When it does not start; its output is told.
    pub fn start(folder: &Path, config: &str) -> Self {
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).expect("the folder of a test can be written");
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
        ];
        let command = DaemonCommand {
            binary: real_peers::path_of("prometheus"),
            args: arguments.map(Into::into).to_vec(),
            env: BTreeMap::new(),
            work_dir: folder.to_path_buf(),
            stdin: None,
        };
        let mut process = DaemonProcess::start(&command, 0).expect("prometheus can be started");
        let mut port = None;
        await_condition("prometheus listens", || {
            assert!(process.is_running(), "prometheus ended: {}", process.output());
            port = port.or_else(|| listening_port(&process.output()));
            port.is_some_and(|port| {
                http_get(port, "/-/ready").is_ok_and(|answer| answer.status == 200)
            })
        });
        Self { process, port: port.expect("it listens") }
    }

    /// The answer to an instant query.
    ///
    /// # Panics
    ///
    /// When the query is refused.
    pub fn query(&self, expression: &str) -> Vec<Sample> {
        let path = format!("/api/v1/query?query={}", encoded(expression));
        let answer = http_get(self.port, &path).expect("prometheus answers");
        assert_eq!(answer.status, 200, "{expression}: {}", answer.body);
        let json: serde_json::Value =
            serde_json::from_str(&answer.body).expect("an answer of the API is JSON");
        let series = json["data"]["result"].as_array().map_or(&[][..], Vec::as_slice);
        series.iter().map(sample).collect()
    }

    /// Waits until a query has an answer, and returns it.
    ///
    /// # Panics
    ///
    /// When it never has one.
    pub fn await_answer(&self, expression: &str) -> Vec<Sample> {
        let mut answer = Vec::new();
        await_condition(expression, || {
            answer = self.query(expression);
            !answer.is_empty()
        });
        answer
    }

    /// What it has logged.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

fn sample(series: &serde_json::Value) -> Sample {
    let labels = series["metric"].as_object().into_iter().flatten();
    Sample {
        labels: labels
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        value: series["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
    }
}

/// From the line that the listener writes once it has a port.
fn listening_port(log: &str) -> Option<u16> {
    let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
    let address = line.split("address=").nth(1)?;
    address.split(' ').next()?.rsplit(':').next()?.parse().ok()
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_that_of_the_listener() {
        let log = "level=info msg=\"Start listening for connections\" address=127.0.0.1:0\n\
                   level=info msg=\"Listening on\" address=127.0.0.1:37721\n";
        assert_eq!(listening_port(log), Some(37_721));
    }

    #[test]
    fn a_real_server_answers() {
        let folder = tempfile::tempdir().unwrap();
        let prometheus = Prometheus::start(folder.path(), "global: {}\n");
        assert!((prometheus.query("vector(1)")[0].value - 1.0).abs() < f64::EPSILON);
        assert_eq!(prometheus.query("absent_metric{a=\"b c\"}"), []);
    }
}
