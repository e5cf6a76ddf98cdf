//! A transport, the TLS on it, and what could not be written yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tidings_core::session::TlsBinding;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::scratch::{self, Buffer, Scratch};
use crate::tls::{TlsError, TlsSettings, TlsStream};

/// Plaintext that is encrypted before it is written: four full records.
const BATCH: usize = 64 * 1024;
/// What a closing connection reads and throws away, at most.
const DRAINED: usize = 4 * 1024 * 1024;

pub(crate) struct Link<T> {
    transport: T,
    tls: Option<Box<TlsStream>>,
    /// Only while the transport takes no more.
    backlog: Option<Box<Backlog>>,
}

struct Backlog {
    bytes: Vec<u8>,
    written: usize,
    /// When the peer took something last.
    moved: Instant,
    /// It is a session ticket, which the client does not wait for: it goes out with what is
    /// written next.
    ticket: bool,
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Bytes for the layer above.
    Bytes(Buffer),
    /// The TLS handshake is complete, and these bytes came along with its end.
    Secured(TlsBinding, Buffer),
    /// Nothing more comes; these bytes, if any, were the last.
    End(Buffer, End),
}

/// Why nothing more comes.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer closed its side: by `close_notify`, or by TCP's own end.
    Closed,
    /// TLS failed. The alert is written or queued.
    Tls(TlsError),
    /// The transport failed.
    Transport(#[expect(dead_code, reason = "for its Debug form in the log")] io::Error),
}

