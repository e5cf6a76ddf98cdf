//! The server's end of TLS against rustls' own client.

use std::io::{Read, Write};

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};

use super::*;
use crate::certificate::Certificates;
use crate::testing;

/// A client of the usual kind and the server's end under test, with a wire between
/// them that tests cut where they like.
struct Pair {
    client: ClientConnection,
    server: TlsStream,
    to_client: Vec<u8>,
    plain: Vec<u8>,
    binding: Option<TlsBinding>,
}

impl Pair {
    fn new(certificates: &Certificates, config: ClientConfig) -> Self {
        let client = ClientConnection::new(Arc::new(config), testing::name()).unwrap();
        let server = TlsStream::new(&certificates.direct()).unwrap();
        Self { client, server, to_client: Vec::new(), plain: Vec::new(), binding: None }
    }

    fn ready(certificates: &Certificates, version: &'static SupportedProtocolVersion) -> Self {
        let mut pair = Self::new(certificates, testing::client(version));
        pair.talk(&mut |flight| vec![flight]);
        assert!(pair.binding.is_some());
        pair
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        let held = self.server.held();
        let mut buffer = vec![0; 34 * 1024];
        buffer[held..held + bytes.len()].copy_from_slice(bytes);
        let received = self.server.receive(&mut buffer, bytes.len(), &mut self.plain, &mut self.to_client)?;
        if received.secured.is_some() {
            assert!(self.binding.is_none());
            self.binding = received.secured;
        }
        Ok(())
    }

    /// What the client has to send.
    fn flight(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Hands the client what the server sent.
    fn deliver(&mut self) -> Result<(), rustls::Error> {
        let bytes = std::mem::take(&mut self.to_client);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            self.client.process_new_packets()?;
        }
        Ok(())
    }

    /// Exchanges flights until neither side has anything to say. `cut` cuts each of the client's.
    fn talk(&mut self, cut: &mut dyn FnMut(Vec<u8>) -> Vec<Vec<u8>>) {
        loop {
            let flight = self.flight();
            if flight.is_empty() && self.to_client.is_empty() {
                return;
            }
            for piece in cut(flight) {
                for chunk in piece.chunks(16 * 1024) {
                    self.feed(chunk).unwrap();
                }
            }
            self.deliver().unwrap();
        }
    }

    fn client_reads(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read) = self.client.reader().read(&mut buffer) {
            if read == 0 {
                break;
            }
            bytes.extend_from_slice(&buffer[..read]);
        }
        bytes
    }

    /// Data goes both ways, and nothing is held afterwards.
    fn assert_works(&mut self) {
        self.plain.clear();
        self.client.writer().write_all(b"ping").unwrap();
        let flight = self.flight();
        self.feed(&flight).unwrap();
        assert_eq!(self.plain, b"ping");
        self.server.encrypt(b"pong", &mut self.to_client).unwrap();
        self.deliver().unwrap();
        assert_eq!(self.client_reads(), b"pong");
        assert_eq!(self.server.held.capacity(), 0);
    }
}

#[test]
fn a_handshake_gives_the_bindings_that_the_client_sees() {
    let certificates = testing::certificates();
    let mut pair = Pair::ready(&certificates, &TLS13);
    let binding = pair.binding.clone().unwrap();
    assert_eq!(binding.version, "TLSv1.3");
    assert_eq!(binding.server_end_point.as_deref(), Some(certificates.fingerprint().as_slice()));
    let theirs = pair.client.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
    assert_eq!(binding.exporter, Some(theirs.into()));
    pair.assert_works();

    let pair = Pair::ready(&certificates, &TLS12);
    let binding = pair.binding.unwrap();
    assert_eq!((binding.version, binding.exporter), ("TLSv1.2", None));
    assert!(binding.server_end_point.is_some());
}

#[test]
fn the_exporter_is_right_for_every_cipher_suite() {
    let certificates = testing::certificates();
    for suite in tls13_suites() {
        let mut provider = (*super::super::provider()).clone();
        provider.cipher_suites = vec![suite];
        let mut pair = Pair::new(&certificates, testing::client_with(provider, &TLS13));
        pair.talk(&mut |flight| vec![flight]);
        let theirs = pair.client.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).unwrap();
        assert_eq!(pair.binding.clone().unwrap().exporter, Some(theirs.into()), "{suite:?}");
    }
}

fn tls13_suites() -> Vec<rustls::SupportedCipherSuite> {
    let suites: Vec<_> =
        super::super::provider().cipher_suites.iter().copied().filter(|s| s.tls13().is_some()).collect();
    assert!(suites.len() >= 3);
    suites
}

