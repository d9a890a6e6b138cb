use std::io::{Read as _, Write as _};

use super::*;
use crate::patience::PATIENCE;

/// Status line with headers, and body.
fn get(consul: &ConsulAgent, target: &str) -> (String, String) {
    let mut stream = TcpStream::connect(consul.address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: c\r\n\r\n").unwrap();
    let mut text = Vec::new();
    while !text.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap();
    let (_, length) = head.split_once("Content-Length: ").unwrap();
    let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn index(head: &str) -> u64 {
    let (_, rest) = head.split_once("X-Consul-Index: ").unwrap();
    rest.lines().next().unwrap().parse().unwrap()
}

#[test]
fn a_query_with_the_last_index_is_held_until_something_changes() {
    let consul = ConsulAgent::local();
    let (head, body) = get(&consul, "/v1/catalog/services");
    assert_eq!(body, "{}");
    let target = format!("/v1/catalog/services?index={}&wait=60000ms", index(&head));
    std::thread::scope(|scope| {
        let held = scope.spawn(|| get(&consul, &target));
        assert!(consul.wait_for(PATIENCE, |requests| requests.len() == 2));
        assert!(!held.is_finished());
        consul.register(Service::new("web", "web-1").tags(&["blue"]));
        let (later, body) = held.join().unwrap();
        assert_eq!(body, r#"{"web":["blue"]}"#);
        assert!(index(&later) > index(&head));
    });
    let (head, _) = get(&consul, &format!("{target}&index=1"));
    assert!(head.starts_with("HTTP/1.1 200 "), "an old index is answered at once: {head}");
}

#[test]
fn a_held_query_ends_with_its_time() {
    let consul = ConsulAgent::local();
    let (head, _) = get(&consul, "/v1/health/service/web");
    let same = get(&consul, &format!("/v1/health/service/web?index={}&wait=1ms", index(&head))).0;
    assert_eq!(index(&same), index(&head));
}

#[test]
fn tags_select_and_the_worst_instance_is_the_status_of_an_agents_service() {
    let consul = ConsulAgent::local();
    consul.register(Service::new("web", "web-1").tags(&["blue"]).status("warning"));
    consul.register(Service::new("web", "web-2").tags(&["red"]));
    let (_, body) = get(&consul, "/v1/health/service/web?tag=red");
    assert!(body.contains("web-2") && !body.contains("web-1"), "{body}");
    let (head, body) = get(&consul, "/v1/agent/health/service/name/web");
    assert!(head.starts_with("HTTP/1.1 429 ") && body.contains("web-1"), "{head}{body}");
    assert!(get(&consul, "/v1/agent/health/service/name/x").0.starts_with("HTTP/1.1 404 "));
    consul.require_token("t");
    assert!(get(&consul, "/v1/agent/self").0.starts_with("HTTP/1.1 403 "));
}
