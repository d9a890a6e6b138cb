use std::io::{BufRead, BufReader, Write};

use serde_json::json;

use super::*;
use crate::daemon_process::{http_get, http_post};
use crate::patience::PATIENCE;

fn get(server: &ApiServer, path: &str) -> (u16, Value) {
    let port = server.address.port();
    let answer = http_get(port, path).unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

/// Events of a watch, one after another.
struct Watch(BufReader<TcpStream>);

impl Watch {
    fn new(server: &ApiServer, target: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: server\r\n\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// Kind and name of the next event; `None` at the end.
    fn next(&mut self) -> Option<(String, String)> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).ok()? == 0 || line == "0\r\n" {
                return None;
            }
            if let Ok(event) = serde_json::from_str::<Value>(&line)
                && event.is_object()
            {
                let text = |path| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
                return Some((text("/type").to_owned(), text("/object/metadata/name").to_owned()));
            }
        }
    }

    fn expect(&mut self, kind: &str, name: &str) {
        assert_eq!(self.next(), Some((kind.to_owned(), name.to_owned())));
    }
}

#[test]
fn lists_come_in_pages_of_what_the_selectors_find() {
    let server = ApiServer::local();
    for name in ["a", "b", "c"] {
        server.set("pods", pod("ml", name, "n1"));
    }
    server.set("pods", pod("web", "far", "n2"));
    let path = "/api/v1/pods?limit=2&fieldSelector=spec.nodeName%3Dn1";
    let (_, first) = get(&server, path);
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = get(&server, &format!("{path}&continue={next}"));
    assert_eq!(second["items"][0]["metadata"]["name"], "c");
    assert_eq!(second["metadata"]["continue"], Value::Null);
    let (_, own) = get(&server, "/api/v1/namespaces/web/pods");
    assert_eq!(own["items"][0]["metadata"]["name"], "far");
    server.forget_history(Forgotten::ByStatus);
    server.set("pods", pod("ml", "d", "n1"));
    server.forget_history(Forgotten::ByStatus);
    assert_eq!(get(&server, &format!("{path}&continue={next}")).0, 410);
}

#[test]
fn a_watch_tells_what_changed_after_its_version_and_nothing_else() {
    let server = ApiServer::local();
    server.set("pods", pod("ml", "a", "n1"));
    let path = "/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dn1&resourceVersion=";
    let mut watch = Watch::new(&server, &format!("{path}1"));
    server.set("pods", pod("ml", "far", "n2"));
    server.set("pods", pod("ml", "a", "n1"));
    server.set("pods", pod("ml", "b", "n1"));
    server.set("pods", pod("ml", "a", "n2"));
    watch.expect("MODIFIED", "a");
    watch.expect("ADDED", "b");
    watch.expect("DELETED", "a");
    server.bookmark();
    watch.expect("BOOKMARK", "");
    server.remove("pods", "ml", "b");
    watch.expect("DELETED", "b");
    server.end_watches();
    assert_eq!(watch.next(), None);
    server.forget_history(Forgotten::ByStatus);
    assert_eq!(get(&server, &format!("{path}1")).0, 410);
    server.forget_history(Forgotten::ByEvent);
    Watch::new(&server, &format!("{path}1")).expect("ERROR", "");
}

#[test]
fn tokens_faults_and_outages_are_as_ordered() {
    let mut server = ApiServer::local();
    server.require_token("t1");
    assert_eq!(get(&server, "/api/v1/nodes").0, 401);
    server.set_fault(Some(500));
    assert_eq!(get(&server, "/api/v1/nodes").1["code"], json!(500));
    let statuses: Vec<u16> = server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [401, 500]);
    server.stop();
    assert!(http_get(server.address.port(), "/api/v1/nodes").is_err());
    server.start();
    assert_eq!(get(&server, "/api/v1/nodes").0, 500);
}

#[test]
fn a_lease_is_written_only_over_the_version_that_was_read() {
    let server = ApiServer::local();
    let port = server.address.port();
    let leases = "/apis/coordination.k8s.io/v1/namespaces/ml/leases";
    assert_eq!(get(&server, &format!("{leases}/relay")).0, 404);
    let lease = json!({"metadata": {"name": "relay"}, "spec": {"holderIdentity": "a"}});
    let created = http_post(port, leases, &lease.to_string()).unwrap();
    assert_eq!(created.status, 201);
    assert_eq!(http_post(port, leases, &lease.to_string()).unwrap().status, 409);
    let (_, read) = get(&server, &format!("{leases}/relay"));
    let put = |lease: &Value| {
        let body = lease.to_string();
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let path = format!("{leases}/relay");
        write!(stream, "PUT {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    };
    assert!(put(&read).contains("200"));
    assert!(put(&read).contains("409"), "the version is older than what is stored");
    assert!(server.object("leases", "ml", "relay").is_some());
}
