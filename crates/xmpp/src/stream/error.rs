//! Stream errors (RFC 6120 section 4.9).

use std::fmt;

use super::write_close;
use crate::ns;
use crate::xml::{Element, FrameError, XmlError};

/// Why a stream ends (RFC 6120 section 4.9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamCondition {
    /// XML that cannot be processed.
    BadFormat,
    /// A prefix that is not accepted.
    BadNamespacePrefix,
    /// Another stream took this one's place.
    Conflict,
    /// The peer went silent.
    ConnectionTimeout,
    /// The domain is no longer served.
    HostGone,
    /// The domain is not served.
    HostUnknown,
    /// A stanza between servers lacks an address.
    ImproperAddressing,
    /// The server is at fault.
    InternalServerError,
    /// The `from` is not the peer's.
    InvalidFrom,
    /// The stream or content namespace is wrong.
    InvalidNamespace,
    /// XML that is not valid.
    InvalidXml,
    /// Something came before the peer was known.
    NotAuthorized,
    /// Not well-formed XML.
    NotWellFormed,
    /// A rule of this service was broken.
    PolicyViolation,
    /// Another server cannot be reached.
    RemoteConnectionFailed,
    /// The stream should be restarted.
    Reset,
    /// The server has run short.
    ResourceConstraint,
    /// XML that RFC 6120 section 11.1 forbids.
    RestrictedXml,
    /// The peer should go elsewhere.
    SeeOtherHost,
    /// The server stops.
    SystemShutdown,
    /// Any condition that RFC 6120 does not define.
    UndefinedCondition,
    /// Not UTF-8.
    UnsupportedEncoding,
    /// A feature that is not supported.
    UnsupportedFeature,
    /// A first-level element that is not understood.
    UnsupportedStanzaType,
    /// The stream's version is not supported.
    UnsupportedVersion,
}

impl StreamCondition {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::BadFormat,
        Self::BadNamespacePrefix,
        Self::Conflict,
        Self::ConnectionTimeout,
        Self::HostGone,
        Self::HostUnknown,
        Self::ImproperAddressing,
        Self::InternalServerError,
        Self::InvalidFrom,
        Self::InvalidNamespace,
        Self::InvalidXml,
        Self::NotAuthorized,
        Self::NotWellFormed,
        Self::PolicyViolation,
        Self::RemoteConnectionFailed,
        Self::Reset,
        Self::ResourceConstraint,
        Self::RestrictedXml,
        Self::SeeOtherHost,
        Self::SystemShutdown,
        Self::UndefinedCondition,
        Self::UnsupportedEncoding,
        Self::UnsupportedFeature,
        Self::UnsupportedStanzaType,
        Self::UnsupportedVersion,
    ];

    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadFormat => "bad-format",
            Self::BadNamespacePrefix => "bad-namespace-prefix",
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostGone => "host-gone",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::InvalidFrom => "invalid-from",
            Self::InvalidNamespace => "invalid-namespace",
            Self::InvalidXml => "invalid-xml",
            Self::NotAuthorized => "not-authorized",
            Self::NotWellFormed => "not-well-formed",
            Self::PolicyViolation => "policy-violation",
            Self::RemoteConnectionFailed => "remote-connection-failed",
            Self::Reset => "reset",
            Self::ResourceConstraint => "resource-constraint",
            Self::RestrictedXml => "restricted-xml",
            Self::SeeOtherHost => "see-other-host",
            Self::SystemShutdown => "system-shutdown",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::UnsupportedFeature => "unsupported-feature",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }

    /// The condition of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.name() == name)
    }
}

/// A stream error: it always ends the stream (RFC 6120 section 4.9.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// Why.
    pub condition: StreamCondition,
    /// In words.
    pub text: Option<String>,
}

impl StreamError {
    /// An error that says why in words.
    pub fn with_text(condition: StreamCondition, text: impl Into<String>) -> Self {
        Self { condition, text: Some(text.into()) }
    }

