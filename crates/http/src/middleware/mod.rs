//! What stands before the handlers: the bounds that every request passes, and the API key that most need.

pub(crate) mod guard;
pub(crate) mod key;
