//! The server's certificate: from files that the operator names, or made by the
//! server itself; exchanged in place on reload.

mod doubts;
mod self_signed;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tidings_core::model::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use self::doubts::Doubt;
use crate::tls::{self, TlsSettings};

/// The protocol name that clients of the direct TLS port send (XEP-0368).
const ALPN: &[u8] = b"xmpp-client";
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// PEM files that the operator looks after.
    Files {
        /// The certificate, then those that lead to a root.
        chain: PathBuf,
        /// Its private key: PKCS #8, SEC 1 or PKCS #1.
        key: PathBuf,
    },
    /// `cert.pem` and `key.pem` in this directory. What is missing there is made,
    /// for this domain; what the server made itself is renewed when it runs out or
    /// names another domain. What the operator put there is used and left alone.
    SelfSigned {
        /// The directory, made (0700) when it is missing.
        directory: PathBuf,
        /// The served XMPP domain.
        domain: String,
    },
}

impl CertificateSource {
    /// The file that holds the certificate.
    pub fn chain_path(&self) -> PathBuf {
        match self {
            Self::Files { chain, .. } => chain.clone(),
            Self::SelfSigned { directory, .. } => directory.join(self_signed::CERTIFICATE),
        }
    }

    /// The file that holds the private key.
    pub fn key_path(&self) -> PathBuf {
        match self {
            Self::Files { key, .. } => key.clone(),
            Self::SelfSigned { directory, .. } => directory.join(self_signed::KEY),
        }
    }
}

/// Why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not belong together, or are of a kind that TLS does not take.
    #[error("{} with {}: {source}", chain.display(), key.display())]
    Unusable {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The certificate's time is over.
    #[error("{}: expired at {at}", path.display())]
    Expired {
        /// The certificate's file.
        path: PathBuf,
        /// When.
        at: Timestamp,
    },
    /// No certificate could be made for this domain.
    #[error("cannot make a certificate for {domain:?}: {reason}")]
    Make {
        /// The domain.
        domain: String,
        /// Why.
        reason: String,
    },
}

/// The certificate that new connections get. Connections that have one keep theirs.
pub struct Certificates {
    source: CertificateSource,
    current: RwLock<Arc<LoadedCertificate>>,
}

impl Certificates {
    /// Reads the certificate, or makes one.
    ///
    /// # Errors
    /// When there is no usable one: this is the start, so nothing else could be
    /// used instead. An expired one is used: devices that pin it still connect. [`doubts`](Self::doubts)
    /// says so.
    pub fn open(source: CertificateSource, now: Timestamp) -> Result<Arc<Self>, CertificateError> {
        if let CertificateSource::SelfSigned { directory, domain } = &source {
            self_signed::ensure(directory, domain, now)?;
        }
        let loaded = LoadedCertificate::load(&source)?;
        Ok(Arc::new(Self { source, current: RwLock::new(Arc::new(loaded)) }))
    }

    /// Reads the files again. Answers whether the certificate is another one now.
    ///
    /// # Errors
    /// When the files are not usable, or hold an expired certificate: the one in use
    /// stays, and the log says so.
    pub fn reload(&self, now: Timestamp) -> Result<bool, CertificateError> {
        let fresh = self.read_again(now).inspect_err(
            |error| tracing::error!(%error, "the new certificate is not usable: the old one stays in use"),
        )?;
        let fresh = Arc::new(fresh);
        let changed = {
            let mut current = self.current.write();
            let changed = fresh.chain != current.chain || fresh.key_digest != current.key_digest;
            if changed {
                *current = Arc::clone(&fresh);
            }
            changed
        };
        // Said without the lock: new connections need it.
        if changed {
            tracing::info!(expires = %fresh.expires_at, fingerprint = fresh.fingerprint_text(), "a new certificate is in use");
        } else {
            tracing::info!(expires = %fresh.expires_at, "the certificate is unchanged");
        }
        Ok(changed)
    }

    /// What devices of this domain will object to in the certificate in use.
    pub fn doubts(&self, domain: &str, now: Timestamp) -> Vec<Doubt> {
        let current = Arc::clone(&self.current.read());
        current.chain.first().map(|leaf| doubts::of(leaf, domain, now)).unwrap_or_default()
    }

    /// Whether the server made the certificate in use, and renews it.
    pub fn is_own(&self) -> bool {
        let current = Arc::clone(&self.current.read());
        current.chain.first().is_some_and(|leaf| self_signed::is_own(leaf))
    }

    /// When the certificate in use runs out.
    pub fn expires_at(&self) -> Timestamp {
        self.current.read().expires_at
    }

    /// SHA-256 of the certificate in use (its DER form).
    pub fn fingerprint(&self) -> [u8; 32] {
        self.current.read().fingerprint
    }

    /// The [`fingerprint`](Self::fingerprint) as people compare it: `AB:CD:…`.
    pub fn fingerprint_text(&self) -> String {
        self.current.read().fingerprint_text()
    }

