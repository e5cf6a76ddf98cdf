//! The XML subset of RFC 6120 section 11: no DTD, no processing instruction, no
//! comment, no entity beyond the five.
//!
//! The [`Framer`] finds where a stanza ends and bounds it; the reader turns the
//! whole stanza into an [`Element`]; the writer escapes on the way out.

mod element;

pub use element::{Element, Node};
