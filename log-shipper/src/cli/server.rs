//! Flags for the HTTP server.

use daemon_runtime::durations::GoDuration;
use daemon_runtime::go_flags::parse_bool;

use super::{set, values};
use crate::config::Config;

#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
#[expect(clippy::struct_field_names, reason = "clap takes them as ids, unique among all groups")]
#[command(next_help_heading = "HTTP server")]
pub(super) struct ServerFlags {
    /// Run no HTTP server; this also turns reloading off
    #[arg(long = "server.disable", value_parser = parse_bool)]
    server_disable: Option<bool>,

    /// Offer /reload
    #[arg(long = "server.enable-runtime-reload", value_parser = parse_bool)]
    server_enable_runtime_reload: Option<bool>,

    /// Address to listen on [default: all]
    #[arg(long = "server.http-listen-address", value_name = "ADDRESS")]
    server_http_listen_address: Option<String>,

    /// Port to listen on, 0 for any [default: 80]
    #[arg(long = "server.http-listen-port", value_name = "PORT", value_parser = values::port)]
    server_http_listen_port: Option<u16>,

    /// tcp, tcp4 or tcp6 [default: tcp]
    #[arg(long = "server.http-listen-network", value_name = "NETWORK")]
    server_http_listen_network: Option<String>,

    /// Open connections, 0 for any number [default: 0]
    #[arg(long = "server.http-conn-limit", value_name = "COUNT", value_parser = values::integer)]
    server_http_conn_limit: Option<i64>,

    /// Time for a whole request [default: 30s]
    #[arg(long = "server.http-read-timeout", value_name = "DURATION")]
    server_http_read_timeout: Option<GoDuration>,

    /// Time for the header of a request [default: as for the whole]
    #[arg(long = "server.http-read-header-timeout", value_name = "DURATION")]
    server_http_read_header_timeout: Option<GoDuration>,

    /// Time for an answer [default: 30s]
    #[arg(long = "server.http-write-timeout", value_name = "DURATION")]
    server_http_write_timeout: Option<GoDuration>,

    /// Time between two requests of a connection [default: 2m]
    #[arg(long = "server.http-idle-timeout", value_name = "DURATION")]
    server_http_idle_timeout: Option<GoDuration>,

    /// Certificate; with it the server speaks TLS
    #[arg(long = "server.http-tls-cert-path", value_name = "PATH")]
    server_http_tls_cert_path: Option<String>,

    /// Key of the certificate
    #[arg(long = "server.http-tls-key-path", value_name = "PATH")]
    server_http_tls_key_path: Option<String>,

    /// What clients must show, such as `RequireAndVerifyClientCert`
    #[arg(long = "server.http-tls-client-auth", value_name = "TYPE")]
    server_http_tls_client_auth: Option<String>,

    /// Certificate authority of clients
    #[arg(long = "server.http-tls-ca-path", value_name = "PATH")]
    server_http_tls_ca_path: Option<String>,

    /// Cipher suites, separated by commas [default: the TLS library's]
    #[arg(long = "server.tls-cipher-suites", value_name = "NAMES")]
    server_tls_cipher_suites: Option<String>,

    /// `VersionTLS10` to `VersionTLS13` [default: the TLS library's]
    #[arg(long = "server.tls-min-version", value_name = "VERSION")]
    server_tls_min_version: Option<String>,

    /// Put before every path
    #[arg(long = "server.path-prefix", value_name = "PATH")]
    server_path_prefix: Option<String>,

    /// Time for open requests after a stop [default: 30s]
    #[arg(long = "server.graceful-shutdown-timeout", value_name = "DURATION")]
    server_graceful_shutdown_timeout: Option<GoDuration>,

