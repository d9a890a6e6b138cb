//! Against a real Alertmanager: what it answers is understood, and silences get there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use stack_tests::alertmanager::Alertmanager as RealAlertmanager;
use stack_tests::patience::await_condition_of_tasks;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::access::{FiringAlert, Submit, sample};
use crate::alert::Identity;
use crate::config::inputs::AlertmanagerPeer;
use crate::incident::Input;
use crate::time::Moment;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_in_a_real_alertmanager_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let config = "route: {receiver: relay, group_wait: 0s}\nreceivers: [{name: relay}]\n";
    let real = RealAlertmanager::start(folder.path(), config);
    real.post_alerts(&json!([
        {"labels": {"alertname": "GpuLost", "node": "n1", "replica": "a"}},
        {"labels": {"alertname": "GpuLost", "node": "n2", "replica": "b"}},
    ]));
    let id = real.silence(&[("node", "n2")], "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
    let peer = AlertmanagerPeer {
        url: real.url(),
        bearer_token_file: None,
        ca_file: None,
        receivers: vec!["relay".to_owned()],
        interval: Duration::from_millis(50),
    };
    let identity =
        |node| Identity::of(&[("alertname", "GpuLost"), ("node", node)].into_iter().collect(), &[]);
    let alert = FiringAlert { told_at: Moment::now(), is_from_alertmanager: true };
    let view = Arc::new(sample::Known {
        firing: [(identity("n1"), alert), (identity("n2"), alert)].into(),
        ..Default::default()
    });
    let silenced: Arc<Mutex<BTreeMap<Identity, Vec<String>>>> = Arc::default();
    let submit: Submit = {
        let silenced = Arc::clone(&silenced);
        Arc::new(move |inputs| {
            for input in inputs {
                if let Input::Seen { alerts } = input {
                    let seen = alerts.into_iter().map(|seen| (seen.identity, seen.silenced_by));
                    silenced.lock().unwrap().extend(seen);
                }
            }
            Box::pin(async { true })
        })
    };
    let reconciliation =
        Reconciliation::new(&[peer], &["replica".to_owned()], Moment::now()).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(reconciliation.run(view, submit, stop.clone()));
    let expected = BTreeMap::from([(identity("n1"), Vec::new()), (identity("n2"), vec![id])]);
    await_condition_of_tasks("both are seen", || *silenced.lock().unwrap() == expected).await;
    stop.cancel();
    running.await.unwrap();
}
