//! Namespaces while a stanza is read: what the stream's header declared, what the open
//! elements declare, and what names mean by both.

use std::borrow::Cow;
use std::collections::HashSet;

use super::error::XmlError;
use crate::ns;

/// What a stream's header declared beyond the usual: `xmlns='jabber:client'` and
/// `xmlns:stream='http://etherx.jabber.org/streams'`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamContext {
    prefixes: Option<Box<[(String, String)]>>,
}

impl StreamContext {
    /// From the prefixes that the header declared, with their namespaces.
    pub fn new<'b>(prefixes: impl IntoIterator<Item = (Cow<'b, str>, Cow<'b, str>)>) -> Self {
        let unusual = prefixes.into_iter().filter(|(prefix, ns)| !(prefix == "stream" && ns == ns::STREAM));
        let prefixes: Box<[_]> = unusual.map(|(prefix, ns)| (prefix.into_owned(), ns.into_owned())).collect();
        Self { prefixes: (!prefixes.is_empty()).then_some(prefixes) }
    }

    fn lookup(&self, wanted: &str) -> Option<Cow<'static, str>> {
        let declared = self.prefixes.iter().flatten().find(|(prefix, _)| prefix == wanted);
        match declared {
            Some((_, ns)) => Some(Cow::Owned(ns.clone())),
            None if wanted == "stream" => Some(Cow::Borrowed(ns::STREAM)),
            None => None,
        }
    }
}

/// The namespace declarations in force.
pub(super) struct Scopes<'c> {
    context: &'c StreamContext,
    /// The depth of the element that declares, the prefix (none: the default), the namespace.
    declared: Vec<(usize, Option<String>, Cow<'static, str>)>,
}

impl<'c> Scopes<'c> {
    pub(super) fn new(context: &'c StreamContext) -> Self {
        Self { context, declared: Vec::new() }
    }

    /// The element at `depth` declares `prefix`, or the default namespace.
    pub(super) fn declare(&mut self, depth: usize, prefix: Option<String>, ns: &str) -> Result<(), XmlError> {
        if self
            .declared
            .iter()
            .rev()
            .take_while(|(at, ..)| *at == depth)
            .any(|(_, other, _)| *other == prefix)
        {
            return Err(XmlError::NotWellFormed);
        }
        let ns = ns::known(ns).map_or_else(|| Cow::Owned(ns.to_owned()), Cow::Borrowed);
        self.declared.push((depth, prefix, ns));
        Ok(())
    }

    /// The element at `depth` has ended.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.declared.last().is_some_and(|(at, ..)| *at >= depth) {
            self.declared.pop();
        }
    }

    pub(super) fn lookup(&self, prefix: Option<&str>) -> Result<Cow<'static, str>, XmlError> {
        if prefix == Some("xml") {
            return Ok(Cow::Borrowed(ns::XML));
        }
        if let Some((.., ns)) =
            self.declared.iter().rev().find(|(_, declared, _)| declared.as_deref() == prefix)
        {
            return Ok(ns.clone());
        }
        match prefix {
            None => Ok(Cow::Borrowed(ns::CLIENT)),
            Some(prefix) => self.context.lookup(prefix).ok_or(XmlError::NotWellFormed),
        }
    }

    /// How [`Element`] calls an attribute: `name`, `xml:name` or `{namespace}name`.
    pub(super) fn attribute_name(&self, prefix: Option<&str>, local: String) -> Result<String, XmlError> {
        match prefix {
            None => Ok(local),
            Some("xml") => Ok(format!("xml:{local}")),
            Some(prefix) => Ok(format!("{{{}}}{local}", self.lookup(Some(prefix))?)),
        }
    }
}

/// Refuses a name that comes twice, in linear time.
pub(super) fn refuse_duplicates<'n>(
    mut names: impl Iterator<Item = &'n str> + Clone,
) -> Result<(), XmlError> {
    let few = names.clone().nth(8).is_none();
    let unique = if few {
        let mut rest = names.clone();
        loop {
            match rest.next() {
                None => break true,
                Some(name) if rest.clone().any(|other| other == name) => break false,
                Some(_) => {}
            }
        }
    } else {
        let mut seen = HashSet::new();
        names.all(|name| seen.insert(name))
    };
    if unique { Ok(()) } else { Err(XmlError::NotWellFormed) }
}
