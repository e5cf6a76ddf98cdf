//! Reads what nearly every stanza is: plain XML.
//!
//! ASCII names, quoted attributes right after `=`, and no escapes, CDATA or control
//! characters. Whatever else there is, and whatever is wrong, is left to the full
//! reader, so this one never says that something is bad; and what it does read, the
//! full reader reads the same way, which the tests compare.

use super::element::Element;
use super::error::MAX_DEPTH;
use super::namespaces::{Scopes, StreamContext, refuse_duplicates};

/// An attribute as it stands there: prefix, local name, value.
pub(super) type Attribute<'b> = (Option<&'b str>, &'b str, &'b str);

/// A start tag.
pub(super) struct Tag<'b> {
    /// Prefix and local name as they stand there.
    qualified: &'b str,
    pub(super) prefix: Option<&'b str>,
    pub(super) local: &'b str,
    pub(super) attributes: Vec<Attribute<'b>>,
    /// `<a/>`
    empty: bool,
}

/// Reads one element. `None`: let the full reader have a look.
pub(super) fn element(bytes: &[u8], context: &StreamContext) -> Option<Element> {
    let mut cursor = Cursor::new(bytes)?;
    let mut scopes = Scopes::new(context);
    // Open elements, with the qualified names that must end them.
    let mut open: Vec<(Element, &str)> = Vec::new();
    loop {
        cursor.take(b'<')?;
        let ended = if cursor.take(b'/').is_some() {
            let (name, ..) = cursor.qualified()?;
            cursor.space();
            cursor.take(b'>')?;
            let (element, expected) = open.pop()?;
            if name != expected {
                return None;
            }
            scopes.leave(open.len());
            Some(element)
        } else {
            let tag = cursor.tag()?;
            if open.len() >= MAX_DEPTH {
                return None;
            }
            let element = start(&tag, open.len(), &mut scopes)?;
            if tag.empty {
                scopes.leave(open.len());
                Some(element)
            } else {
                open.push((element, tag.qualified));
                None
            }
        };
        if let Some(element) = ended {
            match open.last_mut() {
                Some((parent, _)) => parent.push_child(element),
                None => return cursor.rest().is_empty().then_some(element),
            }
        }
        let text = cursor.text()?;
        if !text.is_empty() {
            open.last_mut()?.0.push_text(text);
        }
    }
}

/// Reads a stream header, with an XML declaration of the usual wording or without one.
pub(super) fn header(bytes: &[u8]) -> Option<Tag<'_>> {
    let mut cursor = Cursor::new(bytes)?;
    for declaration in ["<?xml version='1.0'?>", "<?xml version=\"1.0\"?>"] {
        if let Some(rest) = cursor.rest().strip_prefix(declaration) {
            cursor.at = bytes.len() - rest.len();
            cursor.space();
            break;
        }
    }
    cursor.take(b'<')?;
    let tag = cursor.tag()?;
    (!tag.empty && cursor.rest().is_empty()).then_some(tag)
}

/// The element that `tag` begins, at `depth`.
fn start(tag: &Tag<'_>, depth: usize, scopes: &mut Scopes<'_>) -> Option<Element> {
    let mut own = 0;
    for (prefix, local, value) in &tag.attributes {
        match prefix {
            Some("xmlns") => scopes.declare(depth, Some((*local).to_owned()), value).ok()?,
            None if *local == "xmlns" => scopes.declare(depth, None, value).ok()?,
            _ => own += 1,
        }
    }
    let ns = scopes.lookup(tag.prefix).ok()?;
    let mut element = match known(tag.local) {
        Some(name) => Element::new(name, ns),
        None => Element::new(tag.local.to_owned(), ns),
    };
    element.reserve_attributes(own);
    for (prefix, local, value) in &tag.attributes {
        match (prefix, known(local)) {
            (Some("xmlns"), _) => {}
            (None, _) if *local == "xmlns" => {}
            (None, Some(name)) => element.append_attribute(name, (*value).to_owned()),
            _ => {
                let name = scopes.attribute_name(*prefix, (*local).to_owned()).ok()?;
                element.append_attribute(name, (*value).to_owned());
            }
        }
    }
    refuse_duplicates(element.attributes().map(|(name, _)| name)).ok()?;
    Some(element)
}

