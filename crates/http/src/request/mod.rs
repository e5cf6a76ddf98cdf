//! What comes in with a request, read and bounded: bodies, JSON documents, query
//! strings and cursors. Each says of every field at once what is wrong with it.

mod body;
pub(crate) mod cursor;
mod fields;
pub(crate) mod json;
mod params;

pub(crate) use self::body::{DOCUMENT_BYTES, Document, read_body, read_unauthenticated_body};
pub(crate) use self::fields::Fields;
pub(crate) use self::params::{Params, Segment, Segments};
