//! Whom to believe to be the server, and what TLS gives to the login.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, OtherError,
    ProtocolVersion, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256, Sha384, Sha512};
use thiserror::Error as ThisError;
use tidings_xmpp::sasl::{Exporter, TlsBinding};

use crate::account::{KnownBy, Pin};
use crate::fingerprint::Fingerprint;

/// Whom to believe to be the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// At the first connection, a certificate that an authority of this machine vouches
    /// for, or else whatever certificate the server shows; from then on the same. What
    /// was met is kept in the account file.
    #[default]
    FirstUse,
    /// Only these certificates, and those that one of them vouches for: one in DER, or any
    /// number in PEM.
    Ca(Vec<u8>),
    /// Any server. For tests.
    Insecure,
}

/// The certificate is not the one that the server was known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
#[error(
    "the server's certificate has changed: it is {met} (SHA-256) now, and {}. \
     Either the operator has replaced it, or another machine stands between here and the server. \
     If it was replaced, remove \"certificate\" from the account file",
    was(.known)
)]
pub struct CertificateChanged {
    /// By what the server was known.
    pub known: KnownBy,
    /// What it shows now.
    pub met: Fingerprint,
}

fn was(known: &KnownBy) -> String {
    match known {
        KnownBy::System => "was vouched for by an authority when this device met it first".to_owned(),
        KnownBy::Pin(pin) => format!("was {} when this device met it first", pin.sha256),
    }
}

/// The server is not the one that the invitation is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error(
    "the server is not the one that the invitation is from: its key is {met} (SHA-256) instead of {expected}"
)]
struct UnexpectedKey {
    /// SHA-256 of the public key that the invitation names.
    expected: Fingerprint,
    /// Of the one that the server has.
    met: Fingerprint,
}

/// Why TLS cannot be set up with this trust.
#[derive(Debug)]
pub(crate) struct UnfitTrust(pub(crate) String);

/// The TLS side of a device: one for all its connections.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

impl Tls {
    /// # Errors
    /// When the certificates of [`Trust::Ca`] cannot be used.
    pub(crate) fn new(
        trust: &Trust,
        known: Option<KnownBy>,
        expected: Option<Fingerprint>,
        direct: bool,
    ) -> Result<Self, UnfitTrust> {
        let provider = Arc::new(provider());
        let policy = match trust {
            Trust::Insecure => TrustPolicy::AnyServer,
            Trust::Ca(certificates) => TrustPolicy::authorities(certificates, &provider)?,
            Trust::FirstUse => TrustPolicy::Known { known: Mutex::new(known), expected },
        };
        let verifier =
            Arc::new(Verifier { policy, provider: Arc::clone(&provider), system: OnceLock::new() });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| UnfitTrust(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        if direct {
            config.alpn_protocols = vec![b"xmpp-client".to_vec()];
        }
        Ok(Self { config: Arc::new(config), verifier })
    }

    /// By what the server is known by now, where that matters.
    pub(crate) fn known(&self) -> Option<KnownBy> {
        match &self.verifier.policy {
            TrustPolicy::Known { known, .. } => *known.lock().unwrap_or_else(PoisonError::into_inner),
            TrustPolicy::AnyServer | TrustPolicy::Authorities { .. } => None,
        }
    }
}

/// The cryptography that TLS uses.
fn provider() -> CryptoProvider {
    #[cfg(feature = "aws-lc-rs")]
    return rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return rustls::crypto::ring::default_provider();
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    compile_error!("tidings-client needs one of the features `ring` and `aws-lc-rs`");
}

/// What a finished handshake gives to the login.
pub(crate) fn binding(connection: &ClientConnection) -> TlsBinding {
    let tls13 = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    // RFC 9266 section 4.2: with TLS 1.2 it needs the extended master secret, which
    // rustls does not tell of.
    let exporter = tls13
        .then(|| connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).ok())
        .flatten();
    TlsBinding {
        version: if tls13 { "TLSv1.3" } else { "TLSv1.2" },
        server_end_point: connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .and_then(|certificate| end_point(certificate)),
        exporter: exporter.map(Exporter::from),
    }
}

/// What is wrong with a server's certificate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CertificateFault {
    Changed(CertificateChanged),
    /// Why nobody vouches for it.
    Untrusted(String),
}

/// Why a handshake failed, if it was for the certificate.
pub(crate) fn certificate_error(error: &io::Error) -> Option<CertificateFault> {
    let Error::InvalidCertificate(error) = error.get_ref()?.downcast_ref::<Error>()? else { return None };
    let CertificateError::Other(other) = error else {
        return Some(CertificateFault::Untrusted(error.to_string()));
    };
    Some(match (other.0.downcast_ref::<CertificateChanged>(), other.0.downcast_ref::<UnexpectedKey>()) {
        (Some(changed), _) => CertificateFault::Changed(*changed),
        (_, Some(other)) => CertificateFault::Untrusted(other.to_string()),
        _ => CertificateFault::Untrusted(CertificateError::BadEncoding.to_string()),
    })
}

