use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn no_environment(_: &str) -> Option<String> {
    None
}

fn error(text: &str) -> String {
    parse(Path::new("promtail.yaml"), text, None).unwrap_err().to_string()
}

#[test]
fn the_first_file_that_exists_is_read() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("second.yaml");
    std::fs::write(&path, "positions: {filename: /here}").unwrap();
    let config =
        load(&format!("/does/not/exist,{}", path.display()), false, &no_environment).unwrap();
    assert_eq!(config.positions.filename, Path::new("/here"));
}

#[test]
fn no_path_is_the_default_and_a_missing_file_is_an_error() {
    assert_eq!(load("", false, &no_environment).unwrap(), Config::default());
    assert_eq!(
        load("/does/not/exist", false, &no_environment).unwrap_err().to_string(),
        "/does/not/exist does not exist, set config.file for custom config path"
    );
}

#[test]
fn a_folder_a_huge_file_and_bytes_that_are_no_text_are_refused() {
    let dir = TempDir::new().unwrap();
    let load = |path: &Path| load(&path.display().to_string(), false, &no_environment).unwrap_err();
    assert!(matches!(load(dir.path()), ConfigError::Unreadable { .. }));
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, b"a: b\n\xff").unwrap();
    assert!(matches!(load(&path), ConfigError::NotText { line: 2, .. }));
    File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(matches!(load(&path), ConfigError::TooLarge { .. }));
}

#[test]
fn variables_are_expanded_only_when_asked() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, "positions: {filename: '/run/${NAME}'}\n# ${1}\n").unwrap();
    let lookup = |name: &str| (name == "NAME").then(|| "p.yaml".to_owned());
    let path = path.display().to_string();
    let config = load(&path, true, &lookup).unwrap();
    assert_eq!(config.positions.filename, Path::new("/run/p.yaml"));
    assert_eq!(
        config.warnings(),
        [format!(
            "{path}:2:3: ${{1}} is replaced by nothing; write $${{1}} for a reference to a group"
        )]
    );
    let config = load(&path, false, &lookup).unwrap();
    assert_eq!(config.positions.filename, Path::new("/run/${NAME}"));
    assert!(config.warnings().is_empty());
}

#[test]
fn an_open_brace_is_refused_where_it_stands() {
    let error =
        parse(Path::new("p.yaml"), "a:\n  job: ${BROKEN\n", Some(&no_environment)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("p.yaml:2:8: missing closing brace: accepted is `${NAME}`"), "{text}");
}

#[test]
fn every_finding_has_a_line_with_file_line_and_column() {
    assert_eq!(
        error("clients:\n  - url: http://loki/\n    timeout: ten seconds\nscrape_config: []\n"),
        "promtail.yaml:3:14: clients[0].timeout: \"ten seconds\" is not a duration: expected numbers \
         with units, such as 1h30m or 1.5s\n\
         promtail.yaml:4:1: line 4: field scrape_config not found in type config.Config; did you \
         mean scrape_configs?; accepted: global, server, client, clients, positions, scrape_configs, \
         target_config, limits_config, options, tracing, wal"
    );
}

#[test]
fn broken_yaml_and_repeated_keys_are_refused_with_their_place() {
    assert!(error("a: [1\nb: c\n").starts_with("promtail.yaml:2:"), "{}", error("a: [1\nb: c\n"));
    assert_eq!(
        error("server: {}\nserver: {}\n"),
        "promtail.yaml:2:1: key \"server\" already set in this map on line 1"
    );
    assert_eq!(error("- a"), "promtail.yaml:1:1: a list where a map is wanted");
}

#[test]
fn the_hint_about_variables_comes_only_where_there_are_any() {
    assert!(error("server: {http_listen_port: '${PORT}'}").ends_with("-config.expand-env=true"));
    assert!(!error("server: {http_listen_port: x}").contains("expand-env"));
}

proptest! {
    #[test]
    fn no_text_makes_loading_panic(
        text in r"(?s)((server|clients|scrape_configs|job_name|url|labels|- |  |: |\{|\}|\[|\]|\n|x|1|~|&a|\*a|<<|\$\{A:-)){0,24}"
    ) {
        if let Ok(config) = parse(Path::new("p"), &text, None) {
            let _ = config.validate_for_start();
            let _ = config.to_yaml();
        }
        let _ = parse(Path::new("p"), &text, Some(&no_environment));
    }
}
