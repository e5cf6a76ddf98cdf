//! A call to the writer: what it does, and how its caller is answered.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tidings_core::store::{Result, StoreError};
use tokio::sync::oneshot;

use super::GroupWriter;

/// A call that waits for its commit.
pub(crate) struct Queued<W> {
    pub work: Box<dyn Work<W>>,
    /// About how much it writes.
    pub bytes: usize,
}

/// A piece of work for the writer. It is answered after the commit.
pub(crate) trait Work<W>: Send {
    /// Does it, inside the group's transaction.
    fn run(&mut self, writer: &mut W);
    /// Answers, knowing whether the group was committed.
    fn answer(self: Box<Self>, committed: Result<()>);
}

/// Work whose answer is a `T`.
struct Call<F, T> {
    work: Option<F>,
    done: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<W: GroupWriter> Queued<W> {
    /// The call, and where its answer comes.
    pub fn new<T, F>(bytes: usize, work: F) -> (Self, oneshot::Receiver<Result<T>>)
    where
        F: FnOnce(&mut W) -> Result<T, W::Error> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        (Self { work: Box::new(Call { work: Some(work), done: None, reply }), bytes }, answer)
    }
}

impl<W, F, T> Work<W> for Call<F, T>
where
    W: GroupWriter,
    F: FnOnce(&mut W) -> Result<T, W::Error> + Send,
    T: Send,
{
    fn run(&mut self, writer: &mut W) {
        let Some(work) = self.work.take() else { return };
        // A panic must cost this call its answer, not the server its store.
        let done = writer.step(|writer| {
            catch_unwind(AssertUnwindSafe(|| work(writer)))
                .unwrap_or_else(|_| Err(StoreError::Failed("a write panicked".into()).into()))
        });
        self.done = Some(done.map_err(W::Error::into));
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let done = match (committed, self.done) {
            (Ok(()), Some(done)) => done,
            // What this call itself ran into says more than what became of its group.
            (Err(_), Some(Err(error))) | (Err(error), _) => Err(error),
            (Ok(()), None) => Err(StoreError::Failed("a write was not run".into())),
        };
        // The caller may have stopped waiting.
        let _ = self.reply.send(done);
    }
}