/// What is remembered of a certificate.
fn pin(certificate: &CertificateDer<'_>) -> Result<Pin, Error> {
    let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    Ok(Pin { sha256: Fingerprint::of(certificate), key_sha256: Fingerprint::of(&key) })
}

struct Verifier {
    policy: TrustPolicy,
    provider: Arc<CryptoProvider>,
    /// The authorities of this machine; read when they are first asked for.
    system: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

enum TrustPolicy {
    AnyServer,
    Authorities {
        exact: Vec<CertificateDer<'static>>,
        signers: Option<Arc<WebPkiServerVerifier>>,
    },
    /// By what the server is known; before it was met, by the key that it should have.
    Known {
        known: Mutex<Option<KnownBy>>,
        expected: Option<Fingerprint>,
    },
}

impl TrustPolicy {
    fn authorities(certificates: &[u8], provider: &Arc<CryptoProvider>) -> Result<Self, UnfitTrust> {
        let certificates = read_certificates(certificates)?;
        let signers = signers(certificates.iter().cloned(), provider);
        Ok(Self::Authorities { exact: certificates, signers })
    }
}

/// One certificate in DER, or all that are in a PEM file.
fn read_certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnfitTrust> {
    let unfit = |why: &dyn fmt::Display| UnfitTrust(why.to_string());
    // A DER certificate is a SEQUENCE; PEM is text.
    let certificates = match bytes.first() {
        Some(0x30) => vec![CertificateDer::from(bytes.to_vec())],
        _ => {
            CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|error| unfit(&error))?
        }
    };
    if certificates.is_empty() {
        return Err(unfit(&"there is no PEM certificate in them"));
    }
    for certificate in &certificates {
        ParsedCertificate::try_from(certificate).map_err(|error| unfit(&error))?;
    }
    Ok(certificates)
}

fn signers(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok()
}

/// The authorities of this machine.
fn native_roots() -> Vec<CertificateDer<'static>> {
    #[cfg(feature = "native-roots")]
    return rustls_native_certs::load_native_certs().certs;
    #[cfg(not(feature = "native-roots"))]
    return Vec::new();
}

impl Verifier {
    fn system(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        self.system.get_or_init(|| signers(native_roots(), &self.provider)).as_ref()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let ask = |signers: &Arc<WebPkiServerVerifier>| {
            signers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        match &self.policy {
            TrustPolicy::AnyServer => Ok(ServerCertVerified::assertion()),
            TrustPolicy::Authorities { exact, .. } if exact.contains(end_entity) => {
                Ok(ServerCertVerified::assertion())
            }
            TrustPolicy::Authorities { signers, .. } => match signers {
                Some(signers) => ask(signers),
                None => Err(CertificateError::UnknownIssuer.into()),
            },
            TrustPolicy::Known { known, expected } => {
                let met = pin(end_entity)?;
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if matches!(*known, Some(KnownBy::Pin(pin)) if pin.key_sha256 == met.key_sha256) {
                    return Ok(ServerCertVerified::assertion());
                }
                let vouched_for = self.system().is_some_and(|signers| ask(signers).is_ok());
                match *known {
                    // An operator who moves to an authority's certificate breaks nothing.
                    Some(_) if vouched_for => {}
                    Some(known) => {
                        let changed = CertificateChanged { known, met: met.sha256 };
                        return Err(CertificateError::Other(OtherError(Arc::new(changed))).into());
                    }
                    None if vouched_for => *known = Some(KnownBy::System),
                    None if expected.is_some_and(|expected| expected != met.key_sha256) => {
                        let met = met.key_sha256;
                        let expected = expected.unwrap_or(met);
                        let other = UnexpectedKey { expected, met };
                        return Err(CertificateError::Other(OtherError(Arc::new(other))).into());
                    }
                    None => *known = Some(KnownBy::Pin(met)),
                }
                Ok(ServerCertVerified::assertion())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The `tls-server-end-point` of a certificate (RFC 5929 section 4.1): its hash by the
/// hash of its own signature. `None` where that names none, as Ed25519 does.
fn end_point(certificate: &[u8]) -> Option<Arc<[u8]>> {
    let (whole, _) = der(certificate, 0x30)?;
    let (_, rest) = der(whole, 0x30)?;
    let (algorithm, _) = der(rest, 0x30)?;
    let (oid, _) = der(algorithm, 0x06)?;
    Some(match oid {
        // md5WithRSA, sha1WithRSA, sha256WithRSA; ecdsa-with-SHA1, -SHA256.
        RSA_MD5 | RSA_SHA1 | RSA_SHA256 | ECDSA_SHA1 | ECDSA_SHA256 => {
            Sha256::digest(certificate).as_slice().into()
        }
        RSA_SHA384 | ECDSA_SHA384 => Sha384::digest(certificate).as_slice().into(),
        RSA_SHA512 | ECDSA_SHA512 => Sha512::digest(certificate).as_slice().into(),
        _ => return None,
    })
}

// Object identifiers of RFC 4055 and RFC 5758, in DER.
const RSA_MD5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4];
const RSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const RSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
const RSA_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13];
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const ECDSA_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];

/// The content of a DER value with this tag, and what follows it.
fn der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x0f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    (*first == tag).then_some(())?;
    rest.split_at_checked(length)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) struct ServerCertificate {
        pub(crate) certificate: CertificateDer<'static>,
        pub(crate) key: rustls_pki_types::PrivateKeyDer<'static>,
        pub(crate) pem: String,
    }

