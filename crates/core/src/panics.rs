//! Panics that are caught: one ends a request, a stream or one round of a task, never more. Who runs
//! the process logs and counts them, by its panic hook.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use thiserror::Error;

/// What was run has panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a part of the server panicked")]
pub struct Panicked;

/// Runs a future. What it worked on may be left half-way where it panics: the caller puts it right
/// or drops it.
///
/// # Errors
/// [`Panicked`].
pub async fn caught<T>(run: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(run).catch_unwind().await.map_err(|_| Panicked)
}
