//! androidpn's own notification, and what its many forks added.

use super::Template;
use super::push::PushMessage;
use crate::ns;
use crate::stanza::{IqKind, StanzaError};
use crate::xml::{Element, escape_attribute, escape_text};

/// The notification as androidpn's client of 2010 reads it: always all five fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notification {
    /// Its id.
    pub id: String,
    /// What the client compares with its own, if it cares.
    pub api_key: String,
    /// A headline.
    pub title: String,
    /// The text.
    pub message: String,
    /// What opens on a tap.
    pub uri: String,
}

impl Notification {
    /// Reads the payload of the iq; fields that are absent are empty.
    pub fn from_element(payload: &Element) -> Option<Self> {
        let field = |name| payload.child_text(name, ns::ANDROIDPN).unwrap_or_default();
        payload.is("notification", ns::ANDROIDPN).then(|| Self {
            id: field("id"),
            api_key: field("apiKey"),
            title: field("title"),
            message: field("message"),
            uri: field("uri"),
        })
    }
}

/// The iq that androidpn's client expects (`docs/xmpp.md`), but for its `to`.
pub fn iq_template(push: &PushMessage, stanza_id: &str, api_key: &str) -> Template {
    let mut before = b"<iq type='set' id='".to_vec();
    escape_attribute(stanza_id, &mut before);
    before.extend_from_slice(b"' to='");
    let mut after = format!("'><notification xmlns='{}'>", ns::ANDROIDPN).into_bytes();
    let fields = [
        ("id", push.id.as_str()),
        ("apiKey", api_key),
        ("title", push.title.as_deref().unwrap_or_default()),
        ("message", push.message.as_deref().unwrap_or_default()),
        ("uri", push.uri.as_deref().unwrap_or_default()),
    ];
    for (name, value) in fields {
        after.extend_from_slice(format!("<{name}>").as_bytes());
        escape_text(value, &mut after);
        after.extend_from_slice(format!("</{name}>").as_bytes());
    }
    after.extend_from_slice(b"</notification></iq>");
    Template { before_to: before.into(), after_to: after.into() }
}

/// What the clients of the forks send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The notification of this id has arrived.
    Confirm(String),
    /// Gives the account a second name.
    SetAlias {
        /// Must be the session's own, where it is given.
        username: Option<String>,
        /// The second name.
        alias: String,
    },
    /// Replaces the account's subscriptions.
    SetTags {
        /// Must be the session's own, where it is given.
        username: Option<String>,
        /// The topics; none takes all subscriptions away.
        tags: Vec<String>,
    },
}

impl Request {
    /// Whether a payload's namespace is one of these.
    pub fn is_known(ns: &str) -> bool {
        matches!(
            ns,
            ns::ANDROIDPN_CONFIRM | ns::ANDROIDPN_SETALIAS | ns::ANDROIDPN_ALIAS | ns::ANDROIDPN_SETTAGS
        )
    }

    /// Reads the payload of an iq. The forks do not agree on the namespaces of the
    /// fields, so those are taken by name.
    ///
    /// # Errors
    /// `bad-request` where it is none of them or a field is missing.
    pub fn from_payload(kind: IqKind, payload: &Element) -> Result<Self, StanzaError> {
        let field = |name: &str| {
            let child = payload.children().find(|child| child.name() == name)?;
            Some(child.text().trim().to_owned()).filter(|text| !text.is_empty())
        };
        let required =
            |name: &str| field(name).ok_or_else(|| StanzaError::bad_request(format!("{name} is missing")));
        match payload.ns() {
            ns::ANDROIDPN_CONFIRM if kind == IqKind::Set => Ok(Self::Confirm(required("uuid")?)),
            ns::ANDROIDPN_SETALIAS | ns::ANDROIDPN_ALIAS if kind == IqKind::Set => {
                Ok(Self::SetAlias { username: field("username"), alias: required("alias")? })
            }
            ns::ANDROIDPN_SETTAGS if kind == IqKind::Set => {
                let mut tags = Vec::new();
                for tag in field("tags").unwrap_or_default().split(',').map(str::trim) {
                    if !tag.is_empty() && !tags.iter().any(|known| known == tag) {
                        tags.push(tag.to_owned());
                    }
                }
                Ok(Self::SetTags { username: field("username"), tags })
            }
            _ => Err(StanzaError::bad_request("not a request of androidpn's")),
        }
    }

    /// The payload, as the forks write it.
    pub fn to_payload(&self) -> Element {
        match self {
            Self::Confirm(id) => {
                Element::new("deliverconfirm", ns::ANDROIDPN_CONFIRM).with_field("uuid", id.as_str())
            }
            Self::SetAlias { username, alias } => Element::new("setalias", ns::ANDROIDPN_SETALIAS)
                .with_field("username", username.as_deref().unwrap_or_default())
                .with_field("alias", alias.as_str()),
            Self::SetTags { username, tags } => Element::new("settags", ns::ANDROIDPN_SETTAGS)
                .with_field("username", username.as_deref().unwrap_or_default())
                .with_field("tags", tags.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    #[test]
    fn the_iq_has_all_five_fields_in_their_order() {
        let push =
            PushMessage { id: "42".to_owned(), title: Some("A < B".to_owned()), ..PushMessage::default() };
        let mut out = Vec::new();
        iq_template(&push, "s'1", "1234567890").write(b"ana@example.org/AndroidpnClient", &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "<iq type='set' id='s&apos;1' to='ana@example.org/AndroidpnClient'>\
             <notification xmlns='androidpn:iq:notification'><id>42</id><apiKey>1234567890</apiKey>\
             <title>A &lt; B</title><message></message><uri></uri></notification></iq>"
        );
        let iq = parse_stanza(&out).unwrap();
        let read = Notification::from_element(iq.children().next().unwrap()).unwrap();
        assert_eq!((read.title.as_str(), read.message.as_str(), read.id.as_str()), ("A < B", "", "42"));
        assert_eq!(read.api_key, "1234567890");
    }

    #[test]
    fn requests_of_the_forks_survive_the_wire() {
        for request in [
            Request::Confirm("42".to_owned()),
            Request::SetAlias { username: Some("ana".to_owned()), alias: "Ana's phone".to_owned() },
            Request::SetAlias { username: None, alias: "x".to_owned() },
            Request::SetTags { username: None, tags: vec!["a".to_owned(), "b".to_owned()] },
            Request::SetTags { username: None, tags: vec![] },
        ] {
            let payload = parse_stanza(&request.to_payload().to_bytes()).unwrap();
            assert!(Request::is_known(payload.ns()));
            assert_eq!(Request::from_payload(IqKind::Set, &payload), Ok(request));
        }
    }

    #[test]
    fn spellings_of_the_forks_are_tolerated() {
        let read = |text: &str| Request::from_payload(IqKind::Set, &parse_stanza(text.as_bytes()).unwrap());
        assert_eq!(
            read("<alias xmlns='androidpn:iq:alias'><alias xmlns=''>x</alias></alias>"),
            Ok(Request::SetAlias { username: None, alias: "x".to_owned() })
        );
        assert_eq!(
            read("<settags xmlns='androidpn:iq:settags'><tags> a ,b,,a</tags></settags>"),
            Ok(Request::SetTags { username: None, tags: vec!["a".to_owned(), "b".to_owned()] })
        );
        assert!(
            read("<deliverconfirm xmlns='androidpn:iq:deliverconfirm'><uuid/></deliverconfirm>").is_err()
        );
        assert!(read("<setalias xmlns='androidpn:iq:setalias'><username>a</username></setalias>").is_err());
    }
}
