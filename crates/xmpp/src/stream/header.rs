use crate::ns;
use crate::xml::{StreamHeader, escape_attribute};

/// Appends a stream header (RFC 6120 section 4.7), XML declaration included. The
/// content namespace is `jabber:client`; the header's other fields are written where
/// they are set.
pub fn write_header(header: &StreamHeader, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<?xml version='1.0'?><stream:stream xmlns='");
    out.extend_from_slice(ns::CLIENT.as_bytes());
    out.extend_from_slice(b"' xmlns:stream='");
    out.extend_from_slice(ns::STREAM.as_bytes());
    out.push(b'\'');
    let attributes = [
        ("id", &header.id),
        ("from", &header.from),
        ("to", &header.to),
        ("version", &header.version),
        ("xml:lang", &header.lang),
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
    use crate::xml::parse_open;

    #[test]
    fn a_header_survives_the_wire() {
        let header = StreamHeader {
            id: Some("a'b<c".into()),
            from: Some("example.org".into()),
            version: Some("1.0".into()),
            lang: Some("en".into()),
            content_ns: ns::CLIENT.into(),
            ..StreamHeader::default()
        };
        let mut out = Vec::new();
        write_header(&header, &mut out);
        assert_eq!(parse_open(&out), Ok(header));
        assert!(
            out.starts_with(b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http")
        );
    }
}