    /// SHA-256 of its public key (the SubjectPublicKeyInfo in DER): a renewal with the same key keeps it.
    pub fn key_fingerprint(&self) -> [u8; 32] {
        self.current.read().key_fingerprint
    }

    /// Where the certificate comes from.
    pub fn source(&self) -> &CertificateSource {
        &self.source
    }

    /// What a connection that becomes TLS by STARTTLS uses.
    pub fn starttls(&self) -> TlsSettings {
        let current = self.current.read();
        TlsSettings { config: Arc::clone(&current.starttls), end_point: current.end_point.clone() }
    }

    /// What a connection to the direct TLS port uses.
    pub fn direct(&self) -> TlsSettings {
        let current = self.current.read();
        TlsSettings { config: Arc::clone(&current.direct), end_point: current.end_point.clone() }
    }

    fn read_again(&self, now: Timestamp) -> Result<LoadedCertificate, CertificateError> {
        if let CertificateSource::SelfSigned { directory, domain } = &self.source {
            self_signed::ensure(directory, domain, now)?;
        }
        let fresh = LoadedCertificate::load(&self.source)?;
        if fresh.expires_at <= now {
            return Err(CertificateError::Expired { path: self.source.chain_path(), at: fresh.expires_at });
        }
        Ok(fresh)
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("source", &self.source).finish_non_exhaustive()
    }
}

/// One certificate and what is derived from it. A configuration names exactly one,
/// so a connection's channel binding cannot be that of another.
struct LoadedCertificate {
    chain: Vec<CertificateDer<'static>>,
    key_digest: [u8; 32],
    starttls: Arc<ServerConfig>,
    direct: Arc<ServerConfig>,
    end_point: Option<Arc<[u8]>>,
    expires_at: Timestamp,
    fingerprint: [u8; 32],
    key_fingerprint: [u8; 32],
}

impl LoadedCertificate {
    fn load(source: &CertificateSource) -> Result<Self, CertificateError> {
        let (chain_path, key_path) = (source.chain_path(), source.key_path());
        let chain = read_chain(&chain_path)?;
        let leaf = chain.first().ok_or_else(|| content(&chain_path, "no certificate in it"))?;
        let fingerprint: [u8; 32] = Sha256::digest(leaf).into();
        let (expires_at, key_fingerprint) =
            read_leaf(leaf).ok_or_else(|| content(&chain_path, "not an X.509 certificate"))?;
        let end_point = tls::end_point(leaf);

        let key = read_key(&key_path)?;
        let key_digest: [u8; 32] = Sha256::digest(key.secret_der()).into();
        let unusable = |error| CertificateError::Unusable {
            chain: chain_path.clone(),
            key: key_path.clone(),
            source: error,
        };
        let certified = CertifiedKey::from_der(chain.clone(), key, &tls::provider()).map_err(unusable)?;
        let starttls = configuration(certified).map_err(unusable)?;
        let mut direct = starttls.clone();
        // A client that names protocols must name ours; one that names none is welcome.
        direct.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self {
            chain,
            key_digest,
            starttls: Arc::new(starttls),
            direct: Arc::new(direct),
            end_point,
            expires_at,
            fingerprint,
            key_fingerprint,
        })
    }

    fn fingerprint_text(&self) -> String {
        let pairs: Vec<String> = self.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }
}

/// The TLS configuration for one certificate.
fn configuration(certified: CertifiedKey) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&VERSIONS)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // Tickets are stateless, and belong to this certificate alone: a client that
    // resumes binds to the certificate it saw first. No session is kept here.
    config.ticketer = tls::ticketer()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    config.key_log = Arc::new(tls::ExporterCapture);
    Ok(config)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = read(path)?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| content(path, &format!("not PEM: {error}")))
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| content(path, &format!("no private key in PEM form: {error}")))
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Read { path: path.to_owned(), source })
}

fn content(path: &Path, reason: &str) -> CertificateError {
    CertificateError::Content { path: path.to_owned(), reason: reason.to_owned() }
}

