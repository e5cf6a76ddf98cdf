//! The port, trait by trait.

mod account;
mod admin;
mod endpoint;
mod health;
mod invitation;
mod notification;
mod topic;

/// About what a small write adds to a commit.
const SMALL: usize = 1024;
/// About what an acknowledgement, a queue row or a note adds.
const ROW: usize = 64;
/// So many accounts or acknowledgements are a matter of microseconds.
const FEW: usize = 32;
