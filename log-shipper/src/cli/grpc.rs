//! Flags for Promtail's gRPC server, which serves nothing: they are checked, and have no effect.

use daemon_runtime::durations::GoDuration;
use daemon_runtime::go_flags::parse_bool;

use super::{set, values};
use crate::config::Config;

#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
#[expect(clippy::struct_field_names, reason = "clap takes them as ids, unique among all groups")]
#[command(next_help_heading = "gRPC server of Promtail, not opened")]
pub(super) struct GrpcFlags {
    /// Accepted without effect
    #[arg(long = "server.grpc-listen-network", value_name = "NETWORK")]
    server_grpc_listen_network: Option<String>,

    /// Accepted without effect
    #[arg(long = "server.grpc-listen-address", value_name = "ADDRESS")]
    server_grpc_listen_address: Option<String>,

    /// Accepted without effect
    #[arg(long = "server.grpc-listen-port", value_name = "PORT", value_parser = values::port)]
    server_grpc_listen_port: Option<u16>,

    /// Accepted without effect
    #[arg(long = "server.grpc-conn-limit", value_name = "COUNT", value_parser = values::integer)]
    server_grpc_conn_limit: Option<i64>,

    /// Accepted without effect
    #[arg(long = "server.grpc-tls-cert-path", value_name = "PATH")]
    server_grpc_tls_cert_path: Option<String>,

    /// Accepted without effect
    #[arg(long = "server.grpc-tls-key-path", value_name = "PATH")]
    server_grpc_tls_key_path: Option<String>,

    /// Accepted without effect
    #[arg(long = "server.grpc-tls-client-auth", value_name = "TYPE")]
    server_grpc_tls_client_auth: Option<String>,

    /// Accepted without effect
    #[arg(long = "server.grpc-tls-ca-path", value_name = "PATH")]
    server_grpc_tls_ca_path: Option<String>,

    /// Accepted without effect
    #[arg(long = "server.grpc-max-recv-msg-size-bytes", value_name = "COUNT", value_parser = values::integer)]
    server_grpc_max_recv_msg_size_bytes: Option<i64>,

    /// Accepted without effect
    #[arg(long = "server.grpc-max-send-msg-size-bytes", value_name = "COUNT", value_parser = values::integer)]
    server_grpc_max_send_msg_size_bytes: Option<i64>,

    /// Accepted without effect
    #[arg(long = "server.grpc-max-concurrent-streams", value_name = "COUNT", value_parser = values::count)]
    server_grpc_max_concurrent_streams: Option<u64>,

    /// Accepted without effect
    #[arg(long = "server.grpc.keepalive.max-connection-idle", value_name = "DURATION")]
    server_grpc_keepalive_max_connection_idle: Option<GoDuration>,

    /// Accepted without effect
    #[arg(long = "server.grpc.keepalive.max-connection-age", value_name = "DURATION")]
    server_grpc_keepalive_max_connection_age: Option<GoDuration>,

    /// Accepted without effect
    #[arg(long = "server.grpc.keepalive.max-connection-age-grace", value_name = "DURATION")]
    server_grpc_keepalive_max_connection_age_grace: Option<GoDuration>,

    /// Accepted without effect
    #[arg(long = "server.grpc.keepalive.time", value_name = "DURATION")]
    server_grpc_keepalive_time: Option<GoDuration>,

    /// Accepted without effect
    #[arg(long = "server.grpc.keepalive.timeout", value_name = "DURATION")]
    server_grpc_keepalive_timeout: Option<GoDuration>,

    /// Accepted without effect
    #[arg(long = "server.grpc.keepalive.min-time-between-pings", value_name = "DURATION")]
    server_grpc_keepalive_min_time_between_pings: Option<GoDuration>,

    /// Accepted without effect
    #[arg(long = "server.grpc.keepalive.ping-without-stream-allowed", value_parser = parse_bool)]
    server_grpc_keepalive_ping_without_stream_allowed: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.grpc.num-workers", value_name = "COUNT", value_parser = values::integer)]
    server_grpc_num_workers: Option<i64>,

    /// Accepted without effect
    #[arg(long = "server.grpc.stats-tracking-enabled", value_parser = parse_bool)]
    server_grpc_stats_tracking_enabled: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.grpc.recv-buffer-pools-enabled", value_parser = parse_bool)]
    server_grpc_recv_buffer_pools_enabled: Option<bool>,

    /// Accepted without effect
    #[arg(long = "server.report-grpc-codes-in-instrumentation-label-enabled", value_parser = parse_bool)]
    server_report_grpc_codes_in_instrumentation_label_enabled: Option<bool>,
}

impl GrpcFlags {
    pub(super) fn apply(&self, config: &mut Config) {
        let grpc = &mut config.server.grpc;
        set(&mut grpc.grpc_listen_network, self.server_grpc_listen_network.as_ref());
        set(&mut grpc.grpc_listen_address, self.server_grpc_listen_address.as_ref());
        set(&mut grpc.grpc_listen_port, self.server_grpc_listen_port.as_ref());
        set(&mut grpc.grpc_listen_conn_limit, self.server_grpc_conn_limit.as_ref());
        set(&mut grpc.grpc_tls_config.cert_file, self.server_grpc_tls_cert_path.as_ref());
        set(&mut grpc.grpc_tls_config.key_file, self.server_grpc_tls_key_path.as_ref());
        set(&mut grpc.grpc_tls_config.client_auth_type, self.server_grpc_tls_client_auth.as_ref());
        set(&mut grpc.grpc_tls_config.client_ca_file, self.server_grpc_tls_ca_path.as_ref());
        set(
            &mut grpc.grpc_server_max_recv_msg_size,
            self.server_grpc_max_recv_msg_size_bytes.as_ref(),
        );
        set(
            &mut grpc.grpc_server_max_send_msg_size,
            self.server_grpc_max_send_msg_size_bytes.as_ref(),
        );
        set(
            &mut grpc.grpc_server_max_concurrent_streams,
            self.server_grpc_max_concurrent_streams.as_ref(),
        );
        set(
            &mut grpc.grpc_server_max_connection_idle,
            self.server_grpc_keepalive_max_connection_idle.as_ref(),
        );
        set(
            &mut grpc.grpc_server_max_connection_age,
            self.server_grpc_keepalive_max_connection_age.as_ref(),
        );
        set(
            &mut grpc.grpc_server_max_connection_age_grace,
            self.server_grpc_keepalive_max_connection_age_grace.as_ref(),
        );
        set(&mut grpc.grpc_server_keepalive_time, self.server_grpc_keepalive_time.as_ref());
        set(&mut grpc.grpc_server_keepalive_timeout, self.server_grpc_keepalive_timeout.as_ref());
        set(
            &mut grpc.grpc_server_min_time_between_pings,
            self.server_grpc_keepalive_min_time_between_pings.as_ref(),
        );
        set(
            &mut grpc.grpc_server_ping_without_stream_allowed,
            self.server_grpc_keepalive_ping_without_stream_allowed.as_ref(),
        );
        set(&mut grpc.grpc_server_num_workers, self.server_grpc_num_workers.as_ref());
        set(
            &mut grpc.grpc_server_stats_tracking_enabled,
            self.server_grpc_stats_tracking_enabled.as_ref(),
        );
        set(
            &mut grpc.grpc_server_recv_buffer_pools_enabled,
            self.server_grpc_recv_buffer_pools_enabled.as_ref(),
        );
        set(
            &mut grpc.report_grpc_codes_in_instrumentation_label_enabled,
            self.server_report_grpc_codes_in_instrumentation_label_enabled.as_ref(),
        );
    }
}
