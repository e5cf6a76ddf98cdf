//! Bounds the processor time that password derivations take from everything else.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::StoreError;

/// Slow arithmetic, off the threads that serve sockets: only so much at a time,
/// and only so many who wait for it.
pub(super) struct CpuLimiter {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// The right to run one piece of work.
pub(super) struct Permit {
    running: OwnedSemaphorePermit,
    admitted: OwnedSemaphorePermit,
}

impl CpuLimiter {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(at_once + waiting)),
        }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many wait already.
    pub(super) async fn acquire(&self) -> Result<Permit, StoreError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| StoreError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| StoreError::Busy)?;
        Ok(Permit { running, admitted })
    }
}

impl Permit {
    /// Runs the work. It goes on to its end, and keeps its place, even when
    /// the caller has gone.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the runtime is shutting down.
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((self.running, self.admitted));
            result
        });
        task.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => StoreError::Busy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_so_many_may_wait() {
        let limiter = CpuLimiter::new(1, 1);
        let first = limiter.acquire().await.unwrap();
        let mut second = Box::pin(limiter.acquire());
        tokio::select! {
            biased;
            _ = &mut second => panic!("the first still has its permit"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(limiter.acquire().await.err(), Some(StoreError::Busy));
        assert_eq!(first.run(|| 7).await, Ok(7));
        assert_eq!(second.await.unwrap().run(|| 8).await, Ok(8));
    }
}
