//! The server's end of one TLS connection.

use std::sync::Arc;

use rustls::ProtocolVersion;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use tidings_core::session::{Exporter, TlsBinding};

use super::{ExporterCapture, TlsSettings};

/// Plaintext that one record may carry.
const RECORD: usize = 16 * 1024;
/// What a record adds to its plaintext: header, explicit nonce, type, tag.
const OVERHEAD: usize = 64;

/// The server's end of one TLS connection: ciphertext in, plaintext out, and the
/// other way round. It owns keys, and bytes only while a record is incomplete.
///
/// Early data is not accepted, and nothing is sent before the client's handshake
/// is complete: a client speaks first in XMPP.
pub struct TlsStream {
    connection: UnbufferedServerConnection,
    /// The beginning of a record whose end has not come.
    held: Vec<u8>,
    /// Until the handshake is complete.
    handshake: Option<Box<Handshake>>,
    close_notify_sent: bool,
    peer_closed: bool,
}

struct Handshake {
    end_point: Option<Arc<[u8]>>,
    exporter: Option<Exporter>,
}

/// What ciphertext from the peer led to.
#[derive(Debug, Default)]
pub struct Received {
    /// Set once: the handshake is complete.
    pub secured: Option<TlsBinding>,
}

/// Why a TLS connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The peer broke the protocol, or has nothing in common with us.
    #[error("{0}")]
    Protocol(#[from] rustls::Error),
    /// A handshake message is larger than the scratch memory.
    #[error("a handshake message is too large")]
    TooLarge,
    /// The keys are used up (2^64 records) and cannot be replaced.
    #[error("the keys are used up")]
    Exhausted,
    /// Application data was to be sent before the handshake was complete, or after the end.
    #[error("the connection is not ready for data")]
    NotReady,
}