    pub(crate) fn self_signed(name: &str) -> ServerCertificate {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        ServerCertificate {
            certificate: made.cert.der().clone(),
            pem: made.cert.pem(),
            key: rustls_pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()),
        }
    }

    fn verify(tls: &Tls, certificate: &CertificateDer<'_>, name: &str) -> Result<(), Error> {
        let name = ServerName::try_from(name).unwrap();
        tls.verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).map(drop)
    }

    #[test]
    fn the_first_certificate_is_kept_and_another_is_refused() {
        let (first, second) = (self_signed("example.org"), self_signed("example.org"));
        let tls = Tls::new(&Trust::FirstUse, None, None, false).unwrap();
        verify(&tls, &first.certificate, "example.org").unwrap();
        let known = KnownBy::Pin(pin(&first.certificate).unwrap());
        assert_eq!(tls.known(), Some(known));
        verify(&tls, &first.certificate, "other.example").unwrap();

        let error = verify(&tls, &second.certificate, "example.org").unwrap_err();
        let error = certificate_error(&io::Error::new(io::ErrorKind::InvalidData, error));
        let met = Fingerprint::of(&second.certificate);
        assert_eq!(error, Some(CertificateFault::Changed(CertificateChanged { known, met })));
        assert_eq!(tls.known(), Some(known));
    }

    #[test]
    fn an_invitation_is_from_one_server() {
        let (ours, other) = (self_signed("example.org"), self_signed("example.org"));
        let expected = pin(&ours.certificate).unwrap().key_sha256;
        let tls = Tls::new(&Trust::FirstUse, None, Some(expected), false).unwrap();
        let error = verify(&tls, &other.certificate, "example.org").unwrap_err();
        let error = certificate_error(&io::Error::new(io::ErrorKind::InvalidData, error));
        let met = pin(&other.certificate).unwrap().key_sha256;
        let words = UnexpectedKey { expected, met }.to_string();
        assert_eq!(error, Some(CertificateFault::Untrusted(words)));
        assert_eq!(tls.known(), None);
        verify(&tls, &ours.certificate, "example.org").unwrap();
        assert_eq!(tls.known(), Some(KnownBy::Pin(pin(&ours.certificate).unwrap())));
    }

    #[test]
    fn a_certificate_that_was_renewed_with_its_key_is_still_the_servers() {
        let key = rcgen::KeyPair::generate().unwrap();
        let make =
            |name: &str| rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        let tls = Tls::new(&Trust::FirstUse, None, None, false).unwrap();
        let (first, renewed) = (make("example.org"), make("push.example.org"));
        assert_ne!(first.der(), renewed.der());
        verify(&tls, first.der(), "example.org").unwrap();
        verify(&tls, renewed.der(), "example.org").unwrap();
    }

    #[test]
    fn who_was_vouched_for_may_not_come_self_signed() {
        let certificate = self_signed("example.org").certificate;
        let tls = Tls::new(&Trust::FirstUse, Some(KnownBy::System), None, false).unwrap();
        assert!(verify(&tls, &certificate, "example.org").is_err());
    }

    #[test]
    fn given_authorities_are_all_that_counts() {
        let (known, stranger) = (self_signed("example.org"), self_signed("example.org"));
        for bytes in [known.pem.clone().into_bytes(), known.certificate.to_vec()] {
            let tls = Tls::new(&Trust::Ca(bytes), None, None, false).unwrap();
            verify(&tls, &known.certificate, "127.0.0.1").unwrap();
            assert!(verify(&tls, &stranger.certificate, "example.org").is_err());
        }
        let two = format!("{}\n{}", known.pem, stranger.pem).into_bytes();
        let tls = Tls::new(&Trust::Ca(two), None, None, false).unwrap();
        verify(&tls, &stranger.certificate, "example.org").unwrap();

        let cut = known.certificate.get(..100).unwrap();
        for wrong in [&b""[..], b"nothing", b"-----BEGIN CERTIFICATE-----\nAA==\n", cut] {
            assert!(Tls::new(&Trust::Ca(wrong.to_vec()), None, None, false).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_authority_vouches_for_the_name_that_it_signed() {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = parameters.self_signed(&key).unwrap().pem().into_bytes();
        let issuer = rcgen::Issuer::new(parameters, key);
        let leaf = rcgen::CertificateParams::new(["example.org".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap();

        let tls = Tls::new(&Trust::Ca(ca), None, None, false).unwrap();
        verify(&tls, leaf.der(), "example.org").unwrap();
        assert!(verify(&tls, leaf.der(), "other.example").is_err());
    }

    #[test]
    fn an_end_point_is_the_hash_by_the_certificates_own_algorithm() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
            assert_eq!(end_point(certificate.der()).map(|hash| hash.len()), length);
        }
        for wrong in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x02\x30\x00"] {
            assert_eq!(end_point(wrong), None);
        }
    }
}
