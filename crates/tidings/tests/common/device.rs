//! A device that comes back for ever: it keeps what it has seen, and acknowledges what it has kept.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings_xmpp::xml::Element;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::random::Rng;
use super::sightings::{Sighting, Sightings};
use super::wire::{Heard, Wire};

/// How it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// XEP-0198, and it resumes.
    Managed,
    /// XEP-0184.
    Receipts,
    /// As androidpn's client: XEP-0078, and an error to every ping.
    Legacy,
}

/// Where devices connect to; `None` while no server runs.
pub type Place = watch::Receiver<Option<SocketAddr>>;

pub struct Device {
    pub name: String,
    pub kind: Kind,
    resource: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    sightings: Sightings,
    /// Stream errors and refusals that no healthy server gives.
    complaints: Vec<String>,
    /// Sessions bound anew, and resumed.
    bound: u32,
    resumed: u32,
    online: bool,
}

impl Device {
    /// Starts it.
    pub fn start(name: &str, resource: &str, kind: Kind, place: Place, rng: Rng) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let memory = Memory {
            name: name.to_owned(),
            resource: resource.to_owned(),
            kind,
            state: Arc::clone(&state),
            resumption: None,
            rng,
        };
        let task = tokio::spawn(memory.live(place));
        Self { name: name.to_owned(), kind, resource: resource.to_owned(), state, task }
    }

    pub fn seen(&self) -> usize {
        self.state.lock().unwrap().sightings.first.len()
    }

    pub fn first_sightings(&self) -> Vec<Sighting> {
        self.state.lock().unwrap().sightings.first.clone()
    }

    pub fn repeats(&self) -> u32 {
        self.state.lock().unwrap().sightings.repeats()
    }

    pub fn online(&self) -> bool {
        self.state.lock().unwrap().online
    }

    /// Sessions bound anew, and resumed.
    pub fn sessions(&self) -> (u32, u32) {
        let state = self.state.lock().unwrap();
        (state.bound, state.resumed)
    }

    pub fn complaints(&self) -> Vec<String> {
        self.state.lock().unwrap().complaints.clone()
    }

    pub fn label(&self) -> String {
        format!("{}/{} ({:?})", self.name, self.resource, self.kind)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What survives a connection.
struct Memory {
    name: String,
    resource: String,
    kind: Kind,
    state: Arc<Mutex<State>>,
    /// The session to resume, and the stanzas handled in it.
    resumption: Option<(String, u32)>,
    /// Decides when it loses its network.
    rng: Rng,
}

impl Memory {
    async fn live(mut self, mut place: Place) {
        loop {
            let at = *place.borrow_and_update();
            let Some(at) = at else {
                if place.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let ended = self.connection(at).await;
            self.state.lock().unwrap().online = false;
            if let Err(error) = ended
                && error.kind() == io::ErrorKind::Other
                // The server may end while this logs in.
                && !error.to_string().contains("system-shutdown")
            {
                self.state.lock().unwrap().complaints.push(error.to_string());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn connection(&mut self, at: SocketAddr) -> io::Result<()> {
        // A network that swallows everything must not keep a device for ever.
        let login = timeout(Duration::from_secs(20), self.login(at)).await;
        let mut wire = login.map_err(|_| io::ErrorKind::TimedOut)??;
        self.state.lock().unwrap().online = true;
        loop {
            // So a real one notices a dead connection.
            let heard = match timeout(Duration::from_secs(2), wire.hear()).await {
                Ok(heard) => heard?,
                Err(_) if self.kind == Kind::Managed => {
                    wire.say("<r xmlns='urn:xmpp:sm:3'/>").await?;
                    timeout(Duration::from_secs(2), wire.hear())
                        .await
                        .map_err(|_| io::ErrorKind::TimedOut)??
                }
                Err(_) => {
                    wire.say("<iq type='get' id='alive' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
                        .await?;
                    timeout(Duration::from_secs(2), wire.hear())
                        .await
                        .map_err(|_| io::ErrorKind::TimedOut)??
                }
            };
            match heard {
                // Lost on its way, with the connection.
                Heard::Stanza(_) if self.rng.chance(1) => return Ok(()),
                Heard::Stanza(element) => self.stanza(&mut wire, &element).await?,
                Heard::End => return Ok(()),
            }
        }
    }

    async fn login(&mut self, at: SocketAddr) -> io::Result<Wire> {
        let mut wire = Wire::connect(at).await?;
        match self.kind {
            Kind::Legacy => wire.legacy(&self.name).await?,
            Kind::Receipts => {
                wire.authenticate(&self.name).await?;
                wire.bind(&self.resource).await?;
            }
            Kind::Managed => {
                wire.authenticate(&self.name).await?;
                if let Some((id, handled)) = self.resumption.clone() {
                    if wire.resume(&id, handled).await? {
                        self.state.lock().unwrap().resumed += 1;
                        return Ok(wire);
                    }
                    self.resumption = None;
                }
                wire.bind(&self.resource).await?;
                let id = wire.enable().await?;
                self.resumption = (!id.is_empty()).then_some((id, 0));
            }
        }
        self.state.lock().unwrap().bound += 1;
        wire.available().await?;
        Ok(wire)
    }

    async fn stanza(&mut self, wire: &mut Wire, element: &Element) -> io::Result<()> {
        match element.name() {
            "iq" | "message" | "presence" => {}
            "r" => {
                let handled = self.resumption.as_ref().map_or(0, |(_, handled)| *handled);
                return wire.acknowledge(handled).await;
            }
            "error" => {
                let text = String::from_utf8_lossy(&element.to_bytes()).into_owned();
                // Goodbyes that a healthy server says.
                let usual = ["system-shutdown", "conflict"].iter().any(|word| text.contains(word));
                return if usual { Ok(()) } else { Err(io::Error::other(text)) };
            }
            _ => return Ok(()),
        }
        // Kept first, acknowledged second.
        if let Some(sighting) = Sighting::of(element) {
            let id = sighting.id.clone();
            self.state.lock().unwrap().sightings.note(sighting);
            if self.kind == Kind::Receipts {
                wire.say(&format!(
                    "<message to='localhost'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>"
                ))
                .await?;
            }
        } else if element.name() == "iq" && element.attribute("type") == Some("get") {
            let id = element.attribute("id").unwrap_or_default();
            let answer = if self.kind == Kind::Legacy {
                format!(
                    "<iq type='error' id='{id}'><error type='cancel'>\
                     <feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                )
            } else {
                format!("<iq type='result' id='{id}'/>")
            };
            wire.say(&answer).await?;
        }
        if let Some((_, handled)) = &mut self.resumption {
            *handled = handled.wrapping_add(1);
        }
        Ok(())
    }
}