    /// Appends the error and the end of the stream.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.to_element().write(out, ns::CLIENT);
        write_close(out);
    }

    /// Appends the error with a condition of an extension beside its own, such as
    /// XEP-0198's `<handled-count-too-high/>`, and the end of the stream.
    pub fn write_with(&self, specific: Element, out: &mut Vec<u8>) {
        self.to_element().with_child(specific).write(out, ns::CLIENT);
        write_close(out);
    }

    /// Reads a `<stream:error/>`. An unknown condition counts as undefined.
    pub fn from_element(element: &Element) -> Option<Self> {
        if !element.is("error", ns::STREAM) {
            return None;
        }
        let condition = element
            .children()
            .filter(|child| child.ns() == ns::STREAMS)
            .find_map(|child| StreamCondition::from_name(child.name()))
            .unwrap_or(StreamCondition::UndefinedCondition);
        let text = element.child("text", ns::STREAMS).map(Element::text).filter(|text| !text.is_empty());
        Some(Self { condition, text })
    }

    fn to_element(&self) -> Element {
        let mut error =
            Element::new("error", ns::STREAM).with_child(Element::new(self.condition.name(), ns::STREAMS));
        if let Some(text) = &self.text {
            error.push_child(
                Element::new("text", ns::STREAMS).with_attribute("xml:lang", "en").with_text(text.as_str()),
            );
        }
        error
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.name())?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StreamError {}

impl From<StreamCondition> for StreamError {
    fn from(condition: StreamCondition) -> Self {
        Self { condition, text: None }
    }
}

impl From<FrameError> for StreamError {
    fn from(error: FrameError) -> Self {
        let condition = match error {
            FrameError::NotWellFormed => return StreamCondition::NotWellFormed.into(),
            FrameError::TooLarge | FrameError::TooDeep | FrameError::TooManyAttributes => {
                StreamCondition::PolicyViolation
            }
            FrameError::Restricted => StreamCondition::RestrictedXml,
            FrameError::BadEncoding => StreamCondition::UnsupportedEncoding,
        };
        Self::with_text(condition, error.to_string())
    }
}

impl From<XmlError> for StreamError {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::NotWellFormed => StreamCondition::NotWellFormed.into(),
            XmlError::InvalidNamespace => StreamCondition::InvalidNamespace.into(),
            XmlError::BadFormat => StreamCondition::BadFormat.into(),
            XmlError::Restricted => StreamCondition::RestrictedXml.into(),
            XmlError::BadEncoding => StreamCondition::UnsupportedEncoding.into(),
            XmlError::TooDeep => Self::with_text(StreamCondition::PolicyViolation, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse_stanza;

    #[test]
    fn on_the_wire() {
        let mut out = Vec::new();
        StreamError::with_text(StreamCondition::PolicyViolation, "a < b").write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a &lt; b</text></stream:error></stream:stream>"
        );
    }

    #[test]
    fn every_condition_survives_the_wire() {
        for condition in StreamCondition::ALL {
            let error = StreamError::with_text(condition, "so");
            let bytes = error.to_element().to_bytes();
            assert_eq!(StreamError::from_element(&parse_stanza(&bytes).unwrap()), Some(error));
        }
        let unknown = Element::new("error", ns::STREAM).with_child(Element::new("new", ns::STREAMS));
        assert_eq!(StreamError::from_element(&unknown), Some(StreamCondition::UndefinedCondition.into()));
        assert_eq!(StreamError::from_element(&Element::new("error", ns::CLIENT)), None);
    }

    #[test]
    fn a_limit_is_named() {
        for (error, word) in [
            (FrameError::TooLarge, "large"),
            (FrameError::TooDeep, "deep"),
            (FrameError::TooManyAttributes, "attributes"),
        ] {
            let error = StreamError::from(error);
            assert_eq!(error.condition, StreamCondition::PolicyViolation);
            assert!(error.text.unwrap().contains(word));
        }
        assert_eq!(StreamError::from(FrameError::Restricted).condition, StreamCondition::RestrictedXml);
        assert_eq!(StreamError::from(XmlError::InvalidNamespace), StreamCondition::InvalidNamespace.into());
    }
}
