//! The certificate that the server makes for itself.
//!
//! It is good for ten years. No authority vouches for it, so clients trust it by having
//! it (`--ca`), or its fingerprint, and each renewal means visiting every device:
//! a short life would buy nothing and cost that. A renewal keeps the key, for
//! clients that pin the key alone.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256,
    SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tidings_core::model::Timestamp;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::CertificateError;

pub(super) const CERTIFICATE: &str = "cert.pem";
pub(super) const KEY: &str = "key.pem";

/// The organization by which the server knows its own work again.
const MARK: &str = "Tidings self-signed";
const LIFE_DAYS: i64 = 3653;
const RENEW_DAYS: i64 = 30;
const DAY_MILLIS: i64 = 86_400_000;

/// Makes what is missing, and renews what the server made when it is due.
pub(super) fn ensure(directory: &Path, domain: &str, now: Timestamp) -> Result<(), CertificateError> {
    let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
    match (fs::read(&certificate), key.exists()) {
        (Ok(pem), _) if !is_due(&pem, domain, now) => Ok(()),
        (Ok(_), true) => {
            let text = fs::read_to_string(&key)
                .map_err(|source| CertificateError::Read { path: key.clone(), source })?;
            let pair = KeyPair::from_pem(&text).map_err(|error| CertificateError::Content {
                path: key.clone(),
                reason: format!("no private key in PEM form: {error}"),
            })?;
            tracing::info!(domain, "the self-signed certificate is due: making a new one with the same key");
            write(&certificate, &make(domain, &pair, now)?, 0o644)
        }
        (Ok(_), false) => Ok(()),
        (Err(error), _) if error.kind() != io::ErrorKind::NotFound => {
            Err(CertificateError::Read { path: certificate, source: error })
        }
        // A key without its certificate may be the operator's: it is used, not replaced.
        (Err(_), true) => {
            let text = fs::read_to_string(&key)
                .map_err(|source| CertificateError::Read { path: key.clone(), source })?;
            let pair = KeyPair::from_pem(&text).map_err(|error| CertificateError::Content {
                path: key.clone(),
                reason: format!("no private key in PEM form: {error}"),
            })?;
            write(&certificate, &make(domain, &pair, now)?, 0o644)
        }
        (Err(_), false) => {
            make_directory(directory)?;
            let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| refused(domain, &e))?;
            let pem = make(domain, &pair, now)?;
            write(&key, &pair.serialize_pem(), 0o600)?;
            write(&certificate, &pem, 0o644)
        }
    }
}

/// Whether this certificate is our own work.
pub(super) fn is_own(der: &[u8]) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| is_marked(&certificate))
}

fn is_marked(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().iter_organization().any(|name| name.as_str() == Ok(MARK))
}

/// Whether this certificate is our own work, and runs out soon or lacks the domain.
fn is_due(pem: &[u8], domain: &str, now: Timestamp) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(pem) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else { return false };
    let ours = is_marked(&certificate);
    let ends = certificate.validity().not_after.timestamp().saturating_mul(1000);
    let soon = ends < now.millis().saturating_add(RENEW_DAYS * DAY_MILLIS);
    let names = certificate.subject_alternative_name().ok().flatten();
    let named = names.is_some_and(|extension| {
        extension.value.general_names.iter().any(|name| match name {
            GeneralName::DNSName(name) => name.eq_ignore_ascii_case(domain),
            GeneralName::IPAddress(bytes) => {
                domain.parse().is_ok_and(|address: std::net::IpAddr| match address {
                    std::net::IpAddr::V4(v4) => v4.octets() == **bytes,
                    std::net::IpAddr::V6(v6) => v6.octets() == **bytes,
                })
            }
            _ => false,
        })
    });
    ours && (soon || !named)
}

fn make(domain: &str, pair: &KeyPair, now: Timestamp) -> Result<String, CertificateError> {
    let mut names = vec![domain.to_owned()];
    for local in ["localhost", "127.0.0.1", "::1"] {
        if local != domain {
            names.push(local.to_owned());
        }
    }
    let mut parameters = CertificateParams::new(names).map_err(|error| refused(domain, &error))?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, MARK);
    // A common name holds 64 characters; the names that count are the alternative ones.
    subject.push(DnType::CommonName, domain.chars().take(64).collect::<String>());
    parameters.distinguished_name = subject;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // A client's clock may be behind ours.
    parameters.not_before = date(now.millis() - DAY_MILLIS, domain)?;
    parameters.not_after = date(now.millis().saturating_add(LIFE_DAYS * DAY_MILLIS), domain)?;
    // Renewals share the key and the issuer, so the serial number must differ.
    parameters.serial_number = Some(SerialNumber::from(now.millis().unsigned_abs()));
    Ok(parameters.self_signed(pair).map_err(|error| refused(domain, &error))?.pem())
}

fn date(millis: i64, domain: &str) -> Result<OffsetDateTime, CertificateError> {
    OffsetDateTime::from_unix_timestamp(millis.div_euclid(1000))
        .map_err(|error| CertificateError::Make { domain: domain.to_owned(), reason: error.to_string() })
}

fn refused(domain: &str, error: &rcgen::Error) -> CertificateError {
    CertificateError::Make { domain: domain.to_owned(), reason: error.to_string() }
}

fn make_directory(path: &Path) -> Result<(), CertificateError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| CertificateError::Write { path: path.to_owned(), source })
}

/// Writes a file whole or not at all: a power cut leaves the old one or the new one.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    let partial = path.with_extension("new");
    let attempt = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let mut file = options.open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    attempt().map_err(|source| CertificateError::Write { path: path.to_owned(), source })
}
