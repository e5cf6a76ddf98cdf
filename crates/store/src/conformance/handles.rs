//! A database that is open several times, as several nodes have it open.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tidings_core::store::Store;

/// A database on which a store can be opened several times at once.
#[async_trait]
pub trait Database: Send + Sync {
    /// One more handle, as one more node would have it. All that one handle is answered is to
    /// be seen through the others.
    async fn open(&self) -> Arc<dyn Store>;
}

/// The database of an embedded store: a single process has it open, so the handles share the
/// store and with it its writer.
pub struct Embedded(pub Arc<dyn Store>);

#[async_trait]
impl Database for Embedded {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0)
    }
}

/// Two handles on one database. Each call goes through the other one than the call before: a
/// case that is written as for one store also tries whether a handle sees what was done through
/// another.
pub(super) struct Handles {
    handles: [Arc<dyn Store>; 2],
    uses: AtomicUsize,
}

impl Handles {
    pub async fn open(database: &dyn Database) -> Self {
        Self { handles: [database.open().await, database.open().await], uses: AtomicUsize::new(0) }
    }

    /// The other handle, for more than one call.
    pub fn one(&self) -> &dyn Store {
        &**self
    }

    /// The handle of a caller among many.
    pub fn of_caller(&self, number: usize) -> Arc<dyn Store> {
        Arc::clone(&self.handles[number % 2])
    }
}

impl Deref for Handles {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.handles[self.uses.fetch_add(1, Ordering::Relaxed) % 2]
    }
}
