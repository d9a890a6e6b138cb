//! Requests to real servers: TLS, proxies and tokens.

mod oauth2;
mod proxy;
mod tls;

use std::error::Error as _;

use stack_tests::http_peer::HttpPeer;

use super::*;
use crate::config::http_client::HttpHeader;

/// A requester without an environment.
fn requester(config: &HttpClient, url: &str) -> Result<Requester, ConnectError> {
    let (url, timeout) = (url.parse().unwrap(), Some(stack_tests::patience::PATIENCE));
    Requester::with_environment(config, "client a", &url, timeout, &Environment::default())
}

/// Sends one request and gives the status of the answer.
async fn get(requester: &Requester, url: &str) -> Result<u16, SendError> {
    let request = Request::new(reqwest::Method::GET, url.parse().unwrap());
    requester.send(request).await.map(|answer| answer.status().as_u16())
}

/// All causes, as they are logged.
fn chain(error: &SendError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn extra_headers_are_sent_with_all_their_values_and_follow_their_files() {
    let server = HttpPeer::contented(None).await;
    let url = format!("http://{}/", server.address());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), " from-file \n").unwrap();
    let mut config = HttpClient::default();
    let header = HttpHeader {
        values: vec!["one".to_owned(), "two".to_owned()],
        secrets: vec!["s3cr3t".to_owned().into()],
        files: vec![file.path().display().to_string()],
    };
    config.http_headers.insert("X-Many".to_owned(), header);
    let requester = requester(&config, &url).unwrap();
    assert!(!format!("{requester:?}").contains("s3cr3t"));
    assert_eq!(get(&requester, &url).await.unwrap(), 204);
    assert_eq!(server.seen()[0].header("x-many"), "one,two,s3cr3t,from-file");
}

#[tokio::test]
async fn user_and_password_of_a_url_become_a_header() {
    let server = HttpPeer::contented(None).await;
    let url = format!("http://Aladdin:open%20sesame@{}/", server.address());
    let requester = requester(&HttpClient::default(), &url).unwrap();
    assert_eq!(get(&requester, &url).await.unwrap(), 204);
    assert_eq!(server.seen()[0].header("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(server.seen()[0].header("host"), server.address().to_string());
}

#[test]
fn a_missing_file_and_a_broken_header_are_named_with_block_and_key() {
    let mut config = HttpClient::default();
    config.tls_config.ca_file = "/does/not/exist".to_owned();
    assert_eq!(
        requester(&config, "http://x/").unwrap_err().to_string(),
        "client a: tls_config.ca_file: cannot read /does/not/exist"
    );
    config = HttpClient::default();
    let header =
        HttpHeader { secrets: vec!["s3cr3t\n".to_owned().into()], ..HttpHeader::default() };
    config.http_headers.insert("X-A".to_owned(), header);
    assert_eq!(
        requester(&config, "http://x/").unwrap_err().to_string(),
        "client a: header \"X-A\" is no valid HTTP header"
    );
}
