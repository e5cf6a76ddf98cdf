//! One connection: a socket, rustls without buffers, and nothing.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use tokio::net::TcpStream;

thread_local! {
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; 40 * 1024], vec![0; 40 * 1024]));
}

pub(super) struct Connection {
    socket: TcpStream,
    tls: Mutex<Tls>,
}

struct Tls {
    connection: UnbufferedServerConnection,
    /// A record that came in part.
    held: Vec<u8>,
}

fn failed(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("{error:?}"))
}

impl Connection {
    pub(super) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let connection = UnbufferedServerConnection::new(config).map_err(failed)?;
        Ok(Self { socket, tls: Mutex::new(Tls { connection, held: Vec::new() }) })
    }

    /// Reads once, when there is something, and answers how many records it was.
    /// `None` at the end.
    pub(super) async fn read(&self) -> io::Result<Option<u64>> {
        poll_fn(|cx| {
            loop {
                ready!(self.socket.poll_read_ready(cx))?;
                match self.read_now() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    outcome => return Poll::Ready(outcome),
                }
            }
        })
        .await
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).connection.is_handshaking()
    }

    fn read_now(&self) -> io::Result<Option<u64>> {
        SCRATCH.with_borrow_mut(|(input, output)| {
            let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
            let tls = &mut *tls;
            let held = tls.held.len();
            let (front, room) = input.split_at_mut(held);
            let read = self.socket.try_read(room)?;
            if read == 0 {
                return Ok(None);
            }
            front.copy_from_slice(&tls.held);
            tls.held = Vec::new();
            let mut records = 0;
            let mut used = 0;
            let mut filled = 0;
            loop {
                let rest = input.get_mut(used..held + read).unwrap_or_default();
                let UnbufferedStatus { mut discard, state } = tls.connection.process_tls_records(rest);
                let mut more = true;
                match state.map_err(failed)? {
                    ConnectionState::ReadTraffic(mut traffic) => {
                        while let Some(record) = traffic.next_record() {
                            discard += record.map_err(failed)?.discard;
                            records += 1;
                        }
                    }
                    ConnectionState::EncodeTlsData(mut data) => {
                        filled +=
                            data.encode(output.get_mut(filled..).unwrap_or_default()).map_err(failed)?;
                    }
                    ConnectionState::TransmitTlsData(data) => data.done(),
                    ConnectionState::PeerClosed | ConnectionState::Closed => return Ok(None),
                    _ => more = false,
                }
                used += discard;
                if !more {
                    break;
                }
            }
            if let Some(rest) = input.get(used..held + read).filter(|rest| !rest.is_empty()) {
                tls.held = rest.to_vec();
            }
            self.write_now(output.get(..filled).unwrap_or_default())?;
            Ok(Some(records))
        })
    }

    /// Encrypts and writes one record.
    pub(super) fn send(&self, plaintext: &[u8]) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|(_, output)| {
            let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
            let Tls { connection, held } = &mut *tls;
            match connection.process_tls_records(held).state.map_err(failed)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let written = traffic.encrypt(plaintext, output).map_err(failed)?;
                    self.write_now(output.get(..written).unwrap_or_default())
                }
                _ => Err(failed("not ready to write")),
            }
        })
    }

    /// Small things fit into the socket's buffer; who lets it fill up is an error here.
    fn write_now(&self, bytes: &[u8]) -> io::Result<()> {
        match bytes.is_empty() || self.socket.try_write(bytes)? == bytes.len() {
            true => Ok(()),
            false => Err(failed("the peer does not read")),
        }
    }
}
