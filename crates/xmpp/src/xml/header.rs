//! The stream header (RFC 6120 section 4.7).

use std::borrow::Cow;

use rxml::RawEvent;

use super::error::XmlError;
use super::fast_path;
use super::namespaces::{StreamContext, refuse_duplicates};
use super::reader;
use crate::ns;

/// What a stream header says, whose default namespace is always `jabber:client`.
/// Attributes are as they were written, not checked further.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamHeader {
    /// The domain that the initiator wants.
    pub to: Option<String>,
    /// The entity that opens the stream.
    pub from: Option<String>,
    /// The stream's id, from the receiving side only.
    pub id: Option<String>,
    /// `1.0`, or absent in a stream from before RFC 3920.
    pub version: Option<String>,
    /// `xml:lang`.
    pub lang: Option<String>,
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
    match fast_path::header(bytes) {
        Some(tag) => {
            let mut parts = Parts::default();
            for (prefix, local, value) in tag.attributes {
                parts.attribute(prefix, Cow::Borrowed(local), Cow::Borrowed(value));
            }
            parts.header(tag.prefix, tag.local)
        }
        None => parse_any(bytes),
    }
}

/// Reads a stream header, whatever is in it.
fn parse_any(bytes: &[u8]) -> Result<StreamHeader, XmlError> {
    let mut parser = reader::fresh(bytes.len());
    let mut rest = bytes;
    let mut name = None;
    let mut parts = Parts::default();
    loop {
        match reader::next(&mut parser, &mut rest)? {
            RawEvent::XmlDeclaration(..) => {}
            RawEvent::ElementHeadOpen(_, qname) => name = Some(qname),
            RawEvent::Attribute(_, (prefix, local), value) => {
                let prefix = prefix.as_ref().map(|prefix| prefix.as_str());
                parts.attribute(prefix, Cow::Owned(local.as_str().to_owned()), Cow::Owned(value));
            }
            RawEvent::ElementHeadClose(_) => break,
            RawEvent::Text(..) | RawEvent::ElementFoot(_) => return Err(XmlError::NotWellFormed),
        }
    }
    if !rest.is_empty() {
        return Err(XmlError::NotWellFormed);
    }
    let (prefix, local) = name.ok_or(XmlError::NotWellFormed)?;
    parts.header(prefix.as_ref().map(|prefix| prefix.as_str()), local.as_str())
}

/// A header's attributes, sorted.
#[derive(Default)]
struct Parts<'b> {
    attributes: Vec<(Cow<'b, str>, Cow<'b, str>)>,
    prefixes: Vec<(Cow<'b, str>, Cow<'b, str>)>,
    default_ns: Option<Cow<'b, str>>,
    defaults: usize,
}

impl<'b> Parts<'b> {
    fn attribute(&mut self, prefix: Option<&str>, local: Cow<'b, str>, value: Cow<'b, str>) {
        match prefix {
            None if local == "xmlns" => {
                self.default_ns = Some(value);
                self.defaults += 1;
            }
            Some("xmlns") => self.prefixes.push((local, value)),
            Some(prefix) => self.attributes.push((format!("{prefix}:{local}").into(), value)),
            None => self.attributes.push((local, value)),
        }
    }

    fn header(self, prefix: Option<&str>, local: &str) -> Result<StreamHeader, XmlError> {
        let Self { attributes, prefixes, default_ns, defaults } = self;
        refuse_duplicates(prefixes.iter().map(|(prefix, _)| &**prefix))?;
        refuse_duplicates(attributes.iter().map(|(name, _)| &**name))?;
        if defaults > 1 {
            return Err(XmlError::NotWellFormed);
        }
        let default_ns = default_ns.as_deref();
        let stream_ns = match prefix {
            Some(prefix) => prefixes.iter().find(|(declared, _)| prefix == declared).map(|(_, ns)| &**ns),
            None => default_ns,
        };
        if stream_ns != Some(ns::STREAM) || default_ns != Some(ns::CLIENT) {
            return Err(XmlError::InvalidNamespace);
        }
        if local != "stream" {
            return Err(XmlError::BadFormat);
        }
        let mut header = StreamHeader { context: StreamContext::new(prefixes), ..StreamHeader::default() };
        for (name, value) in attributes {
            let place = match &*name {
                "to" => &mut header.to,
                "from" => &mut header.from,
                "id" => &mut header.id,
                "version" => &mut header.version,
                "xml:lang" => &mut header.lang,
                _ => continue,
            };
            *place = Some(value.into_owned());
        }
        Ok(header)
    }
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
    #[test]
    fn plain_headers_are_read_the_same_way() {
        let plain = "<stream:stream to='localhost' version='1.0' xml:lang='de' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:x'>";
        let mut variants = vec![plain.to_owned()];
        for (from, to) in [
            ("<stream:", "<?xml version='1.0'?><stream:"),
            ("<stream:", "<?xml version=\"1.0\"?>\n<stream:"),
            ("<stream:", "<?xml version='1.0' encoding='UTF-8'?><stream:"),
            ("to='localhost'", "to=\"localhost\""),
            ("to='localhost'", "to='a&amp;b'"),
            ("to='localhost'", "to = 'a'"),
            ("to='localhost'", "to='a' to='b'"),
            ("xmlns:x='urn:x'", "xmlns:x='urn:x' xmlns:x='urn:y'"),
            ("xmlns:x='urn:x'", "xmlns='jabber:client'"),
            ("xmlns:x='urn:x'", "xmlns:x=''"),
            ("xmlns:x='urn:x'", "xmlns:xml='urn:x'"),
            ("'jabber:client'", "'jabber:server'"),
            ("stream:stream", "stream:other"),
            ("stream:stream", "x:stream"),
            ("stream:stream", "xmlns:stream"),
            (">", "/>"),
            (">", ">x"),
            (">", ""),
        ] {
            variants.push(plain.replacen(from, to, 1));
        }
        assert!(fast_path::header(plain.as_bytes()).is_some());
        for text in variants {
            assert_eq!(parse_open(text.as_bytes()), parse_any(text.as_bytes()), "{text}");
        }
    }
}
