//! Stores for Tidings: implementations of [`tidings_core::store::Store`].
#![forbid(unsafe_code)]

mod memory;

pub use self::memory::MemoryStore;

/// So many usernames of an audience are kept for listings.
const LISTED_USERS: usize = 100;
/// So many unknown usernames are named in a refusal.
const NAMED_UNKNOWN: usize = 100;
