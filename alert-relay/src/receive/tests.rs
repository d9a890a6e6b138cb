use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use daemon_runtime::supervise::BoxError;
use instrumentation::ops_server::{Plain, serve_with};
use prometheus_model::exposition::{Collect as _, Format, Writer};
use prometheus_model::instrument::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::alert::Alert;
use crate::incident::Changes;
use crate::journal::faulty_disk::{Fault, FaultyDisk};
use crate::journal::{Journal, JournalError, Stored};
use crate::ledger::{Core, CrashPoints, Emergency, EmergencyPage, Ledger, Open, Parts, Subscriber};

/// Keeps what comes in.
#[derive(Debug, Clone, Default)]
struct Kept {
    inputs: Arc<Mutex<Vec<Input>>>,
}

impl Core for Kept {
    fn apply(&mut self, input: &Input, _: Moment) -> Changes {
        self.inputs.lock().unwrap().push(input.clone());
        let event = crate::incident::Event::Configured { hash: String::new() };
        Changes { events: vec![event], ..Changes::default() }
    }

    fn next_wake(&self) -> Option<Moment> {
        None
    }

    fn restore(&mut self, _: Stored) -> Result<(), BoxError> {
        Ok(())
    }
}

impl Subscriber for Kept {
    fn committed(&mut self, _: &[(Moment, Changes)]) {}
    fn restored(&mut self, _: &dyn Core) {}
}

impl Emergency for Kept {
    fn page(&mut self, _: Vec<EmergencyPage>) {}
    fn given_up(&mut self, _: Vec<Alert>, _: Moment) {}
}

#[derive(Clone, Default)]
struct TestPlace(FaultyDisk, Arc<AtomicBool>);

impl Open for TestPlace {
    fn open(&self) -> Result<Journal, JournalError> {
        if self.1.load(Ordering::SeqCst) { Err(JournalError::Closed) } else { self.0.open() }
    }
}

struct Server {
    port: u16,
    kept: Kept,
    place: TestPlace,
    reception: Reception,
    beats: Arc<Mutex<BTreeSet<String>>>,
    stop: CancellationToken,
}