#[test]
fn a_flight_may_be_cut_anywhere() {
    let certificates = testing::certificates();
    for version in [&TLS13, &TLS12] {
        let mut at = 1;
        loop {
            let mut pair = Pair::new(&certificates, testing::client(version));
            let mut longest = 0;
            pair.talk(&mut |flight| {
                longest = longest.max(flight.len());
                let (head, tail) = flight.split_at(at.min(flight.len()));
                vec![head.to_vec(), tail.to_vec()]
            });
            assert!(pair.binding.is_some(), "cut at {at}");
            pair.assert_works();
            if at >= longest {
                break;
            }
            at += 1;
        }
        assert!(at > 100);
    }
}

#[test]
fn bytes_may_come_one_by_one() {
    let certificates = testing::certificates();
    for version in [&TLS13, &TLS12] {
        let mut pair = Pair::new(&certificates, testing::client(version));
        pair.talk(&mut |flight| flight.chunks(1).map(<[u8]>::to_vec).collect());
        pair.client.writer().write_all(b"slowly").unwrap();
        for byte in pair.flight() {
            assert!(pair.plain.is_empty());
            pair.feed(&[byte]).unwrap();
        }
        assert_eq!(pair.plain, b"slowly");
        pair.assert_works();
    }
}

#[test]
fn a_client_hello_may_be_spread_over_many_records() {
    let certificates = testing::certificates();
    for version in [&TLS13, &TLS12] {
        let mut config = testing::client(version);
        config.max_fragment_size = Some(32);
        for chunk in [1, 7, 4096] {
            let mut pair = Pair::new(&certificates, config.clone());
            pair.talk(&mut |flight| flight.chunks(chunk).map(<[u8]>::to_vec).collect());
            assert!(pair.binding.is_some());
            pair.assert_works();
        }
    }
}

#[test]
fn data_that_comes_with_the_end_of_the_handshake_is_not_lost() {
    let certificates = testing::certificates();
    let mut pair = Pair::new(&certificates, testing::client(&TLS13));
    let hello = pair.flight();
    pair.feed(&hello).unwrap();
    pair.deliver().unwrap();
    pair.client.writer().write_all(b"<stream:stream").unwrap();
    let rest = pair.flight();
    pair.feed(&rest).unwrap();
    assert!(pair.binding.is_some());
    assert_eq!(pair.plain, b"<stream:stream");
}

#[test]
fn what_no_tls_is_gets_an_alert() {
    let certificates = testing::certificates();
    for garbage in [&b"<stream:stream to='push.example'>"[..], &[0x16, 3, 1, 0xff, 0xff, 1], &[0; 64]] {
        let mut pair = Pair::new(&certificates, testing::client(&TLS13));
        assert!(pair.feed(garbage).is_err());
        assert_eq!(pair.to_client.first(), Some(&0x15), "an alert record");
        assert!(matches!(pair.server.encrypt(b"x", &mut Vec::new()), Err(TlsError::NotReady)));
    }
}

#[test]
fn garbage_after_half_a_hello_is_no_reason_to_panic() {
    let certificates = testing::certificates();
    let mut config = testing::client(&TLS13);
    config.max_fragment_size = Some(64);
    let mut pair = Pair::new(&certificates, config);
    let hello = pair.flight();
    pair.feed(&hello[..100]).unwrap();
    let mut sent = hello[100..].to_vec();
    sent[20..].fill(0xff);
    assert!(pair.feed(&sent).is_err());
    assert_eq!(pair.to_client.first(), Some(&0x15));
}

#[test]
fn a_tampered_record_ends_the_connection_with_an_alert() {
    let certificates = testing::certificates();
    for version in [&TLS13, &TLS12] {
        let mut pair = Pair::ready(&certificates, version);
        pair.client.writer().write_all(b"ping").unwrap();
        let mut flight = pair.flight();
        *flight.last_mut().unwrap() ^= 1;
        assert!(matches!(pair.feed(&flight), Err(TlsError::Protocol(rustls::Error::DecryptError))));
        let alert = pair.deliver().unwrap_err();
        assert_eq!(alert, rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac));
    }
}