impl<T: AsyncRead + AsyncWrite + Unpin> Link<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self { transport, tls: None, backlog: None }
    }

    /// From here on the peer's bytes are TLS.
    pub(crate) fn start_tls(&mut self, settings: &TlsSettings) -> Result<(), TlsError> {
        self.tls = Some(Box::new(TlsStream::new(settings)?));
        Ok(())
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Bytes that wait to be written.
    pub(crate) fn pending(&self) -> usize {
        self.waiting().map_or(0, |backlog| backlog.bytes.len() - backlog.written)
    }

    /// Since when the peer has taken nothing of what waits.
    pub(crate) fn stuck_since(&self) -> Option<Instant> {
        self.waiting().map(|backlog| backlog.moved)
    }

    fn waiting(&self) -> Option<&Backlog> {
        self.backlog.as_deref().filter(|backlog| !backlog.ticket)
    }

    /// Reads, and decrypts. What TLS itself has to say is written on the way.
    pub(crate) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            let step = scratch::with(|scratch| self.read_once(cx, scratch));
            if let Some(incoming) = ready!(step) {
                return Poll::Ready(incoming);
            }
        }
    }

    /// One read. `None`: nothing for the layer above, read on.
    fn read_once(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Option<Incoming>> {
        let Scratch { input, output } = scratch;
        if self.tls.as_ref().is_some_and(|tls| tls.is_peer_closed()) {
            return Poll::Ready(Some(Incoming::End(Buffer::default(), End::Closed)));
        }
        let held = self.tls.as_ref().map_or(0, |tls| tls.held());
        let Some(room) = input.get_mut(held..).filter(|room| !room.is_empty()) else {
            return Poll::Ready(Some(Incoming::End(Buffer::default(), End::Tls(TlsError::TooLarge))));
        };
        let mut buffer = ReadBuf::new(room);
        if let Err(error) = ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buffer)) {
            return Poll::Ready(Some(Incoming::End(Buffer::default(), End::Transport(error))));
        }
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Some(Incoming::End(Buffer::default(), End::Closed)));
        }
        let Some(tls) = &mut self.tls else {
            let mut bytes = Buffer::take();
            bytes.extend_from_slice(input.get(..read).unwrap_or_default());
            return Poll::Ready(Some(Incoming::Bytes(bytes)));
        };
        let mut plain = Buffer::take();
        let outcome = tls.receive(input, read, &mut plain, output);
        let secured = outcome.as_ref().ok().and_then(|received| received.secured.as_ref());
        // In TLS 1.3 the server has nothing left to say then but tickets.
        let written = match secured.is_some_and(|binding| binding.version == "TLSv1.3") {
            true => {
                self.keep_ticket(output);
                Ok(())
            }
            false => self.write(cx, output),
        };
        Poll::Ready(match (outcome, written) {
            (Err(error), _) => Some(Incoming::End(plain, End::Tls(error))),
            (_, Err(error)) => Some(Incoming::End(plain, End::Transport(error))),
            (Ok(received), Ok(())) => match received.secured {
                Some(binding) => Some(Incoming::Secured(binding, plain)),
                None if plain.is_empty() => None,
                None => Some(Incoming::Bytes(plain)),
            },
        })
    }

    /// Writes `bytes` as far as the transport takes them now; the rest waits.
    /// `cx` is woken when there is room again.
    pub(crate) fn send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<(), End> {
        if self.tls.is_none() {
            return self.write(cx, bytes).map_err(End::Transport);
        }
        for batch in bytes.chunks(BATCH) {
            scratch::with(|scratch| {
                if let Some(tls) = &mut self.tls {
                    tls.encrypt(batch, &mut scratch.output).map_err(End::Tls)?;
                }
                self.write(cx, &scratch.output).map_err(End::Transport)
            })?;
        }
        Ok(())
    }

    /// Sends `close_notify`, where there is TLS.
    pub(crate) fn send_close(&mut self, cx: &mut Context<'_>) {
        scratch::with(|scratch| {
            if let Some(tls) = &mut self.tls {
                tls.close(&mut scratch.output);
                // A peer that is gone needs no `close_notify`.
                let _ = self.write(cx, &scratch.output);
            }
        });
    }

    /// Writes what waits.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(backlog) = &mut self.backlog {
            while let Some(rest) = backlog.bytes.get(backlog.written..).filter(|rest| !rest.is_empty()) {
                let taken = ready!(Pin::new(&mut self.transport).poll_write(cx, rest))?;
                if taken == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                backlog.written += taken;
                backlog.moved = Instant::now();
            }
            self.backlog = None;
        }
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    /// Flushes, ends our side, and reads until the peer ends its own: closing a
    /// socket with unread bytes would take back what was written last.
    pub(crate) fn poll_linger(&mut self, cx: &mut Context<'_>, drained: &mut usize) -> Poll<()> {
        if ready!(self.poll_flush(cx)).is_err() {
            return Poll::Ready(());
        }
        if ready!(Pin::new(&mut self.transport).poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        while *drained < DRAINED {
            let read = ready!(scratch::with(|scratch| {
                let mut buffer = ReadBuf::new(&mut scratch.input);
                let outcome = Pin::new(&mut self.transport).poll_read(cx, &mut buffer);
                outcome.map_ok(|()| buffer.filled().len())
            }));
            match read {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(read) => *drained += read,
            }
        }
        Poll::Ready(())
    }

    /// Keeps session tickets for the next write: the client does not wait for them.
    fn keep_ticket(&mut self, bytes: &[u8]) {
        if let Some(backlog) = &mut self.backlog {
            backlog.bytes.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            let ticket = Backlog { bytes: bytes.to_vec(), written: 0, moved: Instant::now(), ticket: true };
            self.backlog = Some(Box::new(ticket));
        }
    }

    /// Writes `bytes` as they are.
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        let with_ticket;
        if !bytes.is_empty()
            && let Some(backlog) = self.backlog.take_if(|backlog| backlog.ticket)
        {
            with_ticket = [backlog.bytes.as_slice(), bytes].concat();
            rest = &with_ticket;
        }
        if let Some(backlog) = &mut self.backlog {
            if backlog.written * 2 > backlog.bytes.len() {
                backlog.bytes.drain(..std::mem::take(&mut backlog.written));
            }
            backlog.bytes.extend_from_slice(rest);
            return Ok(());
        }
        while !rest.is_empty() {
            match Pin::new(&mut self.transport).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(taken)) => rest = rest.get(taken..).unwrap_or_default(),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    let backlog =
                        Backlog { bytes: rest.to_vec(), written: 0, moved: Instant::now(), ticket: false };
                    self.backlog = Some(Box::new(backlog));
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
