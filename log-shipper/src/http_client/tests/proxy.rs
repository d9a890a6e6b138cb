//! Requests through a real proxy.

use rustls::version::TLS13;
use stack_tests::proxy_peer::ProxyPeer;
use stack_tests::test_authority::TestAuthority;

use super::*;
use crate::config::http_url::HttpUrl;

fn through(proxy: &ProxyPeer) -> HttpClient {
    let mut config = HttpClient::default();
    let url = format!("http://me:hunter2@{}", proxy.address());
    config.proxy.proxy_url = HttpUrl::parse(&url).unwrap();
    let secret = vec!["s3cr3t".to_owned().into()];
    config.proxy.proxy_connect_header.insert("X-Proxy-Token".to_owned(), secret);
    config
}

#[tokio::test]
async fn https_goes_through_a_tunnel_whose_headers_only_the_proxy_sees() {
    let authority = TestAuthority::new();
    let server =
        HttpPeer::contented(Some(authority.server(&["loki.test"], false, &[&TLS13]))).await;
    let proxy = ProxyPeer::start(server.address()).await;
    let mut config = through(&proxy);
    config.tls_config.ca = authority.pem();
    let requester = requester(&config, "https://loki.test:3100/push").unwrap();
    let printed = format!("{requester:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("s3cr3t"), "{printed}");
    assert_eq!(get(&requester, "https://loki.test:3100/push").await.unwrap(), 204);

    let head = proxy.heads()[0].to_lowercase();
    assert!(head.starts_with("connect loki.test:3100 http/1.1\r\n"), "{head}");
    assert!(head.contains("x-proxy-token: s3cr3t"), "{head}");
    assert!(head.contains("proxy-authorization: basic bwu6ahvudgvymg=="), "{head}");
    let seen = &server.seen()[0];
    assert_eq!(seen.header("x-proxy-token") + &seen.header("proxy-authorization"), "");
}

#[tokio::test]
async fn through_a_tunnel_the_certificate_is_held_against_the_configured_name() {
    let authority = TestAuthority::new();
    let server =
        HttpPeer::contented(Some(authority.server(&["loki.test"], false, &[&TLS13]))).await;
    let proxy = ProxyPeer::start(server.address()).await;
    let mut config = through(&proxy);
    config.tls_config.ca = authority.pem();
    let url = "https://ingress.test/";
    assert!(get(&requester(&config, url).unwrap(), url).await.is_err());
    config.tls_config.server_name = "loki.test".to_owned();
    assert_eq!(get(&requester(&config, url).unwrap(), url).await.unwrap(), 204);
    assert!(proxy.heads()[1].starts_with("CONNECT ingress.test:443 "), "{:?}", proxy.heads());
}

#[tokio::test]
async fn http_is_passed_on_without_the_headers_of_tunnels() {
    let server = HttpPeer::contented(None).await;
    let proxy = ProxyPeer::start(server.address()).await;
    let requester = requester(&through(&proxy), "http://loki.test/").unwrap();
    assert_eq!(get(&requester, "http://loki.test/push").await.unwrap(), 204);
    assert!(proxy.heads()[0].starts_with("GET http://loki.test/push HTTP/1.1\r\n"));
    assert_eq!(server.seen()[0].header("x-proxy-token"), "");
}

#[tokio::test]
async fn hosts_of_no_proxy_are_reached_directly() {
    let server = HttpPeer::contented(None).await;
    let proxy = ProxyPeer::start(server.address()).await;
    let mut config = through(&proxy);
    config.proxy.no_proxy = "10.0.0.0/8".to_owned();
    let url = format!("http://{}/", server.address());
    assert_eq!(get(&requester(&config, &url).unwrap(), &url).await.unwrap(), 204);
    assert!(proxy.heads().is_empty());
}

#[tokio::test]
async fn the_environments_proxy_is_used_where_the_key_asks_for_it() {
    let server = HttpPeer::contented(None).await;
    let proxy = ProxyPeer::start(server.address()).await;
    let mut config = HttpClient::default();
    config.proxy.proxy_from_environment = true;
    let environment =
        Environment { http: proxy.address().to_string().into(), ..Environment::default() };
    let url = "http://loki.test/";
    let requester =
        Requester::with_environment(&config, "client a", &url.parse().unwrap(), None, &environment);
    assert_eq!(get(&requester.unwrap(), url).await.unwrap(), 204);
    assert_eq!(proxy.heads().len(), 1);
}
