//! A device: what it has seen and remembers, and its side of one connection.

use std::collections::HashSet;

use base64::Engine;
use tidings_xmpp::ext::push::PushMessage;
use tidings_xmpp::xml::{Element, Frame, FrameLimits, FrameReader, parse_stanza};

/// How a device acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// XEP-0198 with resumption.
    Managed,
    /// XEP-0184 receipts.
    Receipts,
    /// androidpn's client: XEP-0078, and an error to every ping.
    Legacy,
}

/// A device with its memory; connections come and go.
pub struct Device {
    /// Its account.
    pub name: String,
    /// What it binds, unless it is androidpn's client.
    resource: &'static str,
    /// How it acknowledges.
    pub kind: Kind,
    /// It logs in by XEP-0388, unless it is androidpn's client.
    pub sasl2: bool,
    /// Its full JID, once it has a session.
    jid: String,
    /// The server has heard in this session, or in one that was resumed as this one, that it is available.
    available: bool,
    /// Ids in the order in which it first saw them.
    pub seen: Vec<String>,
    /// Every sighting, repeats included.
    pub sightings: usize,
    known: HashSet<String>,
    resume: Option<String>,
    handled: u32,
    link: Option<Link>,
}

struct Link {
    reader: FrameReader,
    to_server: Vec<u8>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Features,
    Authenticating,
    /// By XEP-0388: what `<success/>` brings along is the session.
    LoggingIn,
    BindFeatures,
    Resuming,
    Binding,
    Enabling,
    Ready,
    Legacy,
}

const LIMITS: FrameLimits = FrameLimits { bytes: 1 << 20, depth: 64, attributes: 256 };
const OPEN: &str = "<?xml version='1.0'?><stream:stream to='push.test' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

impl Device {
    /// A device that has seen nothing.
    pub fn new(name: String, resource: &'static str, kind: Kind, sasl2: bool) -> Self {
        Self {
            name,
            resource,
            kind,
            sasl2,
            jid: String::new(),
            available: false,
            seen: Vec::new(),
            sightings: 0,
            known: HashSet::new(),
            resume: None,
            handled: 0,
            link: None,
        }
    }

    /// What it is called in a report.
    pub fn label(&self) -> String {
        format!("{}/{} ({:?})", self.name, self.resource, self.kind)
    }

    /// Starts a connection: its first bytes wait to be carried.
    pub fn connect(&mut self) {
        self.link =
            Some(Link { reader: FrameReader::new(LIMITS), to_server: OPEN.into(), stage: Stage::Features });
    }

    /// The connection is gone.
    pub fn disconnect(&mut self) {
        self.link = None;
    }

