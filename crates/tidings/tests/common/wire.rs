//! A device's side of the wire, in the open: a test can say anything with it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tidings_xmpp::sasl::encode_payload;
use tidings_xmpp::xml::{
    Element, Frame, FrameLimits, FrameReader, StreamContext, parse_open, parse_stanza_with,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::accounts::PASSWORD;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";
const SM: &str = "urn:xmpp:sm:3";
/// No answer in so long is none, and no test waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// An encrypted stream.
pub struct Wire {
    stream: TlsStream<TcpStream>,
    reader: FrameReader,
    context: StreamContext,
    input: Vec<u8>,
    /// So much of `input` has been read.
    at: usize,
}

/// What a device hears.
#[derive(Debug)]
pub enum Heard {
    Stanza(Element),
    /// The stream or the connection is over.
    End,
}

/// What a device hears, by its first bytes alone: for crowds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Message,
    /// An `<r/>` of XEP-0198.
    Request,
    OtherStanza,
    Other,
    End,
}

impl Wire {
    /// Connects with TLS first.
    pub async fn connect(to: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(to).await?).await
    }

    /// As [`connect`](Self::connect), with as little room for what is not read as the kernel allows.
    pub async fn connect_narrow(to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        small_segments(&socket)?;
        Self::over(socket.connect(to).await?).await
    }

    /// As [`connect`](Self::connect), with this said before all else: what a balancer says.
    pub async fn connect_behind(to: SocketAddr, header: &[u8]) -> io::Result<Self> {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(header).await?;
        Self::over(stream).await
    }

    async fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").expect("a name");
        let handshake = TlsConnector::from(trusting()).connect(name, stream);
        let stream = timeout(PATIENCE, handshake).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let limits = FrameLimits { bytes: 256 * 1024, depth: 64, attributes: 128 };
        Ok(Self {
            stream,
            reader: FrameReader::new(limits),
            context: StreamContext::default(),
            input: Vec::new(),
            at: 0,
        })
    }

    pub async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Waits for the next element. Cancel-safe.
    pub async fn hear(&mut self) -> io::Result<Heard> {
        loop {
            let mut input = self.input.get(self.at..).unwrap_or_default();
            let before = input.len();
            let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
            let frame = self.reader.read(&mut input).map_err(|error| invalid(error.to_string()))?;
            self.at += before - input.len();
            match frame {
                Some(Frame::Open(bytes)) => {
                    let header = parse_open(bytes).map_err(|error| invalid(error.to_string()))?;
                    self.context = header.context;
                    continue;
                }
                Some(Frame::Stanza(bytes)) => {
                    let element = parse_stanza_with(bytes, &self.context);
                    return element.map(Heard::Stanza).map_err(|error| invalid(error.to_string()));
                }
                Some(Frame::Close) => return Ok(Heard::End),
                None => {}
            }
            if !self.read_more().await? {
                return Ok(Heard::End);
            }
        }
    }

    /// As [`hear`](Self::hear), unparsed.
    pub async fn word(&mut self) -> io::Result<Word> {
        loop {
            let mut input = self.input.get(self.at..).unwrap_or_default();
            let before = input.len();
            let frame = self.reader.read(&mut input);
            self.at += before - input.len();
            match frame.map_err(io::Error::other)? {
                Some(Frame::Stanza(bytes)) if bytes.starts_with(b"<message") => return Ok(Word::Message),
                Some(Frame::Stanza(bytes)) if bytes.starts_with(b"<r ") => return Ok(Word::Request),
                Some(Frame::Stanza(bytes))
                    if bytes.starts_with(b"<iq") || bytes.starts_with(b"<presence") =>
                {
                    return Ok(Word::OtherStanza);
                }
                Some(Frame::Close) => return Ok(Word::End),
                Some(_) => return Ok(Word::Other),
                None => {}
            }
            if !self.read_more().await? {
                return Ok(Word::End);
            }
        }
    }

    /// False at the end of the connection.
    async fn read_more(&mut self) -> io::Result<bool> {
        self.input.clear();
        self.at = 0;
        if self.input.capacity() == 0 {
            self.input.reserve(16 * 1024);
        }
        match self.stream.read_buf(&mut self.input).await {
            Ok(count) => Ok(count > 0),
            // A peer that is gone did not say goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next element, which must be there.
    pub async fn element(&mut self) -> io::Result<Element> {
        let heard = timeout(PATIENCE, self.hear()).await;
        match heard.map_err(|_| io::Error::other("the server says nothing"))?? {
            Heard::Stanza(element) => Ok(element),
            Heard::End => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The next element of this name; others before it are dropped.
    pub async fn await_element(&mut self, name: &str) -> io::Result<Element> {
        loop {
            let element = self.element().await?;
            if element.name() == name {
                return Ok(element);
            }
        }
    }

    /// Opens a stream; its features.
    pub async fn open(&mut self) -> io::Result<Element> {
        self.say(HEADER).await?;
        self.element().await
    }

    /// Logs in with SASL PLAIN and opens the stream that follows.
    pub async fn authenticate(&mut self, name: &str) -> io::Result<()> {
        self.open().await?;
        let payload = encode_payload(format!("\0{name}\0{PASSWORD}").as_bytes());
        self.say(&format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{payload}</auth>"
        ))
        .await?;
        expect(&self.element().await?, "success")?;
        self.reader.reset();
        self.open().await?;
        Ok(())
    }

    pub async fn bind(&mut self, resource: &str) -> io::Result<()> {
        self.say(&format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>{resource}</resource></bind></iq>"
        ))
        .await?;
        expect_result(&self.element().await?)
    }

    /// Turns stream management on; what to resume with.
    pub async fn enable(&mut self) -> io::Result<String> {
        self.say(&format!("<enable xmlns='{SM}' resume='true'/>")).await?;
        let enabled = self.element().await?;
        expect(&enabled, "enabled")?;
        Ok(enabled.attribute("id").unwrap_or_default().to_owned())
    }

    /// Asks to resume; whether it was granted.
    pub async fn resume(&mut self, id: &str, handled: u32) -> io::Result<bool> {
        self.say(&format!("<resume xmlns='{SM}' previd='{id}' h='{handled}'/>")).await?;
        let answer = self.element().await?;
        match answer.name() {
            "resumed" => Ok(true),
            "failed" => Ok(false),
            _ => Err(unexpected(&answer)),
        }
    }

    pub async fn acknowledge(&mut self, handled: u32) -> io::Result<()> {
        self.say(&format!("<a xmlns='{SM}' h='{handled}'/>")).await
    }

    pub async fn available(&mut self) -> io::Result<()> {
        self.say("<presence/>").await
    }

    /// Logs in as androidpn's client does (XEP-0078).
    pub async fn legacy(&mut self, name: &str) -> io::Result<()> {
        self.open().await?;
        self.say(&format!(
            "<iq type='set' id='auth'><query xmlns='jabber:iq:auth'><username>{name}</username>\
             <password>{PASSWORD}</password><resource>AndroidpnClient</resource></query></iq>"
        ))
        .await?;
        expect_result(&self.element().await?)
    }

    /// A session with stream management, available; what to resume with.
    pub async fn session(to: SocketAddr, name: &str, resource: &str) -> io::Result<(Self, String)> {
        let mut wire = Self::connect(to).await?;
        wire.authenticate(name).await?;
        wire.bind(resource).await?;
        let id = wire.enable().await?;
        wire.available().await?;
        Ok((wire, id))
    }
}

/// Small segments keep the other side's kernel from taking megabytes on the loopback device, whose
/// segments are large.
fn small_segments(socket: &TcpSocket) -> io::Result<()> {
    socket2::SockRef::from(socket).set_tcp_mss(536)
}

fn expect(element: &Element, name: &str) -> io::Result<()> {
    if element.name() == name { Ok(()) } else { Err(unexpected(element)) }
}

fn expect_result(iq: &Element) -> io::Result<()> {
    if iq.name() == "iq" && iq.attribute("type") == Some("result") { Ok(()) } else { Err(unexpected(iq)) }
}

/// Kept apart from what a broken connection gives: this is the server's own doing.
fn unexpected(element: &Element) -> io::Error {
    io::Error::other(String::from_utf8_lossy(&element.to_bytes()).into_owned())
}

/// Trusts the servers of this process's tests, which show [`certificate`].
fn trusting() -> Arc<ClientConfig> {
    static CONFIG: std::sync::OnceLock<Arc<ClientConfig>> = std::sync::OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add(certificate().cert.der().clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"xmpp-client".to_vec()];
        Arc::new(config)
    });
    Arc::clone(config)
}

/// The certificate for `localhost` that all servers of this process share.
pub fn certificate() -> &'static CertifiedKey<KeyPair> {
    static CERTIFICATE: std::sync::OnceLock<CertifiedKey<KeyPair>> = std::sync::OnceLock::new();
    CERTIFICATE.get_or_init(|| {
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate")
    })
}
