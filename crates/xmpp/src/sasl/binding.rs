//! Channel binding: what a TLS connection offers to a login (RFC 5929, RFC 9266).

use std::borrow::Cow;
use std::sync::Arc;

use super::Exporter;

/// What TLS gives the layers above: what a login may be bound to, and what to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsBinding {
    /// The version as people write it: `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The `tls-server-end-point` data: a hash of the server's certificate.
    pub server_end_point: Option<Arc<[u8]>>,
    /// The `tls-exporter` data, where the TLS layer gives it.
    pub exporter: Option<Exporter>,
}

impl TlsBinding {
    /// The channel binding data of this type, if this connection has it.
    pub fn data(&self, kind: BindingType) -> Option<Cow<'_, [u8]>> {
        match kind {
            BindingType::TlsExporter => {
                self.exporter.as_ref().map(|exporter| Cow::Owned(exporter.data().to_vec()))
            }
            BindingType::TlsServerEndPoint => self.server_end_point.as_deref().map(Cow::Borrowed),
        }
    }

    /// Whether this connection has that type of binding.
    pub fn has(&self, kind: BindingType) -> bool {
        match kind {
            BindingType::TlsExporter => self.exporter.is_some(),
            BindingType::TlsServerEndPoint => self.server_end_point.is_some(),
        }
    }

    /// The types that this connection can be bound by, strongest first (XEP-0440).
    pub fn types(&self) -> impl Iterator<Item = BindingType> + '_ {
        BindingType::ALL.into_iter().filter(|kind| self.has(*kind))
    }

    /// Whether there is anything to bind to.
    pub fn available(&self) -> bool {
        self.types().next().is_some()
    }
}

/// A channel binding type that both sides here know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindingType {
    /// RFC 9266: unique to the connection.
    TlsExporter,
    /// RFC 5929 section 4: the server's certificate.
    TlsServerEndPoint,
}

impl BindingType {
    /// All of them, strongest first.
    pub const ALL: [Self; 2] = [Self::TlsExporter, Self::TlsServerEndPoint];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }

    /// The type of that name, if it is known here.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
