use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use hyper_util::service::TowerToHyperService;
use prometheus_model::exposition::MetricType;

use super::*;
use crate::config::Config;
use crate::expose::dcgm::counters_file::Counters;
use crate::nvml::identity::Identity;
use crate::sample::catalogue::Reading;
use crate::sample::snapshot::{DeviceSnapshot, DriverState};

struct OneGpu;

impl Source for OneGpu {
    fn snapshot(&self) -> Snapshot {
        let identity = Identity { uuid: "GPU-0".to_owned(), ..Identity::default() };
        let mut device = DeviceSnapshot {
            identity: Arc::new(identity),
            is_up: true,
            ..DeviceSnapshot::default()
        };
        device.readings.set(Reading::TemperatureGpu, Some(40.0));
        let driver = DriverState::Up(crate::nvml::identity::DriverVersions::default());
        Snapshot { driver, devices: vec![Arc::new(device)] }
    }

    fn allocations(&self) -> Arc<Allocations> {
        Arc::new(Allocations { taken: Some(Instant::now()), ..Allocations::default() })
    }
}

struct Own;

impl Collect for Own {
    fn collect(&self, writer: &mut Writer) {
        writer.family("own_metric", MetricType::Gauge, "one");
        writer.sample(&[], 1_u64);
    }
}

async fn ask(path: &str, naming: &[Naming], accept: &str) -> (StatusCode, String, String) {
    let counters = Counters::parse("DCGM_FI_DEV_GPU_TEMP, gauge, t\nnothing");
    let pages = Arc::new(Pages::new(&Config::default(), counters));
    let router = Endpoints::new(pages, Arc::new(OneGpu), naming).own_metrics(Own).router();
    let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
    let service = TowerToHyperService::new(router);
    let answer = hyper::service::Service::call(&service, request).await.expect("infallible");
    let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, kind, String::from_utf8(body.into()).unwrap())
}

/// Which of native names, DCGM's names and own metrics are on a page.
fn parts(page: &str) -> [bool; 3] {
    ["\ngpu_up{", "\nDCGM_FI_DEV_GPU_TEMP{", "\nown_metric 1"].map(|line| page.contains(line))
}

#[tokio::test]
async fn each_path_has_its_names_and_only_metrics_has_the_process_own() {
    let both = [Naming::Native, Naming::Dcgm];
    for (path, naming, expected) in [
        ("/metrics", &both[..], [true, true, true]),
        ("/metrics", &both[1..], [false, true, true]),
        ("/metrics?naming=native", &both[1..], [true, false, true]),
        ("/metrics?naming=dcgm,native&x=1", &both[1..], [true, true, true]),
        ("/metrics?naming=dcgm&naming=native", &both[1..], [true, true, true]),
        ("/metrics/native", &both[1..], [true, false, false]),
        ("/metrics/dcgm", &both[..1], [false, true, false]),
    ] {
        let (status, kind, page) = ask(path, naming, "*/*").await;
        assert_eq!((status, parts(&page)), (StatusCode::OK, expected), "{path}");
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    }
}

#[tokio::test]
async fn a_naming_that_is_none_is_refused_with_those_that_are() {
    for path in ["/metrics?naming=nvidia", "/metrics?naming=native,", "/metrics?naming="] {
        let (status, _, why) = ask(path, &[Naming::Native], "*/*").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(why.trim_end().ends_with(Naming::ACCEPTED), "{why}");
    }
}

#[tokio::test]
async fn the_format_is_the_one_that_the_scraper_prefers() {
    let (_, kind, page) = ask("/metrics", &[Naming::Dcgm], "application/openmetrics-text").await;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(page.ends_with("# EOF\n"), "{page}");
}

#[tokio::test]
async fn skipped_lines_of_the_file_of_counters_are_counted() {
    let (_, _, page) = ask("/metrics", &[], "*/*").await;
    assert!(page.contains("\ngpu_exporter_counters_file_lines_skipped 1\n"), "{page}");
}

#[tokio::test]
async fn whether_nvml_works_is_on_metrics_whatever_the_naming_and_once() {
    for naming in [&[][..], &[Naming::Dcgm], &[Naming::Native], &[Naming::Native, Naming::Dcgm]] {
        let (_, _, page) = ask("/metrics", naming, "*/*").await;
        assert_eq!(page.matches("\ngpu_exporter_nvml_up 1\n").count(), 1, "{naming:?}");
    }
    let (_, _, page) = ask("/metrics/dcgm", &[], "*/*").await;
    assert!(!page.contains("gpu_exporter_"), "{page}");
}

#[test]
fn the_routes_go_with_those_of_an_ops_server() {
    let pages = Arc::new(Pages::new(&Config::default(), Counters::built_in()));
    let ops = instrumentation::ops_server::OpsServer::builder().without_metrics(true).router();
    // a route that is there twice panics
    let _ = Endpoints::new(pages, Arc::new(OneGpu), &[]).router().merge(ops);
}

#[tokio::test]
async fn the_index_links_to_the_pages() {
    let (status, _, page) = ask("/", &[], "*/*").await;
    assert_eq!(status, StatusCode::OK);
    for link in ["metrics", "metrics/native", "metrics/dcgm", "-/healthy", "-/ready"] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{link}");
    }
}