    /// Whether the device is logged in, as far as it knows.
    pub fn ready(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.stage == Stage::Ready)
    }

    /// Whether the server knows that its session is available: what is sent from then on is owed to
    /// it for as long as that session goes on, with this connection or another.
    pub fn available(&self) -> bool {
        self.available
    }

    /// Bytes on their way to the server.
    pub fn outgoing(&mut self) -> Option<&mut Vec<u8>> {
        self.link.as_mut().map(|link| &mut link.to_server)
    }

    /// Puts a stanza on the way.
    pub fn say(&mut self, xml: &str) {
        if let Some(link) = &mut self.link {
            link.to_server.extend_from_slice(xml.as_bytes());
        }
    }

    /// Bytes from the server have arrived.
    pub fn receive(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        // One at a time: a new stream may begin right after `<success/>`.
        while let Some(link) = &mut self.link {
            let element = match link.reader.read(&mut input) {
                Ok(Some(Frame::Stanza(stanza))) => parse_stanza(stanza).unwrap(),
                Ok(Some(Frame::Open(_))) => continue,
                Ok(Some(Frame::Close)) => return self.disconnect(),
                Ok(None) => return,
                Err(error) => panic!("{error} in {}", String::from_utf8_lossy(bytes)),
            };
            self.element(&element);
        }
    }

    fn element(&mut self, element: &Element) {
        let Some(stage) = self.link.as_ref().map(|link| link.stage) else { return };
        match (stage, element.name()) {
            (_, "error") => self.disconnect(),
            (Stage::Features, "features") if self.kind == Kind::Legacy => {
                let login = format!(
                    "<iq type='set' id='l'><query xmlns='jabber:iq:auth'><username>{}</username><password>secret</password><resource>AndroidpnClient</resource></query></iq>",
                    self.name
                );
                self.step(Stage::Legacy, &login);
            }
            (Stage::Legacy, "iq") => self.step(Stage::Ready, "<presence/>"),
            (Stage::Features, "features") if self.sasl2 => {
                let login = self.sasl2_login();
                self.step(Stage::LoggingIn, &login);
            }
            (Stage::LoggingIn, "success") => self.logged_in(element),
            (Stage::Features, "features") => {
                let plain = self.plain();
                let auth = format!(
                    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>"
                );
                self.step(Stage::Authenticating, &auth);
            }
            (Stage::Authenticating, "success") => {
                if let Some(link) = &mut self.link {
                    link.reader.reset();
                }
                self.step(Stage::BindFeatures, OPEN);
            }
            (Stage::BindFeatures, "features") => match self.resume.take() {
                Some(id) => {
                    let resume =
                        format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{}'/>", self.handled);
                    self.step(Stage::Resuming, &resume);
                }
                None => self.bind(),
            },
            (Stage::Resuming, "resumed") => {
                self.resume = element.attribute("previd").map(str::to_owned);
                // The first one may have been lost with the old connection.
                self.step(Stage::Ready, "<presence/>");
            }
            (Stage::Resuming, "failed") => self.bind(),
            (Stage::Binding, "iq") if self.kind == Kind::Managed => {
                self.bound(element);
                self.step(Stage::Enabling, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
            }
            (Stage::Binding, "iq") => {
                self.bound(element);
                self.step(Stage::Ready, "<presence/>");
            }
            (Stage::Enabling, "enabled") => {
                self.resume = element.attribute("id").map(str::to_owned);
                self.step(Stage::Ready, "<presence/>");
            }
            (Stage::Ready, name) => self.stanza(name, element),
            _ => {}
        }
    }

    fn plain(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(format!("\0{}\0secret", self.name))
    }

    /// All in one: the login, the session that goes on, or a new one.
    fn sasl2_login(&mut self) -> String {
        let (plain, resource) = (self.plain(), self.resource);
        let resume = self
            .resume
            .take()
            .map(|id| format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{}'/>", self.handled));
        let enable = match self.kind {
            Kind::Managed => "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
            Kind::Receipts | Kind::Legacy => "",
        };
        format!(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{plain}</initial-response><user-agent id='{resource}'/>{}<bind xmlns='urn:xmpp:bind:0'><tag>{resource}</tag>{enable}</bind></authenticate>",
            resume.unwrap_or_default(),
        )
    }

    fn logged_in(&mut self, success: &Element) {
        if let Some(resumed) = success.child("resumed", "urn:xmpp:sm:3") {
            self.resume = resumed.attribute("previd").map(str::to_owned);
        } else {
            let bound = success.child("bound", "urn:xmpp:bind:0").unwrap();
            self.bound(success);
            let enabled = bound.child("enabled", "urn:xmpp:sm:3");
            self.resume = enabled.and_then(|enabled| enabled.attribute("id")).map(str::to_owned);
        }
        self.step(Stage::Ready, "<presence/>");
    }

    /// It has a new session; `answer` names its full JID.
    fn bound(&mut self, answer: &Element) {
        let bind = answer.child("bind", "urn:ietf:params:xml:ns:xmpp-bind");
        let jid = bind.and_then(|bind| bind.child_text("jid", "urn:ietf:params:xml:ns:xmpp-bind"));
        let jid = jid.or_else(|| answer.child_text("authorization-identifier", "urn:xmpp:sasl:2"));
        self.jid = jid.unwrap_or_default();
        self.available = false;
        self.handled = 0;
    }

    fn bind(&mut self) {
        let bind = format!(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{}</resource></bind></iq>",
            self.resource
        );
        self.step(Stage::Binding, &bind);
    }

    fn step(&mut self, stage: Stage, xml: &str) {
        if let Some(link) = &mut self.link {
            link.stage = stage;
            link.to_server.extend_from_slice(xml.as_bytes());
        }
    }

    fn stanza(&mut self, name: &str, element: &Element) {
        match name {
            "r" => {
                let answer = format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.handled);
                self.say(&answer);
                return;
            }
            "iq" | "message" | "presence" => self.handled = self.handled.wrapping_add(1),
            _ => return,
        }
        // Its own presence comes back.
        if name == "presence" && element.attribute("from") == Some(self.jid.as_str()) {
            self.available = true;
        }
        let id = element.attribute("id").unwrap_or_default().to_owned();
        if name == "message" && PushMessage::from_element(element).is_some() {
            self.see(&id);
            if self.kind == Kind::Receipts {
                self.say(&format!(
                    "<message to='push.test' id='r'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>"
                ));
            }
        }
        if name == "iq" {
            if element.children().any(|child| child.ns() == "androidpn:iq:notification") {
                self.see(&id);
            } else if element.attribute("type") == Some("get") && self.kind != Kind::Managed {
                self.say(&format!("<iq type='error' id='{id}'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"));
            }
        }
    }

    fn see(&mut self, id: &str) {
        self.sightings += 1;
        if self.known.insert(id.to_owned()) {
            self.seen.push(id.to_owned());
        }
    }
}
