//! What the console shows of the server around it: ports and the certificate.

use std::fmt;
use std::sync::Arc;

use tidings_core::model::Timestamp;

/// What the console shows of the rest of the server.
#[derive(Clone, Default)]
pub struct Deployment {
    /// The port for STARTTLS.
    pub xmpp: Option<u16>,
    /// The port for direct TLS.
    pub xmpps: Option<u16>,
    /// Tells when the certificate expires, each time it is asked.
    pub certificate: Option<Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>>,
}

impl Deployment {
    pub(crate) fn certificate_expires(&self) -> Option<Timestamp> {
        self.certificate.as_ref()?()
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deployment(xmpp {:?}, xmpps {:?})", self.xmpp, self.xmpps)
    }
}
