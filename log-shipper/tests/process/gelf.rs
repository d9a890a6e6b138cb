//! GELF senders.

use std::io::Write;
use std::net::UdpSocket;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use stack_tests::daemon_process::free_port;

use crate::fixture::{Fixture, PATIENCE};
use crate::syslog::{arrived, config};

#[test]
fn messages_arrive_compressed_large_and_in_chunks() {
    let mut fixture = Fixture::new();
    let port = free_port();
    let job = format!(
        "    gelf: {{listen_address: '127.0.0.1:{port}', use_incoming_timestamp: true, labels: {{job: gelf}}}}
    relabel_configs:
      - {{source_labels: [__gelf_message_level], target_label: level}}
      - {{source_labels: [__gelf_message_host], target_label: host}}
"
    );
    let text = config(&fixture, &job);
    fixture.start(&text);
    fixture.wait_for_log("source listening");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |datagram: &[u8]| {
        socket.send_to(datagram, ("127.0.0.1", port)).unwrap();
    };
    let message = |text: &str, time: &str| {
        format!(
            "{{\"version\":\"1.1\",\"host\":\"example.org\",\"short_message\":\"{text}\",\
             \"timestamp\":{time},\"level\":3,\"_id\":7}}"
        )
    };
    send(b"nonsense");
    let compressed = message("a", "1385053862.3072");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(compressed.as_bytes()).unwrap();
    send(&zlib.finish().unwrap());
    // Promtail cuts what is longer than 1420 bytes.
    let large = message(&"b".repeat(60_000), "1385053863");
    send(large.as_bytes());
    let chunked = message(&"c".repeat(3_000), "1385053864");
    let parts: Vec<&[u8]> = chunked.as_bytes().chunks(1000).collect();
    let count = u8::try_from(parts.len()).unwrap();
    for (number, part) in (0..count).zip(&parts).rev() {
        send(&[&[0x1e, 0x0f, 1, 2, 3, 4, 5, 6, 7, 8, number, count][..], part].concat());
    }
    let came = fixture.receiver.wait_for(PATIENCE, |state| state.lines() >= 3);
    assert!(came, "{}", fixture.shipper_log());
    let labels = [("host", "example.org"), ("job", "gelf"), ("level", "error")];
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let expected = [compressed, large, chunked].map(|line| (labels.clone(), line));
    assert_eq!(arrived(&fixture), expected);
    let mut times: Vec<_> =
        fixture.receiver.entries().iter().map(|entry| entry.timestamp_ns).collect();
    times.sort_unstable();
    assert_eq!(times[0], 1_385_053_862_307_200_000);
    fixture.wait_for_log("GELF message cannot be read");
    assert!(fixture.terminate().success());
}
