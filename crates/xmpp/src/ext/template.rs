//! Stanzas that are encoded once and written to many.

/// A stanza that was encoded once, with only the value of its `to` attribute missing.
///
/// A broadcast encodes a notification once for each form and writes it to many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Up to and with the quote that opens the value.
    pub before_to: Box<[u8]>,
    /// From the quote that closes it.
    pub after_to: Box<[u8]>,
}

impl Template {
    /// Appends the stanza. `to_escaped` is an address that went through
    /// [`escape_attribute`](crate::xml::escape_attribute).
    pub fn write(&self, to_escaped: &[u8], out: &mut Vec<u8>) {
        out.reserve(self.size(to_escaped.len()));
        out.extend_from_slice(&self.before_to);
        out.extend_from_slice(to_escaped);
        out.extend_from_slice(&self.after_to);
    }

    /// The stanza's size for an escaped address of `to_len` bytes.
    pub fn size(&self, to_len: usize) -> usize {
        self.before_to.len() + to_len + self.after_to.len()
    }
}