    /// Offer /metrics [default: true]
    #[arg(long = "server.register-instrumentation", value_parser = parse_bool)]
    server_register_instrumentation: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.profiling_enabled", value_parser = parse_bool)]
    server_profiling_enabled: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.proxy-protocol-enabled", value_parser = parse_bool)]
    server_proxy_protocol_enabled: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.http-log-closed-connections-without-response-enabled", value_parser = parse_bool)]
    server_http_log_closed_connections_without_response_enabled: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.log-source-ips-enabled", value_parser = parse_bool)]
    server_log_source_ips_enabled: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.log-source-ips-full", value_parser = parse_bool)]
    server_log_source_ips_full: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.log-source-ips-header", value_name = "HEADER")]
    server_log_source_ips_header: Option<String>,

    /// Accepted without effect
    #[arg(long = "server.log-source-ips-regex", value_name = "REGEX")]
    server_log_source_ips_regex: Option<String>,

    /// Accepted without effect
    #[arg(long = "server.log-request-headers", value_parser = parse_bool)]
    server_log_request_headers: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.log-request-at-info-level-enabled", value_parser = parse_bool)]
    server_log_request_at_info_level_enabled: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.log-request-exclude-headers-list", value_name = "HEADERS")]
    server_log_request_exclude_headers_list: Option<String>,
}

impl ServerFlags {
    pub(super) fn apply(&self, config: &mut Config) {
        let server = &mut config.server;
        set(&mut server.disable, self.server_disable.as_ref());
        set(&mut server.enable_runtime_reload, self.server_enable_runtime_reload.as_ref());
        set(&mut server.http_listen_address, self.server_http_listen_address.as_ref());
        set(&mut server.http_listen_port, self.server_http_listen_port.as_ref());
        set(&mut server.http_listen_network, self.server_http_listen_network.as_ref());
        set(&mut server.http_listen_conn_limit, self.server_http_conn_limit.as_ref());
        set(&mut server.http_server_read_timeout, self.server_http_read_timeout.as_ref());
        set(
            &mut server.http_server_read_header_timeout,
            self.server_http_read_header_timeout.as_ref(),
        );
        set(&mut server.http_server_write_timeout, self.server_http_write_timeout.as_ref());
        set(&mut server.http_server_idle_timeout, self.server_http_idle_timeout.as_ref());
        set(&mut server.http_tls_config.cert_file, self.server_http_tls_cert_path.as_ref());
        set(&mut server.http_tls_config.key_file, self.server_http_tls_key_path.as_ref());
        set(
            &mut server.http_tls_config.client_auth_type,
            self.server_http_tls_client_auth.as_ref(),
        );
        set(&mut server.http_tls_config.client_ca_file, self.server_http_tls_ca_path.as_ref());
        set(&mut server.tls_cipher_suites, self.server_tls_cipher_suites.as_ref());
        set(&mut server.tls_min_version, self.server_tls_min_version.as_ref());
        set(&mut server.http_path_prefix, self.server_path_prefix.as_ref());
        set(&mut server.graceful_shutdown_timeout, self.server_graceful_shutdown_timeout.as_ref());
        set(&mut server.register_instrumentation, self.server_register_instrumentation.as_ref());
        set(&mut server.profiling_enabled, self.server_profiling_enabled.as_ref());
        set(&mut server.proxy_protocol_enabled, self.server_proxy_protocol_enabled.as_ref());
        set(
            &mut server.http_log_closed_connections_without_response_enabled,
            self.server_http_log_closed_connections_without_response_enabled.as_ref(),
        );
        set(
            &mut server.request_log.log_source_ips_enabled,
            self.server_log_source_ips_enabled.as_ref(),
        );
        set(&mut server.request_log.log_source_ips_full, self.server_log_source_ips_full.as_ref());
        set(
            &mut server.request_log.log_source_ips_header,
            self.server_log_source_ips_header.as_ref(),
        );
        set(
            &mut server.request_log.log_source_ips_regex,
            self.server_log_source_ips_regex.as_ref(),
        );
        set(&mut server.request_log.log_request_headers, self.server_log_request_headers.as_ref());
        set(
            &mut server.request_log.log_request_at_info_level_enabled,
            self.server_log_request_at_info_level_enabled.as_ref(),
        );
        set(
            &mut server.request_log.log_request_exclude_headers_list,
            self.server_log_request_exclude_headers_list.as_ref(),
        );
    }
}
