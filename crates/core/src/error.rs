//! Why a manager did not change what it was asked to change.

use thiserror::Error;

use crate::store::StoreError;

/// A field that is wrong: its name as in the API, and why, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// A path such as `to.users[3]`.
    pub field: String,
    /// Why.
    pub detail: String,
}

impl FieldError {
    /// This field is wrong, for this reason.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// Several wrong fields on one line.
pub(crate) fn in_words(errors: &[FieldError]) -> String {
    let one = |error: &FieldError| format!("{}: {}", error.field, error.detail);
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Why something was not changed: an account, a subscription, an API key, an operator. Nothing was
/// changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// These fields are wrong.
    #[error("{}", in_words(.0))]
    Invalid(Vec<FieldError>),
    /// The name in this field belongs to another.
    #[error("the {0} is taken")]
    Conflict(&'static str),
    /// There is none of what was named.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The policy does not allow it, and why.
    #[error("{0}")]
    Forbidden(&'static str),
    /// As many as there may be are there already.
    #[error("{field}: {why}")]
    LimitReached {
        /// What of the request would be one too many.
        field: &'static str,
        /// How many there may be.
        why: String,
    },
    /// Too many attempts from this address.
    #[error("too many attempts from this address; wait a minute")]
    Throttled,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ChangeError {
    /// One field is wrong.
    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, detail)])
    }

    /// Nothing where nothing is wrong.
    pub(crate) fn unless_sound(errors: Vec<FieldError>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self::Invalid(errors)) }
    }
}
