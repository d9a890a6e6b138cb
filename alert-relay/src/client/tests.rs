use std::error::Error as _;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get as get_route;
use stack_tests::http_peer::HttpPeer;
use stack_tests::test_authority::TestAuthority;

use super::*;

const LIMIT: usize = 1 << 10;

async fn get(client: &Client, path: &str) -> Result<Answer, ClientError> {
    client.send(Method::GET, path, None, LIMIT).await
}

#[tokio::test]
async fn paths_go_behind_the_base_and_the_token_follows_its_file() {
    let peer = HttpPeer::start(None, |_| (200, "text/plain", "yes".to_owned())).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "t1\n").unwrap();
    let base = format!("http://{}/prefix/", peer.address());
    let client = Client::new(&base, Some(&token), Authorities::System).unwrap();
    let body = get(&client, "/api/v2/alerts?active=true").await.unwrap().success().unwrap();
    assert_eq!(body, b"yes");
    let seen = &peer.seen()[0];
    assert_eq!(seen.path, "/prefix/api/v2/alerts?active=true");
    assert_eq!(seen.header("authorization"), "Bearer t1");
    assert!(!format!("{client:?}").contains("t1"));
    std::fs::write(&token, "two\nlines").unwrap();
    let broken = Client::new(&base, Some(&token), Authorities::System).unwrap();
    let error = get(&broken, "/").await.unwrap_err().to_string();
    assert!(error.ends_with("has characters that no header may have"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_a_large_body_none() {
    let routes = Router::new()
        .route("/moved", get_route(async || Redirect::temporary("/elsewhere")))
        .route("/elsewhere", get_route(async || "followed"))
        .route("/large", get_route(async || "x".repeat(LIMIT + 1)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    let client = Client::new(&base, None, Authorities::System).unwrap();
    let error = get(&client, "/moved").await.unwrap().success().unwrap_err();
    assert_eq!(error.to_string(), "answered with status 307");
    let error = get(&client, "/large").await.unwrap_err();
    assert_eq!(error.to_string(), "answer has more than 1024 bytes");
    serving.abort();
}

#[tokio::test]
async fn only_the_authority_of_the_file_is_believed_and_the_file_is_followed() {
    let (own, other) = (TestAuthority::new(), TestAuthority::new());
    let tls = own.server(&["127.0.0.1"], false, rustls::ALL_VERSIONS);
    let peer = HttpPeer::contented(Some(tls)).await;
    let base = format!("https://{}/s3cr3t", peer.address());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, other.pem()).unwrap();
    let client = Client::new(&base, None, Authorities::Only(file.clone())).unwrap();
    let error = get(&client, "").await.unwrap_err();
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    assert!(chain.contains("certificate") && !chain.contains("s3cr3t"), "{chain}");
    std::fs::write(&file, own.pem()).unwrap();
    let _ = client.http(Instant::now() + CHECK_INTERVAL);
    assert_eq!(get(&client, "").await.unwrap().status, 204);
    assert_eq!(peer.seen()[0].path, "/s3cr3t");
}

#[test]
fn what_cannot_be_used_is_refused_when_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "token").unwrap();
    let new = |base: &str, token: Option<&Path>, authorities| {
        Client::new(base, token, authorities).unwrap_err().to_string()
    };
    assert_eq!(
        new("ftp://a", None, Authorities::System),
        "not a URL with http or https and a host"
    );
    let error = new("http://10.0.0.1", Some(&file), Authorities::System);
    assert!(error.starts_with("a bearer token needs https"), "{error}");
    let error = new("https://a", None, Authorities::SystemAnd(file.clone()));
    assert!(error.ends_with("has no certificate that can be an authority's"), "{error}");
    let gone = folder.path().join("gone");
    assert_eq!(new("https://a", Some(&gone), Authorities::System), "no secret");
}
