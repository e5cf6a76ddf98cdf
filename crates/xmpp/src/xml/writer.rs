//! Writes elements, with every character that could break a stream escaped or replaced.

use std::fmt;

use super::element::{Element, Node};
use crate::ns;

/// What stands for a character that XML 1.0 does not allow.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Appends `text` so that it may stand between tags.
///
/// Characters that XML 1.0 forbids (section 2.2) become U+FFFD, so that no text can end a stream.
pub fn escape_text(text: &str, out: &mut Vec<u8>) {
    escape(text, false, out);
}

/// Appends `value` so that it may stand within either kind of quotes.
///
/// As [`escape_text`]; white space other than the blank is written as character references,
/// which survive the normalisation of attribute values.
pub fn escape_attribute(value: &str, out: &mut Vec<u8>) {
    escape(value, true, out);
}

fn escape(text: &str, attribute: bool, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !is_special(*byte) {
            continue;
        }
        let (replacement, length): (&[u8], usize) = match byte {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'\'' if attribute => (b"&apos;", 1),
            b'"' if attribute => (b"&quot;", 1),
            b'\r' => (b"&#13;", 1),
            b'\n' if attribute => (b"&#10;", 1),
            b'\t' if attribute => (b"&#9;", 1),
            b'\'' | b'"' | b'\n' | b'\t' => continue,
            // U+FFFE and U+FFFF.
            0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => (REPLACEMENT, 3),
            0xef => continue,
            _ => (REPLACEMENT, 1),
        };
        out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
        out.extend_from_slice(replacement);
        done = at + length;
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'&' | b'<' | b'>' | b'\'' | b'"' | 0xef)
}

impl Element {
    /// Appends the element, for a place where `default_ns` is the default namespace.
    ///
    /// Elements in the streams namespace are written with the prefix `stream`, which a
    /// stream's header declares: that is how every implementation spells them. XML's own
    /// namespace may have no other prefix than `xml` and never be the default one.
    pub fn write(&self, out: &mut Vec<u8>, default_ns: &str) {
        let prefix = match self.ns() {
            ns if ns == default_ns => "",
            ns::STREAM => "stream:",
            ns::XML => "xml:",
            _ => "",
        };
        let inner_ns = if prefix.is_empty() { self.ns() } else { default_ns };
        out.push(b'<');
        self.write_name(prefix, out);
        if inner_ns != default_ns {
            write_attribute("xmlns", inner_ns, out);
        }
        for (index, (name, value)) in self.attributes().enumerate() {
            match name.strip_prefix('{').and_then(|name| name.rsplit_once('}')) {
                None => write_attribute(name, value, out),
                Some((ns, local)) => {
                    write_attribute(&format!("xmlns:a{index}"), ns, out);
                    write_attribute(&format!("a{index}:{local}"), value, out);
                }
            }
        }
        if self.nodes().is_empty() {
            out.extend_from_slice(b"/>");
            return;
        }
        out.push(b'>');
        for node in self.nodes() {
            match node {
                Node::Element(child) => child.write(out, inner_ns),
                Node::Text(text) => escape_text(text, out),
            }
        }
        out.extend_from_slice(b"</");
        self.write_name(prefix, out);
        out.push(b'>');
    }

    /// The element as it stands directly inside of a client's stream.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out, ns::CLIENT);
        out
    }

    fn write_name(&self, prefix: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(self.name().as_bytes());
    }
}

fn write_attribute(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape_attribute(value, out);
    out.push(b'\'');
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}
