//! `server`: the HTTP server for operators, and the log of the process.

mod grpc;

use daemon_runtime::durations::GoDuration;
use daemon_runtime::secret::Secret;
use instrumentation::json_log::{Format, Level};

pub use grpc::GrpcServer;

use super::decode::{Block, Fields};

/// Keys that came with Promtail 3.5 and 3.6, about what this server does not do.
const NEWER_KEYS: [(&str, &str); 3] = [
    ("trace_request_headers", "requests are not traced"),
    ("trace_request_exclude_headers_list", "requests are not traced"),
    ("cluster_validation", "requests are not checked for the label of a cluster"),
];

/// The block `server`. Keys are the field names unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub struct Server {
    /// No HTTP server at all, and no reload by signal. Default false.
    pub disable: bool,
    /// `/debug/pprof`; accepted without effect. Default false.
    pub profiling_enabled: bool,
    /// Offers `/reload`. Default false.
    pub enable_runtime_reload: bool,
    /// `tcp`, `tcp4` or `tcp6`. Default `tcp`.
    pub http_listen_network: String,
    /// Default empty: all addresses.
    pub http_listen_address: String,
    /// Default 80; 0 lets the system choose.
    pub http_listen_port: u16,
    /// Open connections, from `http_listen_conn_limit`. Default 0: no limit.
    pub http_listen_conn_limit: i64,
    /// Reads the PROXY protocol; accepted without effect. Default false.
    pub proxy_protocol_enabled: bool,
    /// Comma-separated Go names. Default empty: the TLS library's choice.
    pub tls_cipher_suites: String,
    /// `VersionTLS10` to `VersionTLS13`. Default empty: the TLS library's choice.
    pub tls_min_version: String,
    /// TLS of the HTTP server. Default: plain HTTP.
    pub http_tls_config: ServerTls,
    /// Offers `/metrics`. Default true.
    pub register_instrumentation: bool,
    /// How long open requests may take after a stop. Default 30s.
    pub graceful_shutdown_timeout: GoDuration,
    /// Time for a whole request. Default 30s.
    pub http_server_read_timeout: GoDuration,
    /// Time for the header of a request. Default 0: as for the whole.
    pub http_server_read_header_timeout: GoDuration,
    /// Time for an answer. Default 30s.
    pub http_server_write_timeout: GoDuration,
    /// Time between two requests of a connection. Default 2m.
    pub http_server_idle_timeout: GoDuration,
    /// Logs connections that closed without an answer; accepted without effect. Default false.
    pub http_log_closed_connections_without_response_enabled: bool,
    /// Layout of log lines. Default `None`: the daemon's own (Promtail's is logfmt).
    pub log_format: Option<Format>,
    /// What is logged. Default info.
    pub log_level: Level,
    /// How much of a request is logged; accepted without effect.
    pub request_log: RequestLog,
    /// Put before every path. Default empty.
    pub http_path_prefix: String,
    /// Address under which others reach the pages, for links. Default empty: host name and port.
    pub external_url: String,
    /// Not ready while no target is. Default true.
    pub health_check_target: bool,
    /// Promtail's gRPC server; accepted without effect.
    pub grpc: GrpcServer,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            disable: false,
            profiling_enabled: false,
            enable_runtime_reload: false,
            http_listen_network: "tcp".to_owned(),
            http_listen_address: String::new(),
            http_listen_port: 80,
            http_listen_conn_limit: 0,
            proxy_protocol_enabled: false,
            tls_cipher_suites: String::new(),
            tls_min_version: String::new(),
            http_tls_config: ServerTls::default(),
            register_instrumentation: true,
            graceful_shutdown_timeout: GoDuration::from_secs(30),
            http_server_read_timeout: GoDuration::from_secs(30),
            http_server_read_header_timeout: GoDuration::ZERO,
            http_server_write_timeout: GoDuration::from_secs(30),
            http_server_idle_timeout: GoDuration::from_secs(120),
            http_log_closed_connections_without_response_enabled: false,
            log_format: None,
            log_level: Level::default(),
            request_log: RequestLog::default(),
            http_path_prefix: String::new(),
            external_url: String::new(),
            health_check_target: true,
            grpc: GrpcServer::default(),
        }
    }
}

impl Server {
    /// What the server of a source has where its block says nothing: as the main server, but on a
    /// port that the system chooses.
    pub fn of_source() -> Self {
        Self { http_listen_port: 0, ..Self::default() }
    }
}

impl Block for Server {
    const TYPE: &'static str = "server.Config";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("disable", &mut self.disable);
        fields.field("profiling_enabled", &mut self.profiling_enabled);
        fields.field("enable_runtime_reload", &mut self.enable_runtime_reload);
        fields.field("http_listen_network", &mut self.http_listen_network);
        fields.field("http_listen_address", &mut self.http_listen_address);
        fields.field("http_listen_port", &mut self.http_listen_port);
        fields.field("http_listen_conn_limit", &mut self.http_listen_conn_limit);
        fields.field("proxy_protocol_enabled", &mut self.proxy_protocol_enabled);
        fields.field("tls_cipher_suites", &mut self.tls_cipher_suites);
        fields.field("tls_min_version", &mut self.tls_min_version);
        fields.field("http_tls_config", &mut self.http_tls_config);
        fields.field("register_instrumentation", &mut self.register_instrumentation);
        fields.field("graceful_shutdown_timeout", &mut self.graceful_shutdown_timeout);
        fields.field("http_server_read_timeout", &mut self.http_server_read_timeout);
        fields.field("http_server_read_header_timeout", &mut self.http_server_read_header_timeout);
        fields.field("http_server_write_timeout", &mut self.http_server_write_timeout);
        fields.field("http_server_idle_timeout", &mut self.http_server_idle_timeout);
        fields.field(
            "http_log_closed_connections_without_response_enabled",
            &mut self.http_log_closed_connections_without_response_enabled,
        );
        fields.field("log_format", &mut self.log_format);
        fields.field("log_level", &mut self.log_level);
        self.request_log.fields(fields);
        fields.field("http_path_prefix", &mut self.http_path_prefix);
        fields.field("external_url", &mut self.external_url);
        fields.field("health_check_target", &mut self.health_check_target);
        self.grpc.fields(fields);
        for (key, why) in NEWER_KEYS {
            fields.ignored_field(key, why);
        }
    }
}

