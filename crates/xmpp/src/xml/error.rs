//! Why bytes are no stanza or no stream header.

use rxml::Error;
use thiserror::Error as ThisError;

/// How many elements may stand inside each other, whatever the framer's limit is.
pub const MAX_DEPTH: usize = 128;

/// Why bytes are no stanza or no stream header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ThisError)]
pub enum XmlError {
    /// Not XML, or an undeclared prefix.
    #[error("not well-formed XML")]
    NotWellFormed,
    /// The stream is in another namespace than it must be.
    #[error("wrong namespace")]
    InvalidNamespace,
    /// XML, but not one element, or not the one that belongs here.
    #[error("unexpected XML")]
    BadFormat,
    /// A comment, processing instruction, document type or entity (RFC 6120 section 11.1).
    #[error("restricted XML")]
    Restricted,
    /// Not UTF-8.
    #[error("not UTF-8")]
    BadEncoding,
    /// Nested more than [`MAX_DEPTH`] deep.
    #[error("nested too deeply")]
    TooDeep,
}

impl From<Error> for XmlError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidUtf8Byte(_) | Error::RestrictedXml("only utf-8 encoding is allowed") => {
                Self::BadEncoding
            }
            Error::RestrictedXml(_) | Error::UndeclaredEntity => Self::Restricted,
            _ => Self::NotWellFormed,
        }
    }
}
