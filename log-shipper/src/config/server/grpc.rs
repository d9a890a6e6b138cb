//! The keys of Promtail's gRPC server, which serves nothing: read, so that a configuration that has
//! them is accepted and its mistakes are found, and otherwise without effect.

use daemon_runtime::durations::GoDuration;

use super::ServerTls;
use crate::config::decode::Fields;

/// Keys of `server` that begin with `grpc_`.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
#[expect(missing_docs, reason = "fields are upstream keys, and none has an effect")]
pub struct GrpcServer {
    pub grpc_listen_network: String,
    pub grpc_listen_address: String,
    pub grpc_listen_port: u16,
    pub grpc_listen_conn_limit: i64,
    pub grpc_collect_max_streams_by_conn: bool,
    pub grpc_tls_config: ServerTls,
    pub report_grpc_codes_in_instrumentation_label_enabled: bool,
    pub grpc_server_max_recv_msg_size: i64,
    pub grpc_server_max_send_msg_size: i64,
    pub grpc_server_max_concurrent_streams: u64,
    pub grpc_server_max_connection_idle: GoDuration,
    pub grpc_server_max_connection_age: GoDuration,
    pub grpc_server_max_connection_age_grace: GoDuration,
    pub grpc_server_keepalive_time: GoDuration,
    pub grpc_server_keepalive_timeout: GoDuration,
    pub grpc_server_min_time_between_pings: GoDuration,
    pub grpc_server_ping_without_stream_allowed: bool,
    pub grpc_server_num_workers: i64,
    pub grpc_server_stats_tracking_enabled: bool,
    pub grpc_server_recv_buffer_pools_enabled: bool,
}

impl Default for GrpcServer {
    fn default() -> Self {
        let forever = GoDuration::from_nanos(i64::MAX);
        Self {
            grpc_listen_network: "tcp".to_owned(),
            grpc_listen_address: String::new(),
            grpc_listen_port: 9095,
            grpc_listen_conn_limit: 0,
            grpc_collect_max_streams_by_conn: true,
            grpc_tls_config: ServerTls::default(),
            report_grpc_codes_in_instrumentation_label_enabled: false,
            grpc_server_max_recv_msg_size: 4 << 20,
            grpc_server_max_send_msg_size: 4 << 20,
            grpc_server_max_concurrent_streams: 100,
            grpc_server_max_connection_idle: forever,
            grpc_server_max_connection_age: forever,
            grpc_server_max_connection_age_grace: forever,
            grpc_server_keepalive_time: GoDuration::from_secs(7200),
            grpc_server_keepalive_timeout: GoDuration::from_secs(20),
            grpc_server_min_time_between_pings: GoDuration::from_secs(300),
            grpc_server_ping_without_stream_allowed: false,
            grpc_server_num_workers: 0,
            grpc_server_stats_tracking_enabled: true,
            grpc_server_recv_buffer_pools_enabled: false,
        }
    }
}

impl GrpcServer {
    pub(super) fn fields(&mut self, fields: &mut Fields<'_>) {
        fields.field("grpc_listen_network", &mut self.grpc_listen_network);
        fields.field("grpc_listen_address", &mut self.grpc_listen_address);
        fields.field("grpc_listen_port", &mut self.grpc_listen_port);
        fields.field("grpc_listen_conn_limit", &mut self.grpc_listen_conn_limit);
        fields
            .field("grpc_collect_max_streams_by_conn", &mut self.grpc_collect_max_streams_by_conn);
        fields.field("grpc_tls_config", &mut self.grpc_tls_config);
        fields.field(
            "report_grpc_codes_in_instrumentation_label_enabled",
            &mut self.report_grpc_codes_in_instrumentation_label_enabled,
        );
        fields.field("grpc_server_max_recv_msg_size", &mut self.grpc_server_max_recv_msg_size);
        fields.field("grpc_server_max_send_msg_size", &mut self.grpc_server_max_send_msg_size);
        fields.field(
            "grpc_server_max_concurrent_streams",
            &mut self.grpc_server_max_concurrent_streams,
        );
        fields.field("grpc_server_max_connection_idle", &mut self.grpc_server_max_connection_idle);
        fields.field("grpc_server_max_connection_age", &mut self.grpc_server_max_connection_age);
        fields.field(
            "grpc_server_max_connection_age_grace",
            &mut self.grpc_server_max_connection_age_grace,
        );
        fields.field("grpc_server_keepalive_time", &mut self.grpc_server_keepalive_time);
        fields.field("grpc_server_keepalive_timeout", &mut self.grpc_server_keepalive_timeout);
        fields.field(
            "grpc_server_min_time_between_pings",
            &mut self.grpc_server_min_time_between_pings,
        );
        fields.field(
            "grpc_server_ping_without_stream_allowed",
            &mut self.grpc_server_ping_without_stream_allowed,
        );
        fields.field("grpc_server_num_workers", &mut self.grpc_server_num_workers);
        fields.field(
            "grpc_server_stats_tracking_enabled",
            &mut self.grpc_server_stats_tracking_enabled,
        );
        fields.field(
            "grpc_server_recv_buffer_pools_enabled",
            &mut self.grpc_server_recv_buffer_pools_enabled,
        );
    }
}
