//! A future that wakes itself while it is polled.
//!
//! hyper does so for each request with a body: the body and the connection that reads it
//! live in one task, and tell each other when they want more. To the scheduler a task that
//! was woken while it ran is one to be run again later, by another worker if need be, which
//! it wakes. That costs two switches of threads, in the midst of a request.

mod state;
#[cfg(test)]
mod state_model;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

use self::state::State;

/// How often one poll may go on before the scheduler's other tasks have their turn.
const POLLS: usize = 4;

/// Polls the future within again at once where it was woken meanwhile.
pub(crate) struct RepollOnSelfWake<F> {
    future: Pin<Box<F>>,
    signal: Arc<Signal>,
    waker: Waker,
}

struct Signal {
    state: State<AtomicU8>,
    /// The task to wake while the future is not being polled.
    task: AtomicWaker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.wake() {
            self.task.wake();
        }
    }
}

impl<F: Future> RepollOnSelfWake<F> {
    pub(crate) fn new(future: F) -> Self {
        let signal = Arc::new(Signal { state: State::default(), task: AtomicWaker::new() });
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&signal)), signal }
    }
}

impl<F: Future> Future for RepollOnSelfWake<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        this.signal.task.register(context.waker());
        for _ in 0..POLLS {
            this.signal.state.begin_poll();
            let outcome = this.future.as_mut().poll(&mut Context::from_waker(&this.waker));
            if outcome.is_ready() || this.signal.state.rest() {
                return outcome;
            }
        }
        // It stays woken, so that this is the only wake-up until the next poll.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls a future that wakes itself `times` times and is ready then; answers how often
    /// it was polled, how often the task was woken, and whether it is ready.
    fn poll_once(times: usize) -> (usize, usize, bool) {
        let (wakes, polls) = (Arc::new(Count::default()), AtomicUsize::new(0));
        let mut repolled = RepollOnSelfWake::new(poll_fn(|context: &mut Context<'_>| {
            if polls.fetch_add(1, Ordering::SeqCst) < times {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        }));
        let waker = Waker::from(Arc::clone(&wakes));
        let ready = Pin::new(&mut repolled).poll(&mut Context::from_waker(&waker)).is_ready();
        drop(repolled);
        (polls.into_inner(), wakes.0.load(Ordering::SeqCst), ready)
    }

    #[test]
    fn what_wakes_itself_is_polled_again_without_its_task() {
        assert_eq!(poll_once(0), (1, 0, true));
        assert_eq!(poll_once(1), (2, 0, true));
        assert_eq!(poll_once(POLLS - 1), (POLLS, 0, true));
    }

    #[test]
    fn what_does_not_stop_gives_other_tasks_their_turn() {
        assert_eq!(poll_once(1000), (POLLS, 1, false));
    }

    #[test]
    fn what_waits_is_woken_through_its_task() {
        let (wakes, inner_waker) = (Arc::new(Count::default()), Mutex::new(None));
        let mut repolled = RepollOnSelfWake::new(poll_fn(|context: &mut Context<'_>| {
            *inner_waker.lock() = Some(context.waker().clone());
            Poll::<()>::Pending
        }));
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(Pin::new(&mut repolled).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
        let inner = inner_waker.lock().take().unwrap();
        inner.wake();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_call_from_another_thread_is_lost() {
        for _ in 0..2000 {
            let (send, receive) = tokio::sync::oneshot::channel();
            let waiting = tokio::spawn(RepollOnSelfWake::new(receive));
            tokio::spawn(async move { send.send(7) });
            assert_eq!(waiting.await.unwrap(), Ok(7));
        }
    }
}
