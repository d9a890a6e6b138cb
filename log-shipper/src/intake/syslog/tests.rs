use std::net::SocketAddr;

use stack_tests::patience::PATIENCE;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::intake::inlet;
use crate::intake::message::Delivery;

/// A source on a port of its own, and what it passes on.
struct Running {
    address: SocketAddr,
    deliveries: mpsc::Receiver<Delivery>,
    inlet: Inlet,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn tcp(config: SyslogConfig) -> Running {
    let config = SyslogConfig { listen_address: "127.0.0.1:0".to_owned(), ..config };
    let source = Syslog::new(&config).unwrap();
    let (inlet, deliveries) = inlet::for_tests(vec![]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let passage = Arc::new(Passage {
        inlet: inlet.clone(),
        decoder: source.decoder,
        names: HostNames::of_system(),
        max_message_length: source.max_message_length,
    });
    let Transport::Tcp(tls) = source.transport else { panic!("no TCP") };
    let task = tokio::spawn(tcp::serve(listener, passage, tls, source.idle, stop.clone()));
    Running { address, deliveries, inlet, stop, task }
}

impl Running {
    async fn line(&mut self) -> String {
        let delivery = tokio::time::timeout(PATIENCE, self.deliveries.recv()).await;
        let delivery = delivery.expect("a message comes").unwrap();
        String::from_utf8(delivery.message.line).unwrap()
    }
}

#[tokio::test]
async fn a_last_message_comes_without_a_next_one() {
    let mut running = tcp(SyslogConfig::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"<34>1 - - - - - - one\n<34>1 - - - - - - two\nmore\n").await.unwrap();
    assert_eq!(running.line().await, "one");
    assert_eq!(running.line().await, "two\nmore");
    stream.write_all(b"<34>1 - - - - - - three\n").await.unwrap();
    assert_eq!(running.line().await, "three");
    drop(stream);
}

#[tokio::test]
async fn a_bad_message_is_counted_and_the_next_one_is_read() {
    let config = SyslogConfig { max_message_length: 40, ..SyslogConfig::default() };
    let mut running = tcp(config).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let long = format!("60 {}", "x".repeat(60));
    stream.write_all(long.as_bytes()).await.unwrap();
    stream.write_all(b"4 oops17 <34>1 - - - - - -21 <34>1 - - - - - - yes").await.unwrap();
    assert_eq!(running.line().await, "yes");
    let metrics = running.inlet.metrics();
    assert_eq!((metrics.syslog_errors.get(), metrics.syslog_empty.get()), (2, 1));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let config = SyslogConfig { idle_timeout: "50ms".parse().unwrap(), ..SyslogConfig::default() };
    let mut running = tcp(config).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"<34>1 - - - - - - held").await.unwrap();
    assert_eq!(running.line().await, "held");
    let mut rest = Vec::new();
    let end = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(end.is_ok() && rest.is_empty());
}

#[tokio::test]
async fn a_stop_takes_what_was_sent_and_ends() {
    let mut running = tcp(SyslogConfig::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"<34>1 - - - - - - one\n<34>1 - - - - - - two\n").await.unwrap();
    assert_eq!(running.line().await, "one");
    stream.write_all(b"<34>1 - - - - - - three").await.unwrap();
    running.stop.cancel();
    assert_eq!(running.line().await, "two");
    assert_eq!(running.line().await, "three");
    running.task.await.unwrap();
    assert_eq!(running.inlet.metrics().syslog_entries.get(), 3);
}

/// The clock stands still while anything can go on, so that a pause ends when nothing can.
#[tokio::test(start_paused = true)]
async fn a_sender_waits_while_the_shipper_has_enough() {
    let source = Syslog::new(&SyslogConfig {
        listen_address: "127.0.0.1:0".to_owned(),
        ..SyslogConfig::default()
    });
    let (inlet, mut deliveries) = inlet::with_queue(vec![], 4);
    let passage = Passage {
        inlet,
        decoder: source.unwrap().decoder,
        names: HostNames::of_system(),
        max_message_length: 8192,
    };
    let (mut sender, stream) = tokio::io::duplex(1024);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let reading = tokio::spawn(async move {
        tcp::connection(stream, address, &passage, DEFAULT_IDLE, &CancellationToken::new()).await;
    });
    let sending = tokio::spawn(async move {
        let message = format!("<34>1 - - - - - - {}\n", "x".repeat(8000));
        sender.write_all(message.repeat(100).as_bytes()).await
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!sending.is_finished(), "800 KB fit into no buffer on the way");
    assert_eq!(deliveries.len(), 4);
    for _ in 0..100 {
        assert_eq!(deliveries.recv().await.unwrap().message.line.len(), 8000);
    }
    assert!(sending.await.unwrap().is_ok());
    reading.await.unwrap();
}

#[test]
fn what_cannot_work_is_refused_with_what_is_accepted() {
    let syslog = |change: fn(&mut SyslogConfig)| {
        let mut config =
            SyslogConfig { listen_address: "127.0.0.1:0".to_owned(), ..SyslogConfig::default() };
        change(&mut config);
        let error = Syslog::new(&config).unwrap_err();
        instrumentation::json_log::ErrorChain(&error).to_string()
    };
    for (message, expected) in [
        (syslog(|config| config.listen_address.clear()), "listen_address must be set"),
        (syslog(|config| config.listen_protocol = "sctp".to_owned()), "accepted are tcp and udp"),
        (syslog(|config| config.syslog_format = "rfc1".to_owned()), "are rfc5424 and rfc3164"),
        (
            syslog(|config| config.tls_config.ca_file = "x".to_owned()),
            "both cert_file and key_file",
        ),
        (syslog(|config| config.tls_config.cert = "x".to_owned()), "tls_config.cert is not read"),
    ] {
        assert!(message.contains(expected), "{message}");
    }
}
