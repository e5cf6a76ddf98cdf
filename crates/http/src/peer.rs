//! Where a request comes from, also through proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::{Extensions, HeaderMap};

use crate::Settings;

/// The other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerAddress(pub SocketAddr);

/// Where a request comes from, seen past trusted proxies.
pub(crate) fn source(settings: &Settings, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<PeerAddress>();
    let mut source = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical());
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    for hop in hops.iter().rev() {
        if !settings.trusted_proxies.contains(&source) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => source = address.to_canonical(),
            Err(_) => break,
        }
    }
    source
}
