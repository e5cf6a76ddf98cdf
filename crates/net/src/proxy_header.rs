//! The PROXY protocol: a header in which a balancer says, before all else, whom a connection comes from. Version 1
//! is a line, version 2 binary. Not a byte behind the header is read.

use std::io;
use std::net::SocketAddr;

use ppp::{v1, v2};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes of a line of version 1 at most, its end included.
const LINE: usize = 107;
/// Bytes of a header of version 2 behind its first 16 that are taken: addresses and some additions.
const REST: usize = 2048;

/// Why a connection does not begin with a header.
#[derive(Debug, Error)]
pub(crate) enum ProxyHeaderError {
    #[error("it ended before a PROXY header did")]
    Ended(#[from] io::Error),
    #[error("it does not begin with a PROXY header")]
    Missing,
    #[error("its PROXY header is wrong: {0}")]
    Wrong(String),
}

/// Reads the header. The client's address; `None` where the balancer speaks for itself, as in a check of health, or
/// names no address.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    // No header is shorter than this.
    let mut header = vec![0; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        let [.., high, low] = fixed;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > REST {
            return Err(ProxyHeaderError::Wrong(format!("{length} bytes are too many")));
        }
        header.extend(fixed);
        let begin = header.len();
        header.resize(begin + length, 0);
        stream.read_exact(header.get_mut(begin..).unwrap_or_default()).await?;
        binary(&header)
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        while !header.ends_with(b"\r\n") {
            if header.len() >= LINE {
                return Err(ProxyHeaderError::Wrong("its line is too long".to_owned()));
            }
            header.push(stream.read_u8().await?);
        }
        line(&header)
    } else {
        Err(ProxyHeaderError::Missing)
    }
}

fn binary(header: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let header = v2::Header::try_from(header).map_err(wrong)?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => Some((ip.source_address, ip.source_port).into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => Some((ip.source_address, ip.source_port).into()),
        (v2::Command::Local, _) | (_, v2::Addresses::Unix(_) | v2::Addresses::Unspecified) => None,
    })
}

fn line(header: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    Ok(match v1::Header::try_from(header).map_err(wrong)?.addresses {
        v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Unknown => None,
    })
}

fn wrong(error: impl std::fmt::Display) -> ProxyHeaderError {
    ProxyHeaderError::Wrong(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of these bytes, and how many are left.
    fn read_all(bytes: &[u8]) -> (Result<Option<SocketAddr>, String>, usize) {
        let mut rest = bytes;
        let read = futures_util::FutureExt::now_or_never(read(&mut rest));
        (read.expect("bytes are there or not").map_err(|error| error.to_string()), rest.len())
    }

    fn written(version: u8, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
        if version == 1 {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.ip(), destination.ip());
            return format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port())
                .into_bytes();
        }
        let mut addresses = Vec::new();
        for end in [source, destination] {
            match end.ip() {
                std::net::IpAddr::V4(ip) => addresses.extend(ip.octets()),
                std::net::IpAddr::V6(ip) => addresses.extend(ip.octets()),
            }
        }
        addresses.extend(source.port().to_be_bytes());
        addresses.extend(destination.port().to_be_bytes());
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([0x21, if source.is_ipv4() { 0x11 } else { 0x21 }]);
        header.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
        header.extend(addresses);
        header
    }

    #[test]
    fn who_names_no_client_speaks_for_itself() {
        assert_eq!(read_all(b"PROXY UNKNOWN\r\n<stream"), (Ok(None), 7));
        let local = [v2::PROTOCOL_PREFIX, &[0x20, 0, 0, 0], b"<"].concat();
        assert_eq!(read_all(&local), (Ok(None), 1));
        let unix = [v2::PROTOCOL_PREFIX, &[0x21, 0x31, 0, 216], &[b'/'; 216]].concat();
        assert_eq!(read_all(&unix), (Ok(None), 0));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for wrong in [
            &b"<stream:stream to='x'>"[..],
            b"PROXY TCP4 192.0.2.1 192.0.2.2 99999 1\r\n",
            b"PROXY TCP4 2001:db8::1 192.0.2.2 1 1\r\n",
            b"PROXY NONSENSE\r\n",
            b"PROXYTCP4 192.0.2.1 192.0.2.2 1 1\r\n",
            b"PROXY TCP4",
            &[b"PROXY TCP4 ".to_vec(), vec![b'1'; 500]].concat(),
            &[v2::PROTOCOL_PREFIX, &[0x11, 0x11, 0, 12], &[0; 12]].concat(),
            &[v2::PROTOCOL_PREFIX, &[0x21, 0x11, 0, 3], &[0; 3]].concat(),
            &[v2::PROTOCOL_PREFIX, &[0x21, 0x11, 0xff, 0xff], &[0; 66_000]].concat(),
            b"",
        ] {
            assert!(read_all(wrong).0.is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    proptest! {
        #[test]
        fn every_address_is_read_and_nothing_behind_it(
            version in 1u8..=2,
            ips in prop_oneof![
                any::<[std::net::Ipv4Addr; 2]>().prop_map(|ips| ips.map(std::net::IpAddr::from)),
                any::<[std::net::Ipv6Addr; 2]>().prop_map(|ips| ips.map(std::net::IpAddr::from)),
            ],
            ports: [u16; 2],
            behind in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let ends = [(ips[0], ports[0]).into(), (ips[1], ports[1]).into()];
            let mut bytes = written(version, ends[0], ends[1]);
            let header = bytes.len();
            bytes.extend(&behind);
            prop_assert_eq!(read_all(&bytes), (Ok(Some(ends[0])), behind.len()));
            prop_assert!(read_all(&bytes[..header - 1]).0.is_err(), "cut off");
        }

        /// Whatever bytes come, and however a right header is changed: an address or an error, never a panic.
        #[test]
        fn no_bytes_are_too_much(
            start in prop_oneof![
                Just(Vec::new()),
                Just(b"PROXY TCP4 ".to_vec()),
                Just([v2::PROTOCOL_PREFIX, &[0x21]].concat()),
            ],
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = read_all(&[start, bytes].concat());
        }
    }
}
