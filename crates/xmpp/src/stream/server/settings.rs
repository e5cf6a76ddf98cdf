//! What an operator decides about negotiations: domains, registration, extensions.

use std::net::IpAddr;

use crate::ext::limits::StreamLimits;
use crate::sasl::TlsBinding;
use crate::stream::Caps;

/// What the negotiation offers; the same for every stream.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The default domain, in lower case.
    pub domain: String,
    /// Other domains that are served.
    pub extra_domains: Vec<String>,
    /// In-band registration (XEP-0077).
    pub register: RegisterOffer,
    /// Whether XEP-0078 logins are taken.
    pub iq_auth: bool,
    /// Whether SCRAM's `-PLUS` is offered, where TLS has what to bind a login to.
    pub channel_binding: bool,
    /// Whether XEP-0198 is offered.
    pub stream_management: bool,
    /// XEP-0115: node and verification string of the server's disco#info.
    pub caps: Option<(String, String)>,
    /// The largest stanza after login, in bytes (XEP-0478).
    pub stanza_bytes: usize,
    /// How long a session may be silent before it is probed, in seconds (XEP-0478).
    pub idle_seconds: u64,
}

/// Which clients may register in-band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterOffer {
    /// None; registration is not offered.
    Closed,
    /// All.
    Open,
    /// Those with a token (XEP-0445) or a registration key.
    Token,
}

impl Settings {
    /// Settings for one domain with everything on and registration open.
    pub fn new(domain: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            extra_domains: Vec::new(),
            register: RegisterOffer::Open,
            iq_auth: true,
            channel_binding: true,
            stream_management: true,
            caps: None,
            stanza_bytes: 64 * 1024,
            idle_seconds: 1200,
        }
    }

    /// Which domain a stream header means. Nothing, `localhost` and an IP address mean
    /// the default one: old clients write there what they connected to.
    pub(super) fn find_domain(&self, to: Option<&str>) -> Option<usize> {
        let Some(to) = to else { return Some(0) };
        if let Some(found) = self.domains().position(|domain| domain.eq_ignore_ascii_case(to)) {
            return Some(found);
        }
        let bare = to.strip_prefix('[').and_then(|to| to.strip_suffix(']')).unwrap_or(to);
        if to.is_empty() || to.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok() {
            return Some(0);
        }
        // A name outside of ASCII has letters in more than one case, too.
        let to = jid::DomainPart::new(to).ok()?;
        self.domains().position(|domain| jid::DomainPart::new(domain).is_ok_and(|domain| domain == to))
    }

    pub(super) fn domain_at(&self, index: usize) -> &str {
        self.domains().nth(index).unwrap_or(&self.domain)
    }

    fn domains(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.domain.as_str()).chain(self.extra_domains.iter().map(String::as_str))
    }

    /// What a login may be bound to on a connection with this TLS: nothing before TLS 1.3. There a
    /// client may take `tls-unique` (RFC 5802 section 6.1), which is not to be had from every TLS
    /// library; since RFC 9266 `tls-exporter` has its place.
    pub(super) fn bindable(&self, tls: TlsBinding) -> TlsBinding {
        match self.channel_binding && tls.version == "TLSv1.3" {
            true => tls,
            false => TlsBinding { server_end_point: None, exporter: None, ..tls },
        }
    }

    pub(super) fn feature_caps(&self) -> Option<Caps> {
        self.caps.as_ref().map(|(node, ver)| Caps { node: node.clone(), ver: ver.clone() })
    }

    pub(super) fn limits(&self) -> StreamLimits {
        StreamLimits {
            max_bytes: u64::try_from(self.stanza_bytes).ok(),
            idle_seconds: Some(self.idle_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_may_be_addressed_to() {
        let settings = Settings {
            extra_domains: vec!["push.example.net".into(), "bücher.example".into()],
            ..Settings::new("example.org")
        };
        let cases = [
            (None, Some(0)),
            (Some(""), Some(0)),
            (Some("Example.ORG"), Some(0)),
            (Some("localhost"), Some(0)),
            (Some("127.0.0.1"), Some(0)),
            (Some("::1"), Some(0)),
            (Some("[2001:db8::1]"), Some(0)),
            (Some("push.example.NET"), Some(1)),
            (Some("BÜCHER.example"), Some(2)),
            (Some("example.com"), None),
            (Some("ann@example.org"), None),
            (Some("127.0.0.1.example"), None),
        ];
        for (to, index) in cases {
            assert_eq!(settings.find_domain(to), index, "{to:?}");
        }
        assert_eq!(Settings::new("localhost").find_domain(Some("localhost")), Some(0));
    }
}
