//! Tokens from a real token server.

use std::sync::Arc;
use std::sync::Mutex;

use rustls::version::TLS13;
use stack_tests::http_peer::Seen;
use stack_tests::test_authority::TestAuthority;
use stack_tests::token_server::{Takes, TokenServer};

use super::*;
use crate::config::http_client::OAuth2;

fn config(tokens: &TokenServer) -> HttpClient {
    let oauth2 = OAuth2 {
        client_id: "shipper".to_owned(),
        client_secret: "hunter/2".to_owned().into(),
        scopes: vec!["logs".to_owned(), "write".to_owned()],
        token_url: tokens.url(),
        endpoint_params: [("audience".to_owned(), "loki".to_owned().into())].into(),
        ..OAuth2::default()
    };
    HttpClient { oauth2: Some(oauth2), ..HttpClient::default() }
}

fn used(server: &HttpPeer) -> Vec<String> {
    server.seen().iter().map(|request| request.header("authorization")).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_sent_with_every_request() {
    let tokens = TokenServer::start(Takes::Header, 3600, None).await;
    let server = HttpPeer::contented(None).await;
    let url = format!("http://{}/", server.address());
    let requester = requester(&config(&tokens), &url).unwrap();
    let all = (get(&requester, &url), get(&requester, &url), get(&requester, &url));
    let (a, b, c) = tokio::join!(all.0, all.1, all.2);
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (204, 204, 204));
    assert_eq!(used(&server), ["Bearer token-1"; 3]);
    let asked = tokens.seen();
    assert_eq!(asked.len(), 1);
    // shipper:hunter%2F2
    assert_eq!(asked[0].header("authorization"), "Basic c2hpcHBlcjpodW50ZXIlMkYy");
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=logs+write&audience=loki");
}

#[tokio::test]
async fn a_server_that_wants_credentials_in_the_form_gets_them_there() {
    let tokens = TokenServer::start(Takes::Form, 1, None).await;
    let server = HttpPeer::contented(None).await;
    let url = format!("http://{}/", server.address());
    let requester = requester(&config(&tokens), &url).unwrap();
    // a token about to expire is not used again
    for _ in 0..2 {
        assert_eq!(get(&requester, &url).await.unwrap(), 204);
    }
    assert_eq!(used(&server), ["Bearer token-1", "Bearer token-2"]);
    let asked = tokens.seen();
    // the refused first try is not repeated for the second token
    assert_eq!(asked.len(), 3);
    assert!(asked[2].body.ends_with("&client_id=shipper&client_secret=hunter%2F2"));
    assert_eq!(asked[2].header("authorization"), "");
}

#[tokio::test]
async fn a_withdrawn_token_is_renewed_once() {
    let tokens = TokenServer::start(Takes::Header, 3600, None).await;
    let good = Arc::new(Mutex::new("Bearer token-1".to_owned()));
    let accepted = Arc::clone(&good);
    let server = HttpPeer::start(None, move |request: &Seen| {
        let is_good = request.header("authorization") == *accepted.lock().unwrap();
        (if is_good { 204 } else { 401 }, "text/plain", String::new())
    })
    .await;
    let url = format!("http://{}/", server.address());
    let requester = requester(&config(&tokens), &url).unwrap();
    assert_eq!(get(&requester, &url).await.unwrap(), 204);
    "Bearer token-2".clone_into(&mut good.lock().unwrap());
    assert_eq!(get(&requester, &url).await.unwrap(), 204);
    assert_eq!(used(&server), ["Bearer token-1", "Bearer token-1", "Bearer token-2"]);
    // no token is good any more: asked for one more, then the answer stands
    good.lock().unwrap().clear();
    assert_eq!(get(&requester, &url).await.unwrap(), 401);
    assert_eq!((server.seen().len(), tokens.seen().len()), (5, 3));
}

#[tokio::test]
async fn a_refusal_is_told_without_secrets() {
    let tokens = TokenServer::start(Takes::Nothing, 0, None).await;
    let requester = requester(&config(&tokens), "http://127.0.0.1:1/").unwrap();
    let error = get(&requester, "http://127.0.0.1:1/").await.unwrap_err();
    assert_eq!(
        chain(&error),
        "no OAuth2 token: 127.0.0.1 answered 401 Unauthorized: invalid_client"
    );
    assert!(!format!("{requester:?}{error:?}").contains("hunter"));
}

#[tokio::test]
async fn the_way_to_the_token_server_has_its_own_tls_and_proxy() {
    let authority = TestAuthority::new();
    let tls = authority.server(&["127.0.0.1"], false, &[&TLS13]);
    let tokens = TokenServer::start(Takes::Header, 0, Some(tls)).await;
    let server = HttpPeer::contented(None).await;
    let url = format!("http://{}/", server.address());
    let mut config = config(&tokens);
    let error = get(&requester(&config, &url).unwrap(), &url).await.unwrap_err();
    assert!(chain(&error).contains("invalid peer certificate"), "{}", chain(&error));
    config.oauth2.as_mut().unwrap().tls_config.ca = authority.pem();
    assert_eq!(get(&requester(&config, &url).unwrap(), &url).await.unwrap(), 204);
    assert_eq!(used(&server), ["Bearer token-1"]);
}

#[test]
fn a_broken_token_url_is_named_without_its_text() {
    let oauth2 = OAuth2 { token_url: "ftp://u:s3cr3t@x".to_owned(), ..OAuth2::default() };
    let config = HttpClient { oauth2: Some(oauth2), ..HttpClient::default() };
    assert_eq!(
        requester(&config, "http://x/").unwrap_err().to_string(),
        "client a: oauth2.token_url scheme ftp is not supported; accepted: http and https"
    );
}
