//! The stream header (RFC 6120 section 4.7).

use rxml::RawEvent;

use super::reader::{self, StreamContext, XmlError};
use crate::ns;

/// What a stream header says. Attributes are as they were written, not checked further.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamHeader {
    /// The domain that the initiator wants.
    pub to: Option<String>,
    /// Who opens the stream.
    pub from: Option<String>,
    /// The stream's id, from the receiving side only.
    pub id: Option<String>,
    /// `1.0`, or absent in a stream from before RFC 3920.
    pub version: Option<String>,
    /// `xml:lang`.
    pub lang: Option<String>,
    /// The default namespace: always `jabber:client` where [`parse_open`] made this.
    pub content_ns: String,
    /// What the stream's stanzas may rely on.
    pub context: StreamContext,
}

/// Reads a stream header: what [`Frame::Open`](super::Frame::Open) carries.
///
/// # Errors
/// [`XmlError::InvalidNamespace`] unless the element is in the streams namespace and the
/// default namespace is `jabber:client`; [`XmlError::BadFormat`] where it is not called
/// `stream`; the other kinds where it is no XML.
pub fn parse_open(bytes: &[u8]) -> Result<StreamHeader, XmlError> {
    let mut parser = reader::fresh(bytes.len());
    let mut rest = bytes;
    let mut name = None;
    let mut attributes = Vec::new();
    let mut prefixes = Vec::new();
    let mut header = StreamHeader::default();
    loop {
        match reader::next(&mut parser, &mut rest)? {
            RawEvent::XmlDeclaration(..) => {}
            RawEvent::ElementHeadOpen(_, qname) => name = Some(qname),
            RawEvent::Attribute(_, (prefix, local), value) => {
                match prefix.as_ref().map(|prefix| prefix.as_str()) {
                    None if local == "xmlns" => header.content_ns = value,
                    Some("xmlns") => prefixes.push((local.to_string(), value)),
                    Some("xml") if local == "lang" => header.lang = Some(value),
                    Some(prefix) => attributes.push((format!("{prefix}:{local}"), value)),
                    None => attributes.push((local.to_string(), value)),
                }
            }
            RawEvent::ElementHeadClose(_) => break,
            RawEvent::Text(..) | RawEvent::ElementFoot(_) => return Err(XmlError::NotWellFormed),
        }
    }
    if !rest.is_empty() {
        return Err(XmlError::NotWellFormed);
    }
    let (prefix, local) = name.ok_or(XmlError::NotWellFormed)?;
    reader::refuse_duplicates(prefixes.iter().map(|(prefix, _)| prefix.as_str()))?;
    reader::refuse_duplicates(attributes.iter().map(|(name, _)| name.as_str()))?;
    let stream_ns = match &prefix {
        Some(prefix) => {
            prefixes.iter().find(|(declared, _)| prefix == declared.as_str()).map(|(_, ns)| ns.as_str())
        }
        None => Some(header.content_ns.as_str()),
    };
    if stream_ns != Some(ns::STREAM) || header.content_ns != ns::CLIENT {
        return Err(XmlError::InvalidNamespace);
    }
    if local != "stream" {
        return Err(XmlError::BadFormat);
    }
    for (name, value) in attributes {
        match name.as_str() {
            "to" => header.to = Some(value),
            "from" => header.from = Some(value),
            "id" => header.id = Some(value),
            "version" => header.version = Some(value),
            _ => {}
        }
    }
    header.context = StreamContext::new(prefixes);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<?xml version='1.0' encoding='UTF-8'?>\n<stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version=\"1.0\" xml:lang='de' unknown='x'>";

    #[test]
    fn reads_what_a_client_opens_with() {
        let header = parse_open(GOOD.as_bytes()).unwrap();
        assert_eq!(header.to.as_deref(), Some("example.org"));
        assert_eq!(header.version.as_deref(), Some("1.0"));
        assert_eq!(header.lang.as_deref(), Some("de"));
        assert_eq!((header.from, header.id), (None, None));
        assert_eq!(header.content_ns, "jabber:client");
        assert_eq!(header.context, StreamContext::default());
    }

    #[test]
    fn a_header_without_a_version_is_from_before_1_0() {
        let header = parse_open(
            b"<stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
        );
        assert_eq!(header.unwrap().version, None);
    }

    #[test]
    fn another_prefix_is_as_good() {
        let header = parse_open(
            b"<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:x='urn:x'>",
        )
        .unwrap();
        assert_ne!(header.context, StreamContext::default());
    }

    #[test]
    fn wrong_namespaces_are_told_apart_from_bad_xml() {
        let refused = |bytes: &str| parse_open(bytes.as_bytes()).unwrap_err();
        assert_eq!(refused(&GOOD.replace("jabber:client", "jabber:server")), XmlError::InvalidNamespace);
        assert_eq!(refused(&GOOD.replace("etherx", "other")), XmlError::InvalidNamespace);
        assert_eq!(refused("<stream xmlns='jabber:client'>"), XmlError::InvalidNamespace);
        assert_eq!(refused("<stream:stream xmlns='jabber:client'>"), XmlError::InvalidNamespace);
        assert_eq!(refused(&GOOD.replace("<stream:stream", "<stream:other")), XmlError::BadFormat);
        assert_eq!(refused(&GOOD.replace("UTF-8", "ISO-8859-1")), XmlError::BadEncoding);
        assert_eq!(refused(&GOOD.replace(" unknown='x'", " to='y'")), XmlError::NotWellFormed);
        assert_eq!(refused(&format!("{GOOD}x")), XmlError::NotWellFormed);
        assert_eq!(refused("<stream:stream"), XmlError::NotWellFormed);
        assert_eq!(refused(""), XmlError::NotWellFormed);
    }
}
