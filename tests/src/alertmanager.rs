//! A real Alertmanager that keeps what a test posts to it, and tells whom the test says.
//!
//! Debian's is 0.25: it has the same API as later ones but for `mutedBy`, which came with 0.28.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::daemon_process::{DaemonCommand, DaemonProcess, http_get, http_get_json, http_post};
use crate::patience::await_condition;
use crate::real_peers;

/// A running server; killed on drop.
#[derive(Debug)]
pub struct Alertmanager {
    process: DaemonProcess,
    port: u16,
}

impl Alertmanager {
    /// Starts it with a configuration, and waits until it answers. Data goes below `folder`.
    ///
    /// # Panics
    /// When it does not start; its output is told.
    pub fn start(folder: &Path, config: &str) -> Self {
        let file = folder.join("alertmanager.yml");
        std::fs::write(&file, config).expect("the folder of a test can be written");
        let binary = real_peers::path_of("prometheus-alertmanager");
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", folder.join("data").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
            // alone: no gossip, and no port for it
            "--cluster.listen-address=".to_owned(),
        ];
        let command = DaemonCommand {
            work_dir: unpacked_root(&binary).unwrap_or_else(|| folder.to_path_buf()),
            binary,
            args: arguments.map(Into::into).to_vec(),
            env: BTreeMap::new(),
            stdin: None,
        };
        let mut process = DaemonProcess::start(&command, 0).expect("alertmanager can be started");
        let mut port = None;
        await_condition("alertmanager listens", || {
            assert!(process.is_running(), "alertmanager ended: {}", process.output());
            port = port.or_else(|| listening_port(&process.output()));
            port.is_some_and(|port| {
                http_get(port, "/-/ready").is_ok_and(|answer| answer.status == 200)
            })
        });
        Self { process, port: port.expect("it listens") }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Posts alerts as Prometheus does: a list of objects with `labels`, `annotations`, `startsAt`,
    /// `endsAt`.
    ///
    /// # Panics
    /// They are refused.
    pub fn post_alerts(&self, alerts: &Value) {
        self.post("/api/v2/alerts", alerts);
    }

    /// Silences what has all these labels until a time in RFC 3339, and gives the silence's id.
    ///
    /// # Panics
    /// It is refused.
    pub fn silence(&self, labels: &[(&str, &str)], starts_at: &str, ends_at: &str) -> String {
        let matcher = |(name, value): &(&str, &str)| json!({"name": name, "value": value, "isRegex": false, "isEqual": true});
        let matchers: Vec<Value> = labels.iter().map(matcher).collect();
        let silence = json!({"matchers": matchers, "startsAt": starts_at, "endsAt": ends_at,
            "createdBy": "test", "comment": "test"});
        let answer = self.post("/api/v2/silences", &silence);
        let answer: Value = serde_json::from_str(&answer).expect("the API answers with JSON");
        answer["silenceID"].as_str().expect("a silence has an id").to_owned()
    }

    /// Everything that a path of the API has, for example `/api/v2/alerts`.
    ///
    /// # Panics
    /// It is refused.
    pub fn get(&self, path: &str) -> Value {
        let answer = http_get_json(self.port, path).expect("alertmanager answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("the API answers with JSON")
    }

    /// What it has logged.
    pub fn output(&self) -> String {
        self.process.output()
    }

    fn post(&self, path: &str, body: &Value) -> String {
        let answer = http_post(self.port, path, &body.to_string()).expect("alertmanager answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }
}

/// The folder that `cargo xtask tools` unpacked it to: there it finds its templates.
fn unpacked_root(binary: &Path) -> Option<PathBuf> {
    let root = binary.parent()?.parent()?.parent()?;
    root.ends_with("target/tools").then(|| root.to_path_buf())
}

/// From the line that the listener writes once it has a port.
fn listening_port(log: &str) -> Option<u16> {
    let line = log.lines().find(|line| line.contains("\"Listening on\""))?;
    let address = line.split("address=").nth(1)?;
    address.split(' ').next()?.rsplit(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_server_keeps_alerts_and_silences_them() {
        let folder = tempfile::tempdir().unwrap();
        let config = "route: {receiver: r}\nreceivers: [{name: r}]\n";
        let server = Alertmanager::start(folder.path(), config);
        server.post_alerts(&json!([{"labels": {"alertname": "A", "node": "n1"}}]));
        let is = |state: &str| server.get("/api/v2/alerts")[0]["status"]["state"] == state;
        await_condition("the alert is active", || is("active"));
        let id = server.silence(&[("node", "n1")], "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
        await_condition("the alert is silenced", || is("suppressed"));
        let alerts = server.get("/api/v2/alerts");
        assert_eq!(alerts[0]["status"]["silencedBy"], json!([id]), "{}", server.output());
    }
}
