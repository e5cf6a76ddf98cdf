//! Where a request comes from, also through proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::header::FORWARDED;
use axum::http::{Extensions, HeaderMap, HeaderName};

use crate::Settings;
use crate::settings::Forwarded;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress(pub SocketAddr);

/// Where a request comes from, seen past trusted proxies.
pub(crate) fn source(settings: &Settings, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<PeerAddress>();
    let mut source = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical());
    if !is_trusted(settings, source) {
        return source;
    }
    // Each proxy appends whom it was asked by: from the last one back, as long as a proxy says so.
    for hop in hops(settings, headers).into_iter().rev() {
        if !is_trusted(settings, source) {
            break;
        }
        match hop {
            Some(address) => source = address,
            None => break,
        }
    }
    source
}

/// Whether this is the address of a proxy that is believed.
pub(crate) fn is_trusted(settings: &Settings, address: IpAddr) -> bool {
    settings.trusted_proxies.iter().any(|network| network.contains(address))
}

/// The addresses that proxies name, in order; `None` for what is no address.
fn hops(settings: &Settings, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let standard = settings.forwarded == Forwarded::Forwarded || !headers.contains_key(X_FORWARDED_FOR);
    if standard {
        let elements = values(FORWARDED).flat_map(|value| split(value, ','));
        elements.map(|element| address(forwarded_for(element)?)).collect()
    } else {
        values(X_FORWARDED_FOR).flat_map(|value| value.split(',')).map(address).collect()
    }
}

/// The parameter `for` of an element of `Forwarded` (RFC 7239 section 4).
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = split(element, ';').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value)
}

/// Parts between separators that stand outside of quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter| {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => return letter == separator && !quoted,
        }
        false
    })
}

/// An address as proxies write it: in quotes or not, IPv6 in brackets or not, with a port or a zone or neither.
/// Hidden names (`_hidden`, `unknown`) are none.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            if !behind.is_empty() && !behind.strip_prefix(':').is_some_and(is_port) {
                return None;
            }
            host
        }
        None => match text.split_once(':') {
            // More than one colon: IPv6 without a port.
            Some((_, port)) if port.contains(':') => text,
            Some((host, port)) if is_port(port) => host,
            Some(_) => return None,
            None => text,
        },
    };
    let host = host.split_once('%').map_or(host, |(host, _)| host);
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// A number, or a name that hides it (RFC 7239 section 6.3).
fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn from(peer: &str, settings: &Settings, fields: &[(HeaderName, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddress(format!("{peer}:5000").parse().unwrap()));
        source(settings, &headers, &extensions).to_string()
    }

    #[test]
    fn an_address_is_read_however_a_proxy_writes_it() {
        let settings = Settings::default();
        for (written, address) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:4000", "203.0.113.9"),
            ("\"203.0.113.9:4000\"", "203.0.113.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:443", "2001:db8::9"),
            ("\"[2001:db8::9]:443\"", "2001:db8::9"),
            ("\"2001:db8::9\"", "2001:db8::9"),
            ("fe80::9%eth0", "fe80::9"),
            ("[fe80::9%25eth0]:443", "fe80::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("192.0.2.1, 203.0.113.9:1", "203.0.113.9"),
            ("192.0.2.1,\t203.0.113.9 ", "203.0.113.9"),
            ("203.0.113.9, 127.0.0.1", "203.0.113.9"),
            ("unknown", "127.0.0.1"),
            ("203.0.113.9, unknown", "127.0.0.1"),
            ("203.0.113.9:", "127.0.0.1"),
            ("[203.0.113.9", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(from("127.0.0.1", &settings, &[(X_FORWARDED_FOR, written)]), address, "{written}");
            if written.contains(',') || written.is_empty() {
                continue;
            }
            let quoted = if written.starts_with('"') { written.to_owned() } else { format!("\"{written}\"") };
            let element = format!("proto=https; For={quoted};by=_x");
            assert_eq!(from("127.0.0.1", &settings, &[(FORWARDED, &element)]), address, "{element}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far() {
        let settings =
            Settings { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Settings::default() };
        let chain = [(X_FORWARDED_FOR, "203.0.113.66, 203.0.113.9"), (X_FORWARDED_FOR, "10.1.1.1")];
        assert_eq!(from("10.2.2.2", &settings, &chain), "203.0.113.9");
        assert_eq!(from("192.0.2.7", &settings, &chain), "192.0.2.7");
        assert_eq!(from("127.0.0.1", &settings, &chain), "127.0.0.1");
        let both = [(FORWARDED, "for=203.0.113.66, for=203.0.113.8"), (X_FORWARDED_FOR, "203.0.113.9")];
        assert_eq!(from("10.2.2.2", &settings, &both), "203.0.113.9");
        let settings = Settings { forwarded: Forwarded::Forwarded, ..settings };
        assert_eq!(from("10.2.2.2", &settings, &both), "203.0.113.8");
        assert_eq!(from("10.2.2.2", &settings, &chain), "10.2.2.2");
        let tricky =
            [(FORWARDED, "for=\"_a,for=203.0.113.66\";host=\"a\\\";for=203.0.113.66\", for=203.0.113.8")];
        assert_eq!(from("10.2.2.2", &settings, &tricky), "203.0.113.8");
    }

    proptest! {
        /// An address that a trusted proxy names is found in every way of writing it, behind whatever the
        /// client has sent.
        #[test]
        fn what_clients_send_does_not_hide_them(
            garbage in "[ -~]{0,40}",
            client: IpAddr,
            port: Option<u16>,
            brackets: bool,
        ) {
            let client = client.to_canonical();
            prop_assume!(!client.is_loopback());
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let written = match client {
                IpAddr::V6(v6) if brackets || !port.is_empty() => format!("[{v6}]{port}"),
                _ => format!("{client}{port}"),
            };
            let value = format!("{garbage}, {written}");
            let found = from("127.0.0.1", &Settings::default(), &[(X_FORWARDED_FOR, &value)]);
            prop_assert_eq!(found, client.to_string());
            // Separate fields, since a quote that the client leaves open takes the rest of its field.
            let fields = [(FORWARDED, garbage.as_str()), (FORWARDED, &format!("for=\"{written}\""))];
            prop_assert_eq!(from("127.0.0.1", &Settings::default(), &fields), client.to_string());
        }
    }
}
