//! Commands beside serving, and how a relay refuses to start.

use crate::fixture::{CONFIG, Relay};

#[test]
fn a_configuration_is_checked_with_the_place_of_what_is_wrong() {
    let mut relay = Relay::new();
    let (code, text) = relay.run(&["check-config", "relay.yml"]);
    assert_eq!((code, text.as_str()), (0, "relay.yml: good\n"));
    let bad = CONFIG.replace("destinations: [file]", "destinations: [fiel]");
    std::fs::write(relay.folder.path().join("bad.yml"), bad).unwrap();
    let (code, text) = relay.run(&["check-config", "bad.yml"]);
    assert!(code == 1 && text.contains("\"fiel\" is no destination; there are file"), "{text}");
    let (code, text) = relay.run(&["--config.file", "bad.yml"]);
    assert!(code == 78 && text.contains("routes[0].destinations"), "{text}");
}

#[test]
fn a_relay_that_everybody_could_reach_wants_credentials() {
    let mut relay = Relay::new();
    let open = CONFIG.replace("bearer_token_files: [token], ", "");
    std::fs::write(relay.folder.path().join("relay.yml"), open).unwrap();
    let flags = ["--config.file", "relay.yml", "--web.listen-address", "0.0.0.0:0"];
    let (code, text) = relay.run(&flags);
    assert!(code == 78 && text.contains("--insecure-listen"), "{text}");
}

#[test]
fn a_journal_is_looked_at_only_where_there_is_one_and_nobody_has_it() {
    let mut relay = Relay::new();
    let (code, text) = relay.run(&["journal", "verify"]);
    assert!(code == 1 && text.contains("data has no journal"), "{text}");
    relay.start(&[]);
    let (code, text) = relay.run(&["journal", "dump"]);
    assert!(code == 1 && text.contains("is in use by another process"), "{text}");
    assert_eq!(relay.stop(), 0);
    std::fs::write(relay.folder.path().join("data/journal.redb"), "notes").unwrap();
    let (code, text) =
        relay.run(&["--config.file", "relay.yml", "--web.listen-address", "127.0.0.1:0"]);
    assert!(code == 1 && text.contains("cannot open the journal"), "{text}");
}
