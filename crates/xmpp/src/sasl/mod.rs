//! SASL (RFC 6120 section 6): SCRAM (RFC 5802, RFC 7677) on both sides, PLAIN
//! (RFC 4616), channel bindings (RFC 5929, RFC 9266).

/// What TLS gives the layers above: who may bind to it, and what to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsBinding {
    /// The version as people write it: `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The `tls-server-end-point` data: a hash of the server's certificate.
    pub server_end_point: Option<std::sync::Arc<[u8]>>,
    /// The `tls-exporter` data, where the TLS layer gives it.
    pub exporter: Option<[u8; 32]>,
}
