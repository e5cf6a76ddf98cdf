//! Channel bindings: what ties a login to the TLS connection that it runs on.

use std::cell::Cell;
use std::sync::Arc;

use rustls::KeyLog;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tidings_core::session::Exporter;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// The `tls-server-end-point` data of a certificate (RFC 5929 section 4.1): its
/// hash by the function that its signature uses, SHA-256 instead of MD5 and SHA-1.
/// `None` where the signature names no hash function (Ed25519).
pub(crate) fn end_point(der: &[u8]) -> Option<Arc<[u8]>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let algorithm = &certificate.signature_algorithm;
    let name = match SignatureAlgorithm::try_from(algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => parameters.hash_algorithm_oid().to_id_string(),
        _ => algorithm.algorithm.to_id_string(),
    };
    Some(match hash_of(&name)? {
        Hash::Sha256 => Sha256::digest(der).as_slice().into(),
        Hash::Sha384 => Sha384::digest(der).as_slice().into(),
        Hash::Sha512 => Sha512::digest(der).as_slice().into(),
    })
}

enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// The hash function that a signature's or a hash's object identifier stands for.
fn hash_of(name: &str) -> Option<Hash> {
    Some(match name {
        // RSA with MD5, SHA-1, SHA-256; ECDSA with SHA-1, SHA-256; SHA-1, SHA-256 themselves (PSS).
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2"
        | "1.3.14.3.2.26"
        | "2.16.840.1.101.3.4.2.1" => Hash::Sha256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" | "2.16.840.1.101.3.4.2.2" => Hash::Sha384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" | "2.16.840.1.101.3.4.2.3" => Hash::Sha512,
        _ => return None,
    })
}

/// The `EXPORTER_SECRET` label of a [`KeyLog`].
const EXPORTER_SECRET: &str = "EXPORTER_SECRET";

/// Takes the `tls-exporter` binding (RFC 9266) out of a TLS 1.3 handshake.
///
/// rustls exports keying material from its buffered connections only. Its key log
/// is called during the handshake, on the thread that drives it, with the secret
/// that exporters are derived from. This one asks for that secret alone, and lays it
/// where [`ExporterCapture::finish`] picks it up before the driver does anything
/// else. The login wipes it at its end: a connection at rest keeps nothing.
#[derive(Debug)]
pub(crate) struct ExporterCapture;

thread_local! {
    static CAPTURED: Cell<Option<Exporter>> = const { Cell::new(None) };
}

impl ExporterCapture {
    /// Forgets what an earlier handshake on this thread may have left.
    pub(crate) fn start() {
        CAPTURED.set(None);
    }

    /// What the handshake gave since [`start`](Self::start).
    pub(crate) fn finish() -> Option<Exporter> {
        CAPTURED.take()
    }
}

impl KeyLog for ExporterCapture {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        if label == EXPORTER_SECRET {
            CAPTURED.set(Exporter::from_secret(secret));
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == EXPORTER_SECRET
    }
}
