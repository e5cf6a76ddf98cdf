//! Work that goes on when its caller goes away.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs in its caller's task, and in one of its own once it was begun and is dropped
/// before the end: cheaper than a task each time, for callers seldom go.
pub(super) struct RunToEnd<T: Send + 'static> {
    rest: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    begun: bool,
}

impl<T: Send + 'static> RunToEnd<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { rest: Some(Box::pin(work)), begun: false }
    }
}

impl<T: Send + 'static> Future for RunToEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out meanwhile: what panics is not to be run again.
        let Some(mut rest) = self.rest.take() else { return Poll::Pending };
        self.begun = true;
        let outcome = rest.as_mut().poll(context);
        if outcome.is_pending() {
            self.rest = Some(rest);
        }
        outcome
    }
}

impl<T: Send + 'static> Drop for RunToEnd<T> {
    fn drop(&mut self) {
        if self.begun
            && let Some(rest) = self.rest.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Waker;

    use tokio::sync::Notify;
    use tokio::task::yield_now;

    use super::*;

    struct Bench {
        gate: Arc<Notify>,
        done: Arc<AtomicU32>,
    }

    impl Bench {
        fn new() -> Self {
            Self { gate: Arc::default(), done: Arc::default() }
        }

        fn work(&self) -> RunToEnd<u32> {
            let (gate, done) = (Arc::clone(&self.gate), Arc::clone(&self.done));
            RunToEnd::new(async move {
                gate.notified().await;
                done.fetch_add(1, Ordering::Relaxed) + 1
            })
        }

        async fn settle(&self) -> u32 {
            for _ in 0..10 {
                yield_now().await;
            }
            self.done.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn it_runs_once() {
        let bench = Bench::new();
        bench.gate.notify_one();
        assert_eq!(bench.work().await, 1);
        assert_eq!(bench.settle().await, 1);
    }

    #[tokio::test]
    async fn it_goes_on_when_its_caller_goes() {
        let bench = Bench::new();
        let mut work = bench.work();
        assert!(Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(work);
        assert_eq!(bench.settle().await, 0);
        bench.gate.notify_one();
        assert_eq!(bench.settle().await, 1);
    }

    #[tokio::test]
    async fn it_does_not_begin_unless_its_caller_waits() {
        let bench = Bench::new();
        drop(bench.work());
        bench.gate.notify_one();
        assert_eq!(bench.settle().await, 0);
    }
}
