//! Writes stream headers and stream ends (RFC 6120 section 4.7).

use crate::ns;
use crate::xml::escape_attribute;

/// What a stream header says that is to be written, where it is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opening<'a> {
    /// The stream's id, from the receiving side only.
    pub id: Option<&'a str>,
    /// The entity that opens the stream.
    pub from: Option<&'a str>,
    /// The domain that the initiator wants.
    pub to: Option<&'a str>,
    /// `1.0`, or nothing towards a peer from before RFC 3920.
    pub version: Option<&'a str>,
}

/// Appends a stream header (RFC 6120 section 4.7), XML declaration included. The
/// content namespace is `jabber:client`, the language English.
pub fn write_header(header: &Opening<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<?xml version='1.0'?><stream:stream xmlns='");
    out.extend_from_slice(ns::CLIENT.as_bytes());
    out.extend_from_slice(b"' xmlns:stream='");
    out.extend_from_slice(ns::STREAM.as_bytes());
    out.push(b'\'');
    let attributes = [
        ("id", header.id),
        ("from", header.from),
        ("to", header.to),
        ("version", header.version),
        ("xml:lang", Some("en")),
    ];
    for (name, value) in attributes {
        let Some(value) = value else { continue };
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"='");
        escape_attribute(value, out);
        out.push(b'\'');
    }
    out.push(b'>');
}

/// Appends the end of a stream.
pub fn write_close(out: &mut Vec<u8>) {
    out.extend_from_slice(b"</stream:stream>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{StreamHeader, parse_open};

    #[test]
    fn a_header_survives_the_wire() {
        let mut out = Vec::new();
        let opening = Opening {
            id: Some("a'b<c"),
            from: Some("example.org"),
            version: Some("1.0"),
            ..Opening::default()
        };
        write_header(&opening, &mut out);
        let header = StreamHeader {
            id: Some("a'b<c".into()),
            from: Some("example.org".into()),
            version: Some("1.0".into()),
            lang: Some("en".into()),
            ..StreamHeader::default()
        };
        assert_eq!(parse_open(&out), Ok(header));
        assert!(
            out.starts_with(b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http")
        );
    }
}
