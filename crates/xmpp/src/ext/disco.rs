//! XEP-0030: service discovery.

use crate::ns;
use crate::xml::Element;

/// What an entity is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// From the registry of categories: `server`, `client` …
    pub category: String,
    /// From the registry of types: `im`, `phone` …
    pub kind: String,
    /// `xml:lang` of the name.
    pub lang: Option<String>,
    /// For people.
    pub name: Option<String>,
}

impl Identity {
    /// An identity with a name.
    pub fn new(category: impl Into<String>, kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { category: category.into(), kind: kind.into(), lang: None, name: Some(name.into()) }
    }
}

/// An answer to disco#info.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Info {
    /// The node that was asked for.
    pub node: Option<String>,
    /// What the entity is; at least one.
    pub identities: Vec<Identity>,
    /// What it understands: namespaces.
    pub features: Vec<String>,
}

impl Info {
    /// The payload of the answer.
    pub fn to_element(&self) -> Element {
        let mut query = with_node(Element::new("query", ns::DISCO_INFO), self.node.as_deref());
        for identity in &self.identities {
            let mut child = Element::new("identity", ns::DISCO_INFO)
                .with_attribute("category", identity.category.as_str())
                .with_attribute("type", identity.kind.as_str());
            for (name, value) in [("xml:lang", &identity.lang), ("name", &identity.name)] {
                if let Some(value) = value {
                    child.set_attribute(name, value.as_str());
                }
            }
            query.push_child(child);
        }
        for feature in &self.features {
            query.push_child(Element::new("feature", ns::DISCO_INFO).with_attribute("var", feature.as_str()));
        }
        query
    }
}

/// The payload of an answer to disco#items: `(jid, name)` each.
pub fn items(node: Option<&str>, items: &[(&str, Option<&str>)]) -> Element {
    let mut query = with_node(Element::new("query", ns::DISCO_ITEMS), node);
    for (jid, name) in items {
        let mut item = Element::new("item", ns::DISCO_ITEMS).with_attribute("jid", *jid);
        if let Some(name) = name {
            item.set_attribute("name", *name);
        }
        query.push_child(item);
    }
    query
}

fn with_node(query: Element, node: Option<&str>) -> Element {
    match node {
        Some(node) => query.with_attribute("node", node),
        None => query,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_listed() {
        let info = Info {
            node: Some("urn:node#1".to_owned()),
            identities: vec![
                Identity::new("server", "im", "Tidings & co"),
                Identity {
                    category: "pubsub".to_owned(),
                    kind: "push".to_owned(),
                    lang: Some("en".to_owned()),
                    name: None,
                },
            ],
            features: vec![ns::PING.to_owned()],
        };
        assert_eq!(
            info.to_element().to_string(),
            "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:node#1'>\
             <identity category='server' type='im' name='Tidings &amp; co'/>\
             <identity category='pubsub' type='push' xml:lang='en'/>\
             <feature var='urn:xmpp:ping'/></query>"
        );
    }

    #[test]
    fn items_are_listed() {
        assert_eq!(
            items(None, &[("a.example.org", Some("A")), ("b.example.org", None)]).to_string(),
            "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='a.example.org' name='A'/>\
             <item jid='b.example.org'/></query>"
        );
    }
}
