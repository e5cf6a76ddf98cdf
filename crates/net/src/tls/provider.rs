//! Which cryptography is used. Nothing else in the crate names it.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};
use rustls::server::ProducesTickets;
use tidings_core::clock::{Random, SystemRandom};

/// The cryptography behind TLS.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { secure_random: &Fetched, ..ring::default_provider() })
}

/// Stateless session tickets whose key changes every six hours.
pub(crate) fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    ring::Ticketer::new()
}

/// The operating system's random bytes, some hundred at a time: a handshake asks for
/// a few of them, several times, and each system call costs more than the bytes.
/// (Keys and signatures take theirs from the system directly.)
#[derive(Debug)]
struct Fetched;

impl SecureRandom for Fetched {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        SystemRandom.fill(buffer);
        Ok(())
    }
}
