//! What the console and the metrics show of the server around HTTP: ports, the certificate, and
//! the connections of devices.

use std::fmt;
use std::sync::Arc;

use tidings_core::model::Timestamp;

/// What has happened to devices' connections since the start, and how many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Taken in.
    pub accepted: u64,
    /// Closed at once, by a limit.
    pub refused: u64,
    /// Said nothing before they logged in, and had to make room for others.
    pub gave_way: u64,
    /// TLS handshakes that failed.
    pub handshake_failures: u64,
    /// Dropped because the device did not read.
    pub stalled: u64,
    /// Open now.
    pub open: u64,
    /// Those of them that have not logged in.
    pub unauthenticated: u64,
}

/// What went wrong in the process, whatever part of it, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessCounts {
    /// Panics: each ended one request, one stream or one round of a task.
    pub panics: u64,
    /// Lines of the log that could not be written.
    pub log_lines_dropped: u64,
}

/// What the console and the metrics show of the rest of the server.
#[derive(Clone, Default)]
pub struct Deployment {
    /// The port for STARTTLS.
    pub xmpp: Option<u16>,
    /// The port for direct TLS.
    pub xmpps: Option<u16>,
    /// Tells when the certificate expires, each time it is asked.
    pub certificate: Option<Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>>,
    /// Tells SHA-256 of the certificate's public key, each time it is asked.
    pub key_fingerprint: Option<Arc<dyn Fn() -> [u8; 32] + Send + Sync>>,
    /// Counts devices' connections, each time it is asked.
    pub connections: Option<Arc<dyn Fn() -> Option<Connections> + Send + Sync>>,
    /// Counts what went wrong in the process, each time it is asked.
    pub process: Option<Arc<dyn Fn() -> ProcessCounts + Send + Sync>>,
}

impl Deployment {
    pub(crate) fn certificate_expires(&self) -> Option<Timestamp> {
        self.certificate.as_ref()?()
    }

    pub(crate) fn key_fingerprint(&self) -> Option<[u8; 32]> {
        self.key_fingerprint.as_ref().map(|ask| ask())
    }

    pub(crate) fn process(&self) -> Option<ProcessCounts> {
        Some(self.process.as_ref()?())
    }

    pub(crate) fn connections(&self) -> Option<Connections> {
        self.connections.as_ref()?()
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deployment(xmpp {:?}, xmpps {:?})", self.xmpp, self.xmpps)
    }
}
