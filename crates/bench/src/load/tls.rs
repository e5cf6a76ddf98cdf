//! From a plan to a connection under TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Plan;

/// Connections from one source address, so that none runs out of ports.
const PER_ADDRESS: usize = 1000;

/// Connects from an address of this machine that suits the connection's number.
pub(super) async fn connect(plan: &Plan, number: usize) -> io::Result<TcpStream> {
    if !plan.address.ip().is_loopback() {
        return TcpStream::connect(plan.address).await;
    }
    let socket = TcpSocket::new_v4()?;
    let group = u16::try_from(number / PER_ADDRESS % 60_000).unwrap_or(0);
    let [high, low] = (group + 2).to_be_bytes();
    socket.bind((IpAddr::from(Ipv4Addr::new(127, plan.net, high, low)), 0).into())?;
    socket.set_nodelay(true)?;
    socket.connect(plan.address).await
}

/// The TLS handshake.
pub(super) async fn secure(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
    name: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).map_err(|error| io::Error::other(error.to_string()))?;
    TlsConnector::from(Arc::clone(config)).connect(name, socket).await
}

/// TLS 1.3 towards a server whose certificate no authority signed; no tickets are used.
pub(super) fn config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Trusts anyone: what is measured is a server of one's own.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