/// Names that come often, so that they need not be copied.
fn known(name: &str) -> Option<&'static str> {
    const KNOWN: [&str; 23] = [
        "id",
        "type",
        "to",
        "from",
        "iq",
        "message",
        "presence",
        "r",
        "a",
        "h",
        "body",
        "received",
        "query",
        "ping",
        "bind",
        "resource",
        "enable",
        "resume",
        "auth",
        "response",
        "mechanism",
        "username",
        "password",
    ];
    KNOWN.iter().copied().find(|known| *known == name)
}

struct Cursor<'b> {
    text: &'b str,
    at: usize,
}

impl<'b> Cursor<'b> {
    fn new(bytes: &'b [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        // Two characters that XML does not know, looked for in all of it at once.
        let strange = !bytes.is_ascii() && text.contains(['\u{fffe}', '\u{ffff}']);
        (!strange).then_some(Self { text, at: 0 })
    }

    fn rest(&self) -> &'b str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn space(&mut self) -> bool {
        let before = self.at;
        while let Some(b' ' | b'\t' | b'\n') = self.peek() {
            self.at += 1;
        }
        self.at > before
    }

    /// The bytes up to the first that `ends`, which must not be the input's end.
    fn until(&mut self, ends: impl Fn(u8) -> bool) -> Option<&'b str> {
        let length = self.rest().bytes().position(ends)?;
        let taken = self.rest().get(..length)?;
        self.at += length;
        Some(taken)
    }

    fn name(&mut self) -> Option<&'b str> {
        let name =
            self.until(|byte| !matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.'))?;
        matches!(name.as_bytes().first()?, b'a'..=b'z' | b'A'..=b'Z' | b'_').then_some(name)
    }

    /// A name with or without a prefix: the whole, the prefix, the local name.
    fn qualified(&mut self) -> Option<(&'b str, Option<&'b str>, &'b str)> {
        let start = self.at;
        let first = self.name()?;
        if self.take(b':').is_none() {
            return Some((first, None, first));
        }
        let local = self.name()?;
        Some((self.text.get(start..self.at)?, Some(first), local))
    }

    /// A start tag, behind its `<`.
    fn tag(&mut self) -> Option<Tag<'b>> {
        let (qualified, prefix, local) = self.qualified()?;
        let mut attributes = Vec::new();
        let empty = loop {
            let spaced = self.space();
            match self.peek()? {
                b'>' => {
                    self.at += 1;
                    break false;
                }
                b'/' => {
                    self.at += 1;
                    self.take(b'>')?;
                    break true;
                }
                _ if spaced => attributes.push(self.attribute()?),
                _ => return None,
            }
        };
        // Only declarations may use this prefix.
        (prefix != Some("xmlns")).then_some(Tag { qualified, prefix, local, attributes, empty })
    }

    fn attribute(&mut self) -> Option<Attribute<'b>> {
        let (_, prefix, local) = self.qualified()?;
        self.take(b'=')?;
        let quote = self.peek().filter(|byte| matches!(byte, b'\'' | b'"'))?;
        self.at += 1;
        let value =
            self.until(|byte| byte == quote || byte == b'<' || byte == b'&' || byte < b' ' || byte == 0x7f)?;
        self.take(quote)?;
        // What may be declared for these is for the full reader to know.
        let delicate = match prefix {
            Some("xmlns") => value.is_empty() || local.starts_with("xml"),
            Some("xml") => local != "lang",
            _ => false,
        };
        (!delicate).then_some((prefix, local, value))
    }

    /// Character data up to the next `<`.
    fn text(&mut self) -> Option<&'b str> {
        let text = self.until(|byte| {
            byte == b'<'
                || byte == b'&'
                || byte == b']'
                || byte == 0x7f
                || (byte < b' ' && byte != b'\t' && byte != b'\n')
        })?;
        (self.peek()? == b'<').then_some(text)
    }
}
