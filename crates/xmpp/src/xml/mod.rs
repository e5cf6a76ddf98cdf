//! The XML subset of RFC 6120 section 11: no DTD, no processing instruction, no
//! comment, no entity beyond the five.
//!
//! The [`FrameReader`] finds where a stanza ends and bounds it; [`parse_stanza`]
//! turns the whole stanza into an [`Element`]; the writer escapes on the way out.

mod element;
mod error;
mod fast_path;
mod framer;
mod header;
mod namespaces;
mod reader;
mod writer;

pub use element::{Element, Node};
pub use error::{MAX_DEPTH, XmlError};
pub use framer::{Frame, FrameError, FrameLimits, FrameReader};
pub use header::{StreamHeader, parse_open};
pub use namespaces::StreamContext;
pub use reader::{parse_stanza, parse_stanza_with};
pub use writer::{escape_attribute, escape_text};