/// Keys of `server` about logged requests.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub struct RequestLog {
    /// Default false.
    pub log_source_ips_enabled: bool,
    /// Default false.
    pub log_source_ips_full: bool,
    /// Header that holds the address. Default empty.
    pub log_source_ips_header: String,
    /// Finds the address in the header. Default empty.
    pub log_source_ips_regex: String,
    /// Default false.
    pub log_request_headers: bool,
    /// Default false: at debug.
    pub log_request_at_info_level_enabled: bool,
    /// Comma-separated. Default empty.
    pub log_request_exclude_headers_list: String,
}

impl RequestLog {
    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("log_source_ips_enabled", &mut self.log_source_ips_enabled);
        fields.field("log_source_ips_full", &mut self.log_source_ips_full);
        fields.field("log_source_ips_header", &mut self.log_source_ips_header);
        fields.field("log_source_ips_regex", &mut self.log_source_ips_regex);
        fields.field("log_request_headers", &mut self.log_request_headers);
        fields.field(
            "log_request_at_info_level_enabled",
            &mut self.log_request_at_info_level_enabled,
        );
        fields
            .field("log_request_exclude_headers_list", &mut self.log_request_exclude_headers_list);
    }
}

/// `http_tls_config` and `grpc_tls_config`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerTls {
    /// Certificate in PEM.
    pub cert: String,
    /// Key in PEM.
    pub key: Secret<String>,
    /// Certificate authority of clients, in PEM.
    pub client_ca: String,
    /// Path of the certificate.
    pub cert_file: String,
    /// Path of the key.
    pub key_file: String,
    /// Go's name, such as `RequireAndVerifyClientCert`. Default empty: clients need none.
    pub client_auth_type: String,
    /// Path of the certificate authority of clients.
    pub client_ca_file: String,
}

impl ServerTls {
    /// Whether a certificate is configured.
    pub fn is_enabled(&self) -> bool {
        !self.cert.is_empty() || !self.cert_file.is_empty()
    }
}

impl Block for ServerTls {
    const TYPE: &'static str = "server.TLSConfig";

    fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("cert", &mut self.cert);
        fields.field("key", &mut self.key);
        fields.field("client_ca", &mut self.client_ca);
        fields.field("cert_file", &mut self.cert_file);
        fields.field("key_file", &mut self.key_file);
        fields.field("client_auth_type", &mut self.client_auth_type);
        fields.field("client_ca_file", &mut self.client_ca_file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::tests::read;

    #[test]
    fn the_defaults_are_promtails() {
        let server = Server::default();
        assert_eq!((server.http_listen_port, server.grpc.grpc_listen_port), (80, 9095));
        assert_eq!(server.http_server_idle_timeout.to_string(), "2m0s");
        assert!(server.register_instrumentation && server.health_check_target);
        assert!(!server.enable_runtime_reload && !server.disable);
    }

    #[test]
    fn keys_of_the_server_are_read() {
        let mut server = Server::default();
        let text = "http_listen_port: 9080\ngrpc_listen_port: 0\nlog_level: debug\nlog_format: json\n\
                    graceful_shutdown_timeout: 5s\nhttp_tls_config: {cert_file: /c, key_file: /k}\n\
                    health_check_target: no\ngrpc_server_max_recv_msg_size: 104857600\n";
        assert_eq!(read(&mut server, text), (vec![], vec![]));
        assert_eq!((server.http_listen_port, server.grpc.grpc_listen_port), (9080, 0));
        assert_eq!(server.log_format, Some(Format::Json));
        assert!(server.http_tls_config.is_enabled() && !server.health_check_target);
    }

    #[test]
    fn keys_of_newer_promtails_are_accepted_and_said_to_have_no_effect() {
        let text = "trace_request_headers: true\ntrace_request_exclude_headers_list: Cookie\n\
                    cluster_validation: {label: a, http: {enabled: true}}\n";
        let mut server = Server::default();
        let (errors, warnings) = read(&mut server, text);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert_eq!(
            warnings[2],
            "3:21: cluster_validation has no effect: requests are not checked for the label of a \
             cluster"
        );
        assert_eq!(server, Server::default());
    }

    #[test]
    fn a_level_that_does_not_exist_is_refused_with_those_that_do() {
        let (errors, _) = read(&mut Server::default(), "log_level: loud");
        assert_eq!(
            errors,
            [
                "1:12: log_level: unknown log level `loud`; accepted are off, error, warn, info, debug \
              or trace"
            ]
        );
    }
}
