use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, header};
use hyper_util::service::TowerToHyperService;
use prometheus_model::exposition::{Format, MetricType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::Registry;

use super::*;
use crate::json_log;

const LOCAL: &str = "127.0.0.1:5000";

/// Longest wait of a test for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let service = TowerToHyperService::new(router.clone());
    let answer = hyper::service::Service::call(&service, request).await.expect("infallible");
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.into()).unwrap(),
    }
}

async fn get_path(router: &Router, path: &str) -> Answer {
    ask(router, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn put_level(router: &Router, peer: Option<&str>, body: impl Into<Body>) -> Answer {
    let mut request = Request::put("/-/log-level").body(body.into()).unwrap();
    if let Some(peer) = peer {
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    ask(router, request).await
}

fn log_control() -> LogControl {
    json_log::builder("test").writer(std::io::sink()).layer::<Registry>().1
}

struct One(&'static str);

impl Collect for One {
    fn collect(&self, writer: &mut Writer) {
        writer.family(self.0, MetricType::Gauge, "A gauge.");
        writer.sample(&[], 1.0);
    }
}

#[tokio::test]
async fn metrics_come_from_all_collectors_in_the_format_asked_for() {
    let router = OpsServer::builder()
        .collector(One("first"))
        .shared_collector(Arc::new(One("second")))
        .log_control(log_control())
        .router();
    let text = get_path(&router, "/metrics").await;
    assert_eq!(text.status, StatusCode::OK);
    assert_eq!(text.headers[header::CONTENT_TYPE], Format::Text004.content_type());
    assert!(text.body.contains("\nfirst 1\n") && text.body.contains("\nsecond 1\n"));
    assert!(text.body.contains("\ninstrumentation_log_lines_lost_total 0\n"), "{}", text.body);

    let request = Request::get("/metrics")
        .header(header::ACCEPT, "text/html;q=0.1")
        .header(header::ACCEPT, "application/openmetrics-text;version=1.0.0")
        .body(Body::empty());
    let open_metrics = ask(&router, request.unwrap()).await;
    assert_eq!(open_metrics.headers[header::CONTENT_TYPE], Format::OpenMetrics100.content_type());
    assert!(open_metrics.body.ends_with("# EOF\n"), "{}", open_metrics.body);
}

#[tokio::test]
async fn a_page_counts_among_the_scrapes_until_it_is_sent() {
    let router = OpsServer::builder().collector(One("first")).router();
    let scrape = || {
        let service = TowerToHyperService::new(router.clone());
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        hyper::service::Service::call(&service, request)
    };
    let mut unsent = Vec::new();
    for _ in 0..scrapes::IN_FLIGHT {
        unsent.push(scrape().await.unwrap());
    }
    let mut next = std::pin::pin!(scrape());
    let is_waiting = std::future::poll_fn(|context| {
        std::task::Poll::Ready(next.as_mut().poll(context).is_pending())
    });
    assert!(is_waiting.await);
    unsent.pop();
    let answer = tokio::time::timeout(PATIENCE, next).await.expect("there is room again");
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_collector_that_panics_costs_the_scrape_only() {
    struct Panics(Arc<AtomicBool>);
    impl Collect for Panics {
        fn collect(&self, _: &mut Writer) {
            assert!(!self.0.load(Ordering::Relaxed), "collector is broken");
        }
    }
    let is_broken = Arc::new(AtomicBool::new(true));
    let router = OpsServer::builder().collector(Panics(Arc::clone(&is_broken))).router();
    assert_eq!(get_path(&router, "/metrics").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    is_broken.store(false, Ordering::Relaxed);
    assert_eq!(get_path(&router, "/metrics").await.status, StatusCode::OK);
}

#[tokio::test]
async fn healthy_until_a_liveness_check_fails() {
    let is_stuck = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_stuck);
    let router = OpsServer::builder()
        .liveness("loader", || Ok(()))
        .liveness("worker", move || {
            if seen.load(Ordering::Relaxed) {
                Err("no progress for 60 s".to_owned())
            } else {
                Ok(())
            }
        })
        .router();
    assert_eq!(get_path(&router, "/-/healthy").await.status, StatusCode::OK);
    is_stuck.store(true, Ordering::Relaxed);
    let answer = get_path(&router, "/-/healthy").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "worker: no progress for 60 s\n");
}

#[tokio::test]
async fn ready_from_the_last_latch_until_draining() {
    let readiness = Readiness::default();
    let latch = readiness.latch("positions");
    let router = OpsServer::builder().readiness(readiness.clone()).router();

    let answer = get_path(&router, "/-/ready").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "not ready: awaiting positions\n");

    latch.release();
    assert_eq!(get_path(&router, "/-/ready").await.status, StatusCode::OK);

    readiness.drain();
    let answer = get_path(&router, "/-/ready").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "not ready: draining\n");
    assert_eq!(get_path(&router, "/-/healthy").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_log_level_is_read_and_set() {
    let log = log_control();
    let router = OpsServer::builder().log_control(log.clone()).router();
    assert_eq!(get_path(&router, "/-/log-level").await.body, "info\n");
    for peer in [LOCAL, "[::1]:5000", "[::ffff:127.0.0.1]:5000"] {
        let answer = put_level(&router, Some(peer), "warn, app::push = debug\n").await;
        assert_eq!(answer.status, StatusCode::OK, "{peer}: {}", answer.body);
        assert_eq!(log.level().to_string(), "warn,app::push=debug");
        log.set_level(json_log::Level::default());
    }
}

#[tokio::test]
async fn only_this_machine_sets_the_log_level_unless_all_may() {
    let log = log_control();
    let router = OpsServer::builder().log_control(log.clone()).router();
    for peer in [Some("10.0.0.7:5000"), Some("[::ffff:10.0.0.7]:5000"), None] {
        let answer = put_level(&router, peer, "debug").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{peer:?}");
    }
    assert_eq!(log.level().to_string(), "info");

    let open = OpsServer::builder().log_control(log.clone()).allow_remote_log_level(true).router();
    assert_eq!(put_level(&open, Some("10.0.0.7:5000"), "debug").await.status, StatusCode::OK);
    assert_eq!(log.level().to_string(), "debug");
}

#[tokio::test]
async fn a_body_that_is_no_level_changes_nothing() {
    let log = log_control();
    let router = OpsServer::builder().log_control(log.clone()).router();
    for (body, status) in [
        (b"loud".to_vec(), StatusCode::BAD_REQUEST),
        (b"".to_vec(), StatusCode::BAD_REQUEST),
        (b"info\xff".to_vec(), StatusCode::BAD_REQUEST),
        (vec![b' '; 4097], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = put_level(&router, Some(LOCAL), body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    let answer = put_level(&router, Some(LOCAL), "loud").await;
    assert!(answer.body.contains("accepted are off, error"), "{}", answer.body);
    assert_eq!(log.level().to_string(), "info");
}

#[tokio::test]
async fn without_log_control_there_is_no_log_level() {
    let router = OpsServer::builder().router();
    assert_eq!(get_path(&router, "/-/log-level").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn another_method_is_refused_and_head_is_not() {
    let router = OpsServer::builder().router();
    let with = |method| Request::builder().method(method).uri("/metrics").body(Body::empty());
    let post = ask(&router, with(Method::POST).unwrap()).await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(&router, with(Method::HEAD).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_routes_go_under_a_prefix_and_beside_others() {
    let own = Router::new().route("/config", get(|| async { "own" }));
    let router = Router::new().nest("/agent", OpsServer::builder().router().merge(own));
    assert_eq!(get_path(&router, "/agent/-/ready").await.status, StatusCode::OK);
    assert_eq!(get_path(&router, "/agent/config").await.body, "own");
    assert_eq!(get_path(&router, "/-/ready").await.status, StatusCode::NOT_FOUND);
}

/// A running server.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start(router: Router) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router, stop.clone()));
    Running { address, stop, server }
}

impl Running {
    /// All that the server answers to `request` until it closes the connection.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // the server may reset a connection whose request it did not read to the end
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.server).await.expect("it stops").unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_served_peer_on_this_machine_may_set_the_level() {
    let log = log_control();
    let running = start(OpsServer::builder().log_control(log.clone()).router()).await;
    let request = "PUT /-/log-level HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\
                   Connection: close\r\n\r\ndebug";
    let answer = running.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(log.level().to_string(), "debug");
    running.stop().await;
}

#[tokio::test]
async fn a_header_that_is_too_long_is_refused() {
    let running = start(OpsServer::builder().router()).await;
    let long = "x".repeat(64_000);
    let request = format!("GET /-/ready HTTP/1.1\r\nConnection: close\r\nA: {long}\r\n\r\n");
    let answer = running.exchange(&request).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_header_that_never_ends_is_cut_off() {
    let running = start(OpsServer::builder().router()).await;
    let started = tokio::time::Instant::now();
    assert_eq!(running.exchange("GET /-/ready HTTP/1.1\r\nHost:").await, "");
    assert!((60..70).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_answered() {
    let running = start(OpsServer::builder().log_control(log_control()).router()).await;
    let request = "PUT /-/log-level HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\
                   Connection: close\r\n\r\nde";
    let started = tokio::time::Instant::now();
    let answer = running.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!((9..15).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    running.stop().await;
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_an_idle_connection_closed_on_stop() {
    let (entered, mut has_entered) = tokio::sync::mpsc::channel(1);
    let (proceed, may_proceed) = tokio::sync::watch::channel(false);
    let slow = get(move || {
        let (entered, mut may_proceed) = (entered.clone(), may_proceed.clone());
        async move {
            entered.send(()).await.unwrap();
            may_proceed.wait_for(|proceed| *proceed).await.unwrap();
            "done"
        }
    });
    let running = start(OpsServer::builder().router().route("/slow", slow)).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    let Running { address, stop, server } = running;
    let request = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let stopping = async {
        has_entered.recv().await.unwrap();
        stop.cancel();
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "closed");
        // the listener is gone before the request ends
        TcpStream::connect(address).await.unwrap_err();
        proceed.send(true).unwrap();
    };
    let (answer, ()) = tokio::join!(request, stopping);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("done"), "{answer}");
    tokio::time::timeout(PATIENCE, server).await.expect("it stops").unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_does_not_keep_the_server_from_stopping() {
    let (entered, mut has_entered) = tokio::sync::mpsc::channel(1);
    let stuck = get(move || {
        let entered = entered.clone();
        async move {
            entered.send(()).await.unwrap();
            std::future::pending::<()>().await;
        }
    });
    let running = start(Router::new().route("/stuck", stuck)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    has_entered.recv().await.unwrap();
    running.stop().await;
}