#[test]
fn an_endless_handshake_message_is_refused() {
    let certificates = testing::certificates();
    let mut pair = Pair::new(&certificates, testing::client(&TLS13));
    // A ClientHello that says it has 65,000 bytes, in records of 16 KiB.
    let mut bytes = vec![0x16, 3, 1, 0x40, 0, 1, 0, 0xfd, 0xe8];
    bytes.resize(5 + 0x4000, 0);
    let mut refused = false;
    for _ in 0..4 {
        if pair.server.held() + bytes.len() > 34 * 1024 || pair.feed(&bytes).is_err() {
            refused = true;
            break;
        }
        bytes[5..9].fill(0);
    }
    assert!(refused);
    assert!(pair.server.held() <= 34 * 1024);
}

#[test]
fn large_data_goes_both_ways_in_many_records() {
    let certificates = testing::certificates();
    for version in [&TLS13, &TLS12] {
        let mut pair = Pair::ready(&certificates, version);
        let data: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        pair.client.set_buffer_limit(None);
        pair.client.writer().write_all(&data).unwrap();
        for chunk in pair.flight().chunks(10_007) {
            pair.feed(chunk).unwrap();
        }
        assert_eq!(pair.plain, data);

        pair.server.encrypt(&data, &mut pair.to_client).unwrap();
        assert!(pair.to_client.len() < data.len() + 7 * 64);
        let mut received = Vec::new();
        for chunk in std::mem::take(&mut pair.to_client).chunks(4000) {
            pair.to_client = chunk.to_vec();
            pair.deliver().unwrap();
            received.extend(pair.client_reads());
        }
        assert_eq!(received, data);
        assert_eq!(pair.server.held.capacity(), 0);
    }
}

#[test]
fn both_sides_send_close_notify() {
    let certificates = testing::certificates();
    for version in [&TLS13, &TLS12] {
        let mut pair = Pair::ready(&certificates, version);
        pair.client.writer().write_all(b"last words").unwrap();
        pair.client.send_close_notify();
        let flight = pair.flight();
        pair.feed(&flight).unwrap();
        assert!(pair.server.is_peer_closed());
        assert_eq!(pair.plain, b"last words");

        pair.server.encrypt(b"so long", &mut pair.to_client).unwrap();
        pair.server.close(&mut pair.to_client);
        let said = pair.to_client.len();
        pair.server.close(&mut pair.to_client);
        assert_eq!(pair.to_client.len(), said, "close_notify is sent once");
        assert!(pair.server.encrypt(b"x", &mut pair.to_client).is_err());
        let bytes = std::mem::take(&mut pair.to_client);
        pair.client.read_tls(&mut bytes.as_slice()).unwrap();
        let state = pair.client.process_new_packets().unwrap();
        assert!(state.peer_has_closed());
        assert_eq!(pair.client_reads(), b"so long");
    }
}

#[test]
fn closing_during_the_handshake_sends_nothing() {
    let certificates = testing::certificates();
    let mut pair = Pair::new(&certificates, testing::client(&TLS13));
    pair.server.close(&mut pair.to_client);
    assert!(pair.to_client.is_empty());
}

#[test]
fn keys_can_be_updated_by_the_client() {
    let certificates = testing::certificates();
    let mut pair = Pair::ready(&certificates, &TLS13);
    for _ in 0..5 {
        pair.client.refresh_traffic_keys().unwrap();
        let flight = pair.flight();
        pair.feed(&flight).unwrap();
        pair.assert_works();
    }
}

#[test]
fn the_direct_port_takes_our_protocol_or_none() {
    let certificates = testing::certificates();
    for (offered, selected) in [(vec![], None), (vec![b"xmpp-client".to_vec()], Some(&b"xmpp-client"[..]))] {
        let mut config = testing::client(&TLS13);
        config.alpn_protocols = offered;
        let mut pair = Pair::new(&certificates, config);
        pair.talk(&mut |flight| vec![flight]);
        assert_eq!(pair.client.alpn_protocol(), selected);
    }
    let mut config = testing::client(&TLS13);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut pair = Pair::new(&certificates, config.clone());
    let hello = pair.flight();
    assert!(pair.feed(&hello).is_err());

    let mut pair = Pair::new(&certificates, config);
    pair.server = TlsStream::new(&certificates.starttls()).unwrap();
    pair.talk(&mut |flight| vec![flight]);
    assert!(pair.binding.is_some());
}

#[test]
fn sessions_are_resumed_by_ticket() {
    let certificates = testing::certificates();
    for version in [&TLS13, &TLS12] {
        let config = testing::client(version);
        for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let mut pair = Pair::new(&certificates, config.clone());
            pair.talk(&mut |flight| vec![flight]);
            assert_eq!(pair.client.handshake_kind(), Some(kind));
            pair.assert_works();
        }
    }
}
