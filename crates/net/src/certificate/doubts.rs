//! What devices will object to in a certificate: that it is for another domain, or that its time is over or soon
//! will be.

use std::fmt;
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};
use tidings_core::model::Timestamp;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A certificate that ends sooner should have been renewed by now.
const RENEW: Duration = Duration::from_secs(14 * 86_400);

/// An objection, in words when it is displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It does not name the domain.
    OtherDomain {
        /// The served domain.
        domain: String,
        /// What it names.
        names: Vec<String>,
    },
    /// It is not valid before then.
    NotYet(Timestamp),
    /// Its time was over then.
    Ended(Timestamp),
    /// Its time is over then.
    EndsSoon {
        /// When.
        at: Timestamp,
        /// Whole days until then.
        days: u64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherDomain { domain, names } if names.is_empty() => {
                write!(f, "it names no domain, so devices that check it will not connect to `{domain}`")
            }
            Self::OtherDomain { domain, names } => write!(
                f,
                "it is for {}, not for `{domain}`: devices that check it will not connect",
                names.join(", ")
            ),
            Self::NotYet(at) => {
                write!(f, "it is not valid before {at}: devices that check it will not connect")
            }
            Self::Ended(at) => write!(f, "it expired at {at}: devices that check it will not connect"),
            Self::EndsSoon { at, days } => {
                write!(f, "it expires in {days} days, at {at}: renew it, then send the server SIGHUP")
            }
        }
    }
}

/// All objections to this certificate.
pub(super) fn of(certificate: &CertificateDer<'_>, domain: &str, now: Timestamp) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return doubts };
    let fits = ParsedCertificate::try_from(certificate).and_then(|certificate| {
        let name = ServerName::try_from(domain).map_err(|error| rustls::Error::General(error.to_string()))?;
        verify_server_name(&certificate, &name)
    });
    if fits.is_err() {
        doubts.push(Doubt::OtherDomain { domain: domain.to_owned(), names: names(&parsed) });
    }
    let moment = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp().saturating_mul(1000));
    let (begins, ends) = (moment(parsed.validity().not_before), moment(parsed.validity().not_after));
    let left = ends.since(now);
    if begins > now {
        doubts.push(Doubt::NotYet(begins));
    }
    if ends <= now {
        doubts.push(Doubt::Ended(ends));
    } else if left < RENEW {
        doubts.push(Doubt::EndsSoon { at: ends, days: left.as_secs() / 86_400 });
    }
    doubts
}

/// The domains that it names, as many as are worth reading.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|extension| &extension.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(format!("`{}`", name.escape_default())),
        _ => None,
    });
    names.take(5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn certificate(names: &[&str], not_before: i64, not_after: i64) -> CertificateDer<'static> {
        let date =
            |days: i64| time::OffsetDateTime::from_unix_timestamp(NOW.0 / 1000 + days * 86_400).unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names).unwrap();
        (parameters.not_before, parameters.not_after) = (date(not_before), date(not_after));
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_for_the_domain_is_not_doubted() {
        for name in ["push.example.org", "*.example.org", "PUSH.example.org"] {
            let certificate = certificate(&["other.example", name], -1, 60);
            assert_eq!(of(&certificate, "push.example.org", NOW), []);
        }
    }

    #[test]
    fn what_devices_object_to_is_said_in_words() {
        let say = |names: &[&str], from, to| {
            let doubts = of(&certificate(names, from, to), "push.example.org", NOW);
            doubts.iter().map(Doubt::to_string).collect::<Vec<_>>().join("\n")
        };
        let said = say(&["www.example.org", "example.org"], -1, 60);
        assert!(
            said.starts_with("it is for `www.example.org`, `example.org`, not for `push.example.org`"),
            "{said}"
        );
        assert!(say(&["*.push.example.org"], -1, 60).contains("not for"));
        assert!(say(&["192.0.2.1"], -1, 60).contains("names no domain"));
        assert!(say(&["push.example.org"], -60, 1).starts_with("it expires in 1 days"));
        assert!(say(&["push.example.org"], -60, -1).starts_with("it expired at"));
        assert!(say(&["push.example.org"], 1, 60).starts_with("it is not valid before"));
        assert_eq!(say(&["other.example"], -60, 3).lines().count(), 2);
    }
}
