//! A worker process: holds connections, in one thread.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet, LocalSet};

use super::device_loop::{self, Seen};
use super::{Kind, Plan, Tally, WorkerRequest, login, tls};
use crate::error::{Context, Error};
use crate::hist::Times;
use crate::measure;

/// How long one login may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Worker {
    tls: Arc<ClientConfig>,
    seen: Rc<Seen>,
    open: Rc<Cell<usize>>,
    connections: RefCell<Vec<AbortHandle>>,
}

/// What the attempts of one request came to.
#[derive(Default)]
struct Attempts {
    failed: Cell<usize>,
    why: RefCell<Option<String>>,
    logins: RefCell<Times>,
}

pub(crate) fn run() -> Result<(), Error> {
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let worker = Rc::new(Worker {
            tls: tls::config().context("no TLS")?,
            seen: Rc::default(),
            open: Rc::default(),
            connections: RefCell::default(),
        });
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            let tally = worker.handle(serde_json::from_str(&line)?).await?;
            say(&tally)?;
        }
        Ok(())
    })
}

fn say(tally: &Tally) -> Result<(), Error> {
    let mut line = serde_json::to_vec(tally)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}

/// As many descriptors as the system lets this process have.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Without it, connections fail, and the report says why.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

impl Worker {
    async fn handle(self: &Rc<Self>, request: WorkerRequest) -> Result<Tally, Error> {
        match request {
            WorkerRequest::Connect { plan, first, count, at_once, attempts } => {
                let outcome = Rc::new(Attempts::default());
                self.connect(Rc::new(plan), first, count, (at_once, attempts), &outcome).await?;
                let mut tally = self.tally();
                tally.failed = outcome.failed.get();
                tally.why = outcome.why.take();
                tally.logins = outcome.logins.borrow().pack();
                Ok(tally)
            }
            WorkerRequest::Mark => {
                self.seen.mark();
                Ok(self.tally())
            }
            WorkerRequest::Await { count, seconds } => {
                self.seen.wanted.set(count);
                if self.seen.received.get() < count {
                    let enough = self.seen.enough.notified();
                    let _ = tokio::time::timeout(Duration::from_secs_f64(seconds), enough).await;
                }
                Ok(self.tally())
            }
            WorkerRequest::Drop => {
                for connection in self.connections.take() {
                    connection.abort();
                }
                while self.open.get() > 0 {
                    tokio::task::yield_now().await;
                }
                Ok(self.tally())
            }
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            open: self.open.get(),
            received: self.seen.received.get(),
            bytes: self.seen.bytes.get(),
            first: self.seen.first.get(),
            last: self.seen.last.get(),
            delays: self.seen.delays.borrow().pack(),
            ..Tally::default()
        }
    }

    async fn connect(
        self: &Rc<Self>,
        plan: Rc<Plan>,
        first: usize,
        count: usize,
        (at_once, attempts): (usize, usize),
        outcome: &Rc<Attempts>,
    ) -> Result<(), Error> {
        let turns = Arc::new(Semaphore::new(at_once.max(1)));
        let mut under_way = JoinSet::new();
        let mut reported = measure::now();
        let habits = match plan.kind {
            Kind::Device { habits, .. } => Some(habits),
            _ => None,
        };
        for number in first..first + count {
            let turn = Arc::clone(&turns).acquire_owned().await.context("no turn")?;
            let (worker, plan, outcome) = (Rc::clone(self), Rc::clone(&plan), Rc::clone(outcome));
            under_way.spawn_local(async move {
                for _ in 0..attempts.max(1) {
                    let started = measure::now();
                    match tokio::time::timeout(PATIENCE, worker.open(&plan, number)).await {
                        Ok(Ok(())) => {
                            outcome.logins.borrow_mut().record(measure::now() - started);
                            break;
                        }
                        Ok(Err(error)) => {
                            outcome.failed.set(outcome.failed.get() + 1);
                            *outcome.why.borrow_mut() = Some(error.to_string());
                        }
                        Err(_) => {
                            outcome.failed.set(outcome.failed.get() + 1);
                            *outcome.why.borrow_mut() = Some("a login took too long".to_owned());
                        }
                    }
                }
                drop(turn);
            });
            if habits.is_some_and(login::must_learn) {
                under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            if measure::now() - reported > 200_000_000 {
                reported = measure::now();
                say(&Tally { in_progress: true, ..self.tally_short() })?;
            }
        }
        while under_way.join_next().await.is_some() {}
        Ok(())
    }

    fn tally_short(&self) -> Tally {
        Tally { open: self.open.get(), ..Tally::default() }
    }

    /// Opens one connection and leaves it to itself.
    async fn open(self: &Rc<Self>, plan: &Plan, number: usize) -> std::io::Result<()> {
        let socket = tls::connect(plan, number).await?;
        let seen = Rc::clone(&self.seen);
        let counted = Counted::new(&self.open);
        let task = match &plan.kind {
            Kind::Bare { answer } => {
                let stream = tls::secure(&self.tls, socket, "localhost").await?;
                let answer = *answer;
                tokio::task::spawn_local(async move {
                    device_loop::bare(stream, answer, &seen).await;
                    drop(counted);
                })
            }
            Kind::Registration { .. } => return login::register(&self.tls, socket, plan, number).await,
            Kind::Device { habits, .. } => {
                let talk = login::login(&self.tls, socket, plan, number).await?;
                let acks = habits.acks;
                tokio::task::spawn_local(async move {
                    device_loop::device(talk.stream, talk.reader, talk.rest, acks, &seen).await;
                    drop(counted);
                })
            }
        };
        self.connections.borrow_mut().push(task.abort_handle());
        Ok(())
    }
}

/// One open connection.
struct Counted(Rc<Cell<usize>>);

impl Counted {
    fn new(open: &Rc<Cell<usize>>) -> Self {
        open.set(open.get() + 1);
        Self(Rc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
