//! XEP-0078: authentication from before SASL, which clients of 2010 use. No digest.

use crate::ns;
use crate::stanza::{IqKind, StanzaError};
use crate::xml::Element;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Which fields are wanted, for this username where it is given.
    Fields(Option<String>),
    /// Log in.
    Submit(Credentials),
}

/// What a client logs in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account's name.
    pub username: String,
    /// Its password.
    pub password: String,
    /// The resource to bind.
    pub resource: String,
}

// A password must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// Reads the payload of an iq in this namespace.
    ///
    /// # Errors
    /// `not-acceptable` where a field is missing (section 3.1), a digest in place of the
    /// password included; `bad-request` where it is no such request.
    pub fn from_payload(kind: IqKind, query: &Element) -> Result<Self, StanzaError> {
        if !query.is("query", ns::IQ_AUTH) {
            return Err(StanzaError::bad_request("not an authentication request"));
        }
        let field = |name| query.child_text(name, ns::IQ_AUTH);
        let required = |name| {
            field(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| StanzaError::not_acceptable(format!("{name} is missing")))
        };
        match kind {
            IqKind::Get => Ok(Self::Fields(field("username"))),
            IqKind::Set => Ok(Self::Submit(Credentials {
                username: required("username")?,
                password: required("password")?,
                resource: required("resource")?,
            })),
            IqKind::Result | IqKind::Error => Err(StanzaError::bad_request("not an authentication request")),
        }
    }

    /// The kind of iq that carries it, and its payload.
    pub fn to_payload(&self) -> (IqKind, Element) {
        let query = Element::new("query", ns::IQ_AUTH);
        match self {
            Self::Fields(None) => (IqKind::Get, query),
            Self::Fields(Some(username)) => (IqKind::Get, query.with_field("username", username.as_str())),
            Self::Submit(credentials) => (
                IqKind::Set,
                query
                    .with_field("username", credentials.username.as_str())
                    .with_field("password", credentials.password.as_str())
                    .with_field("resource", credentials.resource.as_str()),
            ),
        }
    }
}

/// The payload of the answer to [`Request::Fields`].
pub fn fields(username: Option<&str>) -> Element {
    Element::new("query", ns::IQ_AUTH)
        .with_field("username", username.unwrap_or_default())
        .with_field("password", "")
        .with_field("resource", "")
}

/// The stream feature.
pub fn feature() -> Element {
    Element::new("auth", ns::IQ_AUTH_FEATURE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::Condition;
    use crate::xml::parse_stanza;

    #[test]
    fn requests_survive_the_wire() {
        let credentials = Credentials {
            username: "ana".to_owned(),
            password: "p&w".to_owned(),
            resource: "AndroidpnClient".to_owned(),
        };
        for request in
            [Request::Fields(None), Request::Fields(Some("ana".to_owned())), Request::Submit(credentials)]
        {
            let (kind, payload) = request.to_payload();
            assert_eq!(Request::from_payload(kind, &parse_stanza(&payload.to_bytes()).unwrap()), Ok(request));
        }
    }

    #[test]
    fn a_digest_is_not_acceptable() {
        let query = parse_stanza(
            b"<query xmlns='jabber:iq:auth'><username>ana</username><digest>48fc78be</digest><resource>r</resource></query>",
        )
        .unwrap();
        assert_eq!(
            Request::from_payload(IqKind::Set, &query).unwrap_err().condition,
            Condition::NotAcceptable
        );
        assert!(fields(None).child("digest", ns::IQ_AUTH).is_none());
        assert!(fields(None).child("password", ns::IQ_AUTH).is_some());
    }
}