/// The end of a certificate's validity, and SHA-256 of its public key.
fn read_leaf(der: &[u8]) -> Option<(Timestamp, [u8; 32])> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let expires_at = Timestamp(certificate.validity().not_after.timestamp().saturating_mul(1000));
    Some((expires_at, Sha256::digest(certificate.public_key().raw).into()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn self_signed(directory: &Path, domain: &str) -> CertificateSource {
        CertificateSource::SelfSigned { directory: directory.join("tls"), domain: domain.to_owned() }
    }

    #[test]
    fn the_first_start_makes_a_certificate_and_the_next_keeps_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = Certificates::open(self_signed(directory.path(), "push.example"), NOW).unwrap();
        let again = Certificates::open(self_signed(directory.path(), "push.example"), NOW.plus(DAY)).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint_text().len(), 95);
        assert!(first.expires_at() > NOW.plus(DAY * 3650));
        assert_eq!(first.direct().end_point.as_deref(), Some(first.fingerprint().as_slice()));
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let source = self_signed(directory.path(), "localhost");
        Certificates::open(source.clone(), NOW).unwrap();
        let mode = fs::metadata(source.key_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn it_names_the_domain_and_the_local_addresses() {
        let directory = tempfile::tempdir().unwrap();
        let source = self_signed(directory.path(), "push.example");
        Certificates::open(source.clone(), NOW).unwrap();
        let chain = read_chain(&source.chain_path()).unwrap();
        let (_, certificate) = X509Certificate::from_der(&chain[0]).unwrap();
        let names = format!("{:?}", certificate.subject_alternative_name().unwrap().unwrap().value);
        for name in ["push.example", "localhost", "[127, 0, 0, 1]"] {
            assert!(names.contains(name), "{name} in {names}");
        }
        assert!(!certificate.is_ca());
    }

    #[test]
    fn what_the_server_made_is_renewed_with_the_same_key() {
        let directory = tempfile::tempdir().unwrap();
        let source = self_signed(directory.path(), "push.example");
        let certificates = Certificates::open(source.clone(), NOW).unwrap();
        let before = (certificates.fingerprint(), fs::read(source.key_path()).unwrap());

        assert!(!certificates.reload(NOW.plus(DAY * 3000)).unwrap());
        assert!(certificates.reload(NOW.plus(DAY * 3640)).unwrap());
        assert_ne!(certificates.fingerprint(), before.0);
        assert_eq!(fs::read(source.key_path()).unwrap(), before.1);

        let moved = Certificates::open(self_signed(directory.path(), "other.example"), NOW).unwrap();
        assert_ne!(moved.fingerprint(), certificates.fingerprint());
        assert_eq!(fs::read(source.key_path()).unwrap(), before.1);
    }

    #[test]
    fn a_certificate_of_somebody_else_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let source = self_signed(directory.path(), "push.example");
        let made = rcgen::generate_simple_self_signed(vec!["else.example".to_owned()]).unwrap();
        fs::create_dir_all(directory.path().join("tls")).unwrap();
        fs::write(source.chain_path(), made.cert.pem()).unwrap();
        fs::write(source.key_path(), made.signing_key.serialize_pem()).unwrap();
        Certificates::open(source.clone(), NOW).unwrap();
        assert_eq!(fs::read_to_string(source.chain_path()).unwrap(), made.cert.pem());
    }

    #[test]
    fn bad_files_leave_the_old_certificate_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let (chain, key) = (directory.path().join("c.pem"), directory.path().join("k.pem"));
        let make = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (one, two) = (make("one.example"), make("two.example"));
        fs::write(&chain, one.cert.pem()).unwrap();
        fs::write(&key, one.signing_key.serialize_pem()).unwrap();
        let source = CertificateSource::Files { chain: chain.clone(), key: key.clone() };
        let certificates = Certificates::open(source, NOW).unwrap();
        let before = certificates.fingerprint();

        fs::write(&chain, two.cert.pem()).unwrap();
        assert!(matches!(certificates.reload(NOW), Err(CertificateError::Unusable { .. })));
        assert_eq!(certificates.fingerprint(), before);
        fs::write(&chain, "nonsense").unwrap();
        assert!(matches!(certificates.reload(NOW), Err(CertificateError::Content { .. })));
        fs::remove_file(&chain).unwrap();
        assert!(matches!(certificates.reload(NOW), Err(CertificateError::Read { .. })));
        assert_eq!(certificates.fingerprint(), before);

        fs::write(&chain, two.cert.pem()).unwrap();
        fs::write(&key, two.signing_key.serialize_pem()).unwrap();
        assert!(certificates.reload(NOW).unwrap());
        assert_ne!(certificates.fingerprint(), before);
    }

    #[test]
    fn an_expired_certificate_does_not_replace_a_good_one() {
        let directory = tempfile::tempdir().unwrap();
        let (chain, key) = (directory.path().join("c.pem"), directory.path().join("k.pem"));
        let pair = rcgen::KeyPair::generate().unwrap();
        let good = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let mut late = good.clone();
        late.not_after = rcgen::date_time_ymd(2020, 1, 1);
        fs::write(&key, pair.serialize_pem()).unwrap();
        fs::write(&chain, good.self_signed(&pair).unwrap().pem()).unwrap();
        let source = CertificateSource::Files { chain: chain.clone(), key };
        let certificates = Certificates::open(source.clone(), NOW).unwrap();
        fs::write(&chain, late.self_signed(&pair).unwrap().pem()).unwrap();
        assert!(matches!(certificates.reload(NOW), Err(CertificateError::Expired { .. })));
        assert!(Certificates::open(source, NOW).is_ok());
    }
}
