//! What a device has seen, kept for as long as the test lasts: as a real one keeps it on its disk.

use std::collections::HashMap;

use tidings_xmpp::xml::Element;

const PUSH: &str = "urn:tidings:push:1";
const ANDROIDPN: &str = "androidpn:iq:notification";

/// A notification as a device reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub id: String,
    pub title: String,
    /// Empty for androidpn's form, which does not say.
    pub priority: String,
    pub bytes: usize,
}

impl Sighting {
    /// What a stanza carries, if it is a notification.
    pub fn of(stanza: &Element) -> Option<Self> {
        let (notification, ns) = match stanza.child("notification", PUSH) {
            Some(notification) => (notification, PUSH),
            None => (stanza.child("notification", ANDROIDPN)?, ANDROIDPN),
        };
        let text = |name| notification.child_text(name, ns).unwrap_or_default();
        Some(Self {
            id: notification.attribute("id").map_or_else(|| text("id"), str::to_owned),
            title: text("title"),
            priority: notification.attribute("priority").unwrap_or_default().to_owned(),
            bytes: text("message").len(),
        })
    }
}

#[derive(Debug, Default)]
pub struct Sightings {
    /// First sightings, in their order.
    pub first: Vec<Sighting>,
    /// How often each was seen.
    pub times: HashMap<String, u32>,
}

impl Sightings {
    /// Notes one. True the first time.
    pub fn note(&mut self, sighting: Sighting) -> bool {
        let times = self.times.entry(sighting.id.clone()).or_default();
        *times += 1;
        if *times == 1 {
            self.first.push(sighting);
        }
        *times == 1
    }

    pub fn repeats(&self) -> u32 {
        self.times.values().map(|times| times - 1).sum()
    }
}