impl Server {
    async fn start(config: &Receive) -> Self {
        let (kept, place) = (Kept::default(), TestPlace::default());
        let (ledger, handle) = Ledger::new(Parts {
            place: Box::new(place.clone()),
            core: Box::new(kept.clone()),
            subscriber: Box::new(kept.clone()),
            emergency: Box::new(kept.clone()),
            clock: Box::new(|| Moment::EPOCH),
            crash: CrashPoints::default(),
            metrics: crate::ledger::Metrics::default(),
        });
        std::thread::spawn(move || ledger.run());
        let beats = Arc::<Mutex<BTreeSet<String>>>::default();
        let seen = Arc::clone(&beats);
        let heartbeat: HeartbeatSink = Arc::new(move |name, _| {
            seen.lock().unwrap().insert(name.to_owned());
            name == "prometheus"
        });
        let clock = Arc::new(|| Moment::from_millis(7));
        let reception = Reception::new(handle, config, heartbeat, clock).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        tokio::spawn(serve_with(listener, reception.router(), limits(), Plain, stop.clone()));
        Self { port, kept, place, reception, beats, stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap()
    }

    /// Status, header, body of what these bytes are answered with.
    async fn exchange(&self, request: &[u8]) -> (u16, String, String) {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    async fn post(&self, path: &str, more: &str, body: &[u8]) -> (u16, String, String) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n{more}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.exchange(&[head.as_bytes(), body].concat()).await
    }

    fn inputs(&self) -> Vec<Input> {
        std::mem::take(&mut self.kept.inputs.lock().unwrap())
    }

    fn page(&self) -> String {
        let registry = Registry::new();
        self.reception.metrics().register(&registry).unwrap();
        let mut writer = Writer::new(Format::Text004);
        registry.collect(&mut writer);
        String::from_utf8(writer.finish()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn recording(name: &str) -> Vec<u8> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance/alertmanager");
    std::fs::read(folder.join(name)).unwrap()
}

/// `alertname` of the alerts of an input.
fn names(input: &Input) -> Vec<&str> {
    match input {
        Input::Alerts { told, .. } => told.iter().map(|told| told.alert.name()).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn what_alertmanager_sends_is_stored_and_answered() {
    let server = Server::start(&Receive::default()).await;
    let body = recording("webhook/01-firing-single.json");
    let (status, head, answer) = server.post("/v1/alertmanager", "", &body).await;
    assert_eq!((status, answer.trim_end()), (200, "{}"));
    assert!(head.contains("content-type: application/json"), "{head}");
    let inputs = server.inputs();
    assert_eq!(inputs.len(), 1);
    assert_eq!(names(&inputs[0]), ["ModelPredictionFailure"]);
    let Input::Alerts { source: Source::Alertmanager(url), .. } = &inputs[0] else { panic!() };
    assert!(url.starts_with("http"), "{url}");
    let page = server.page();
    assert!(
        page.contains("webhooks_total{source=\"alertmanager\",result=\"accepted\"} 1"),
        "{page}"
    );
    assert!(page.contains("alert_relay_alerts_received_total{status=\"firing\"} 1"), "{page}");
}

#[tokio::test]
async fn what_prometheus_sends_is_stored_with_who_sent_it() {
    let server = Server::start(&Receive::default()).await;
    let body = br#"[{"labels":{"alertname":"A"}},{"labels":{}}]"#;
    let (status, ..) = server.post("/api/v2/alerts", "", body).await;
    assert_eq!(status, 200);
    let inputs = server.inputs();
    let Input::Alerts { source, told, rejected } = &inputs[0] else { panic!() };
    assert_eq!(*source, Source::Prometheus("127.0.0.1".to_owned()));
    assert_eq!(told[0].fires_until, Some(Moment::from_millis(300_007)));
    assert_eq!(rejected.len(), 1, "one bad alert hides no other");
    assert!(server.page().contains("alerts_received_total{status=\"rejected\"} 1"));
    let (status, ..) = server.post("/api/v2/alerts", "", b"[]").await;
    assert_eq!((status, server.inputs().len()), (200, 0));
}

#[tokio::test]
async fn only_who_has_a_token_may_send_and_the_tokens_follow_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let config = Receive { bearer_token_files: vec![token], ..Receive::default() };
    let server = Server::start(&config).await;
    let body = recording("webhook/01-firing-single.json");
    for path in ["/v1/alertmanager", "/api/v2/alerts", "/v1/heartbeat/prometheus"] {
        let (status, head, _) = server.post(path, "Authorization: Bearer wr0ng\r\n", &body).await;
        assert_eq!(status, 401, "{path}");
        assert!(head.contains("www-authenticate: bearer"), "{head}");
    }
    assert_eq!(server.inputs().len(), 0);
    let good = "Authorization: Bearer s3cret\r\n";
    assert_eq!(server.post("/v1/alertmanager", good, &body).await.0, 200);
    let page = server.page();
    assert!(
        page.contains("webhooks_total{source=\"heartbeat\",result=\"unauthorized\"} 1"),
        "{page}"
    );
    server.reception.reload(&Receive::default()).unwrap();
    assert_eq!(server.post("/v1/alertmanager", "", &body).await.0, 200);
    let gone = vec!["/nonexistent/token".into()];
    let bad = Receive { bearer_token_files: gone, ..Receive::default() };
    assert!(server.reception.reload(&bad).is_err());
    assert_eq!(server.post("/v1/alertmanager", "", &body).await.0, 200);
}

#[tokio::test]
async fn a_body_that_is_no_webhook_is_kept_and_told() {
    let server = Server::start(&Receive::default()).await;
    for (path, body) in [
        ("/v1/alertmanager", recording("webhook/20-custom-payload.json")),
        ("/v1/alertmanager", b"hello".to_vec()),
        ("/v1/alertmanager", br#"{"version":"3","alerts":[]}"#.to_vec()),
        ("/api/v2/alerts", b"{}".to_vec()),
    ] {
        let (status, _, answer) = server.post(path, "", &body).await;
        assert_eq!(status, 400, "{answer}");
        let inputs = server.inputs();
        assert_eq!(names(&inputs[0]), ["AlertRelayUnreadableWebhook"]);
        let Input::Alerts { source, .. } = &inputs[0] else { panic!() };
        assert_eq!(*source, Source::Internal);
    }
    let left = server.place.0.after_power_failure(|| false);
    assert_eq!(left.open().unwrap().bodies(), 4);
}

#[tokio::test]
async fn a_body_over_the_limit_gives_the_alerts_that_fit() {
    let body = recording("webhook/04-firing-grouped-5.json");
    let max_body_bytes = body.len() / 2;
    let config = Receive { max_body_bytes, ..Receive::default() };
    let server = Server::start(&config).await;
    let (status, _, answer) = server.post("/v1/alertmanager", "", &body).await;
    assert_eq!((status, answer.trim_end()), (200, "{}"));
    let inputs = server.inputs();
    assert_eq!(names(&inputs[0]), ["AlertRelayBodyTooLarge"]);
    let fit = names(&inputs[1]).len();
    assert!((1..5).contains(&fit), "{fit}");
}

#[tokio::test]
async fn a_webhook_that_alertmanager_cut_is_told() {
    let server = Server::start(&Receive::default()).await;
    let body = recording("webhook/08-truncated-firing.json");
    assert_eq!(server.post("/v1/alertmanager", "", &body).await.0, 200);
    assert_eq!(names(&server.inputs()[0]), ["AlertRelayTruncatedWebhook"]);
    assert!(server.page().contains("alert_relay_truncated_webhooks_total 1"));
}

#[tokio::test]
async fn a_body_that_does_not_come_whole_is_none() {
    let server = Server::start(&Receive::default()).await;
    let mut stream = server.connect().await;
    let body = recording("webhook/01-firing-single.json");
    let head = format!("POST /v1/alertmanager HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..body.len() - 1]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    // Another one on top of it, so that the first is known to be over.
    assert_eq!(server.post("/v1/alertmanager", "", &body).await.0, 200);
    assert_eq!(server.inputs().len(), 1);
}

#[tokio::test]
async fn while_nothing_can_be_stored_the_answer_is_503_also_for_what_cannot_be_read() {
    let server = Server::start(&Receive::default()).await;
    let body = recording("webhook/01-firing-single.json");
    assert_eq!(server.post("/v1/alertmanager", "", &body).await.0, 200);
    server.place.1.store(true, Ordering::SeqCst);
    server.place.0.fail_after(0, Fault::Write);
    assert_eq!(server.post("/v1/alertmanager", "", &body).await.0, 503);
    assert_eq!(server.post("/v1/alertmanager", "", b"hello").await.0, 503, "it is kept next time");
    server.place.0.mend();
    server.place.1.store(false, Ordering::SeqCst);
    let mut writable = server.reception.ledger.pulse().writable();
    writable.wait_for(|writable| *writable).await.unwrap();
    assert_eq!(server.post("/v1/alertmanager", "", &body).await.0, 200);
    let page = server.page();
    assert!(
        page.contains("webhooks_total{source=\"alertmanager\",result=\"unavailable\"} 2"),
        "{page}"
    );
}

#[tokio::test]
async fn nothing_is_ever_answered_with_a_redirect() {
    let server = Server::start(&Receive::default()).await;
    for path in ["/v1/alertmanager/", "//v1/alertmanager", "/v1/../v1/alertmanager", "/v1", "/"] {
        let (status, head, _) = server.post(path, "", b"{}").await;
        assert_eq!(status, 404, "{path}");
        assert!(!head.contains("location:"), "{head}");
    }
    let get = b"GET /v1/alertmanager HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n";
    assert_eq!(server.exchange(get).await.0, 405);
    let long = format!("X: {}\r\n", "x".repeat(17 << 10));
    assert_eq!(server.post("/v1/alertmanager", &long, b"{}").await.0, 431);
}

#[tokio::test]
async fn heartbeats_of_known_names_are_taken() {
    let server = Server::start(&Receive::default()).await;
    assert_eq!(server.post("/v1/heartbeat/prometheus", "", b"anything").await.0, 200);
    assert_eq!(server.post("/v1/heartbeat/other", "", b"").await.0, 404);
    assert_eq!(server.beats.lock().unwrap().len(), 2);
}
