use std::io::{Read, Write};

use super::*;
use crate::patience::PATIENCE;

struct World {
    engine: Engine,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    World { engine: Engine::at(&folder.path().join("docker.sock")), _folder: folder }
}

impl World {
    fn ask(&self, target: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.engine.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: engine\r\n\r\n").unwrap();
        stream
    }

    /// Everything up to this text.
    fn read_until(stream: &mut UnixStream, end: &str) -> String {
        let mut read = Vec::new();
        let mut byte = [0];
        while !read.ends_with(end.as_bytes()) {
            stream.read_exact(&mut byte).unwrap_or_else(|error| {
                panic!("{error}, after {:?}", String::from_utf8_lossy(&read))
            });
            read.push(byte[0]);
        }
        String::from_utf8_lossy(&read).into_owned()
    }
}

#[test]
fn a_log_is_framed_and_followed_until_the_container_stops() {
    let world = world();
    let id = world.engine.run(Container::named("web"));
    world.engine.write_at(&id, Output::Stdout, "one\n", 1_704_164_645_000_000_001);
    let target = format!("/containers/{id}/logs?follow=1&stdout=1&stderr=1&timestamps=1");
    let mut log = world.ask(&target);
    let frame = "\u{1}\0\0\0\0\0\0\u{23}2024-01-02T03:04:05.000000001Z one\n";
    assert!(World::read_until(&mut log, "one\n").ends_with(frame));
    world.engine.write_at(&id, Output::Stderr, "two\n", 1_704_164_645_000_000_002);
    assert!(World::read_until(&mut log, "two\n").contains("\u{2}\0\0\0"));
    world.engine.stop(&id);
    World::read_until(&mut log, "0\r\n\r\n");
    let mut log = world.ask(&format!("{target}&since=1704164646"));
    assert!(!World::read_until(&mut log, "0\r\n\r\n").contains("one"));
}

#[test]
fn long_lines_come_in_parts_of_one_time_and_a_terminal_has_no_frames() {
    let world = world();
    let id = world.engine.run(Container { tty: true, ..Container::named("sh") });
    world.engine.write(&id, Output::Stderr, &format!("{}end\n", "x".repeat(20_000)));
    world.engine.stop(&id);
    let mut log = world.ask(&format!("/containers/{id}/logs?stdout=1&timestamps=1"));
    let text = World::read_until(&mut log, "0\r\n\r\n");
    assert!(text.contains("end\r\n") && text.matches("Z x").count() == 2, "{text}");
}

#[test]
fn lists_are_filtered_and_events_told_from_the_past_on() {
    let world = world();
    let web = world.engine.run(Container::named("web").with_label("logging", "on"));
    world.engine.create(Container::named("db"));
    let ask = |query: &str| {
        let mut stream = world.ask(&format!("/containers/json?{query}"));
        let head = World::read_until(&mut stream, "\r\n\r\n").to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    };
    let listed = |query: &str| ask(query).matches("\"Id\"").count();
    assert_eq!((listed("a=b"), listed("all=1")), (1, 2));
    assert_eq!(listed("all=1&filters={\"label\":[\"logging=on\"]}"), 1);
    assert_eq!(listed("all=1&filters={\"name\":[\"x\"]}"), 0);
    let mut events = world.ask("/events?since=0&filters={\"event\":[\"start\",\"destroy\"]}");
    World::read_until(&mut events, "\r\n\r\n");
    assert!(World::read_until(&mut events, "\n\r\n").contains("\"start\""));
    world.engine.remove(&web);
    assert!(World::read_until(&mut events, "\n\r\n").contains("\"destroy\""));
}

#[test]
fn an_engine_that_ends_cuts_its_connections_and_comes_back_with_its_containers() {
    let mut world = world();
    let id = world.engine.run(Container::named("web"));
    let mut log = world.ask(&format!("/containers/{id}/logs?follow=1&stdout=1"));
    World::read_until(&mut log, "\r\n\r\n");
    world.engine.end_serving();
    let mut rest = Vec::new();
    assert_eq!(log.read_to_end(&mut rest).unwrap_or_default(), 0, "no last chunk");
    world.engine.begin_serving();
    let mut list = world.ask("/containers/json");
    assert!(World::read_until(&mut list, "]").contains(&id));
    world.engine.refuse("/json", Some(503));
    assert!(World::read_until(&mut world.ask("/containers/json"), "}").contains("503"));
}
