//! Stores for Tidings: implementations of [`tidings_core::store::Store`].

mod by_priority;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod cursor;
mod group_commit;
mod memory;
mod open_index;
mod sqlite;
mod varint;

use tidings_core::store::StoreError;

pub use self::memory::MemoryStore;
pub use self::sqlite::{Options as SqliteOptions, Report as SqliteReport, SqliteStore};

/// So many usernames of an audience are kept for listings.
const LISTED_USERS: usize = 100;
/// A page of notifications ends behind the one with which their contents come to so many bytes.
const PAGE_BYTES: usize = 1 << 20;
/// So many unknown usernames are named in a refusal.
const NAMED_UNKNOWN: usize = 100;

/// What a closed store answers.
fn closed() -> StoreError {
    StoreError::Failed("the store is closed".into())
}

/// What a caller is answered whose work was lost with the thread that had it.
fn ended() -> StoreError {
    StoreError::Failed("the store's thread ended".into())
}