impl TlsStream {
    /// A fresh connection that waits for a `ClientHello`.
    ///
    /// # Errors
    /// When the configuration is unusable.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(Arc::clone(&settings.config))?,
            held: Vec::new(),
            handshake: Some(Box::new(Handshake { end_point: settings.end_point.clone(), exporter: None })),
            close_notify_sent: false,
            peer_closed: false,
        })
    }

    /// Bytes that must stay free at the front of the buffer given to [`receive`](Self::receive).
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether the handshake is still under way.
    pub fn is_handshaking(&self) -> bool {
        self.handshake.is_some()
    }

    /// Whether the peer has said `close_notify`: no more plaintext comes.
    pub fn is_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Takes `read` bytes of ciphertext that lie in `buffer` after the first
    /// [`held`](Self::held). Appends plaintext to `plain`, and to `out` what must be
    /// sent to the peer; that holds after an error too, where it is the alert.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        read: usize,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Received, TlsError> {
        let held = std::mem::take(&mut self.held);
        let room = buffer.len();
        let (front, _) = buffer.split_at_mut_checked(held.len() + read).ok_or(TlsError::TooLarge)?;
        let (start, _) = front.split_at_mut_checked(held.len()).ok_or(TlsError::TooLarge)?;
        start.copy_from_slice(&held);
        drop(held);

        let mut received = Received::default();
        if self.handshake.is_some() {
            ExporterCapture::start();
        }
        let outcome = self.pump(front, plain, out);
        if let Some(handshake) = &mut self.handshake {
            handshake.exporter = ExporterCapture::finish().or(handshake.exporter.take());
        }
        match outcome {
            Ok(used) => {
                if let Some(rest) = front.get(used..)
                    && !self.peer_closed
                {
                    if rest.len() == room {
                        return Err(TlsError::TooLarge);
                    }
                    self.held = rest.to_vec();
                }
            }
            Err(error) => {
                self.flush_alert(out);
                self.close_notify_sent = true;
                return Err(error);
            }
        }
        if !self.connection.is_handshaking()
            && let Some(handshake) = self.handshake.take()
        {
            received.secured = Some(self.binding(*handshake));
        }
        Ok(received)
    }

    /// Encrypts `plaintext` and appends the records to `out`.
    ///
    /// # Errors
    /// Before the handshake is complete and after [`close`](Self::close).
    pub fn encrypt(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.close_notify_sent {
            return Err(TlsError::NotReady);
        }
        for fragment in plaintext.chunks(RECORD) {
            self.write(out, fragment.len() + OVERHEAD, |writer, room| writer.encrypt(fragment, room))?;
        }
        Ok(())
    }

    /// Appends a `close_notify` to `out`, once, if the handshake is complete.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if !self.close_notify_sent && self.handshake.is_none() {
            // A connection that cannot send it is closed all the same.
            let _ = self.write(out, OVERHEAD, |writer, room| writer.queue_close_notify(room));
        }
        self.close_notify_sent = true;
    }

    /// Lets rustls work until it needs more input. Answers how much of `input` it used.
    fn pump(&mut self, input: &mut [u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<usize, TlsError> {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { mut discard, state } = self.connection.process_tls_records(rest);
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => append(out, |room| data.encode(room))?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                ConnectionState::Closed => {
                    self.peer_closed = true;
                    return Ok(used + discard);
                }
                ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => {
                    return Ok(used + discard);
                }
                // Early data is off; no other state is known.
                _ => return Err(TlsError::NotReady),
            }
            used += discard;
        }
    }

    /// Brings the connection to where it takes application data, and lets `write` do so.
    fn write<F>(&mut self, out: &mut Vec<u8>, size: usize, mut write: F) -> Result<(), TlsError>
    where
        F: FnMut(
            &mut rustls::unbuffered::WriteTraffic<'_, rustls::server::ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    {
        loop {
            // What is held goes in again: rustls remembers how far it had come in it.
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(&mut self.held);
            match state? {
                ConnectionState::WriteTraffic(mut writer) => {
                    let start = out.len();
                    let mut size = size;
                    loop {
                        out.resize(start + size, 0);
                        match write(&mut writer, out.get_mut(start..).unwrap_or_default()) {
                            Ok(written) => {
                                out.truncate(start + written);
                                return Ok(());
                            }
                            Err(EncryptError::InsufficientSize(need)) if need.required_size > size => {
                                size = need.required_size;
                            }
                            Err(_) => {
                                out.truncate(start);
                                return Err(TlsError::Exhausted);
                            }
                        }
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => append(out, |room| data.encode(room))?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                _ => return Err(TlsError::NotReady),
            }
            if discard > 0 {
                self.held.drain(..discard.min(self.held.len()));
            }
        }
    }

    /// Appends what rustls has to say about an error.
    fn flush_alert(&mut self, out: &mut Vec<u8>) {
        // Asked only while something is queued: with input that is not ours to give
        // again, rustls must not look for more of it.
        while self.connection.wants_write() {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    if append(out, |room| data.encode(room)).is_err() {
                        return;
                    }
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => while traffic.next_record().is_some() {},
                _ => return,
            }
        }
    }

    fn binding(&self, handshake: Handshake) -> TlsBinding {
        let (version, exporter) = match self.connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => ("TLSv1.3", handshake.exporter),
            // With TLS 1.2 the exporter binds only where the extended master secret was agreed.
            _ => ("TLSv1.2", None),
        };
        TlsBinding { version, server_end_point: handshake.end_point, exporter }
    }
}

impl std::fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsStream")
            .field("held", &self.held.len())
            .field("handshaking", &self.is_handshaking())
            .finish_non_exhaustive()
    }
}

/// Appends a handshake record to `out`.
fn append(
    out: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<(), TlsError> {
    let start = out.len();
    let mut size = 1024;
    loop {
        out.resize(start + size, 0);
        match encode(out.get_mut(start..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(need)) if need.required_size > size => {
                size = need.required_size;
            }
            Err(_) => {
                out.truncate(start);
                return Err(TlsError::NotReady);
            }
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
