//! Commands the worker processes.

use std::cell::Cell;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{Plan, Tally, WorkerRequest};
use crate::error::{Context, Error};
use crate::hist::Times;
use crate::report::ProgressLine;

/// Connections that one process can hold under the common limit of 20,000 descriptors.
const PER_WORKER: usize = 9000;
/// Logins under way at once, in all workers together.
const AT_ONCE: usize = 64;
/// The same, when all come at once.
const STORM_AT_ONCE: usize = 2000;
const STORM_ATTEMPTS: usize = 20;

/// Worker processes, and the connections they hold.
#[derive(Debug)]
pub(crate) struct Fleet {
    plan: Plan,
    workers: Vec<Worker>,
    /// Numbers that have been given to connections.
    used: usize,
}

#[derive(Debug)]
struct Worker {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// What all workers together answered.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub open: usize,
    pub failed: usize,
    pub why: Option<String>,
    pub logins: Times,
    pub received: u64,
    pub bytes: u64,
    pub first: u64,
    pub last: u64,
    pub delays: Times,
}

impl Fleet {
    /// Starts as many workers as `connections` need.
    pub(crate) async fn start(plan: Plan, connections: usize) -> Result<Self, Error> {
        let count = connections.div_ceil(PER_WORKER).max(2);
        let mut workers = Vec::new();
        for _ in 0..count {
            let mut child = Command::new(std::env::current_exe()?)
                .arg("worker")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .context("cannot start a worker")?;
            let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
                return Err(Error::new("a worker has no pipes"));
            };
            workers.push(Worker { _child: child, input, output: BufReader::new(output).lines() });
        }
        Ok(Self { plan, workers, used: 0 })
    }

    /// Opens `count` more connections, all of which must succeed.
    pub(crate) async fn connect(&mut self, count: usize, progress: &ProgressLine) -> Result<Sum, Error> {
        let sum = self.try_connect(count, AT_ONCE, 1, progress).await?;
        match sum.failed {
            0 => Ok(sum),
            failed => Err(Error::new(format!(
                "{failed} of {count} connections failed, the last one so: {}",
                sum.why.as_deref().unwrap_or("unknown")
            ))),
        }
    }

    /// Opens `count` connections, as many at once as a storm brings, and tries again
    /// where one fails.
    pub(crate) async fn storm(&mut self, count: usize, progress: &ProgressLine) -> Result<Sum, Error> {
        let sum = self.try_connect(count, STORM_AT_ONCE, STORM_ATTEMPTS, progress).await?;
        match sum.open {
            open if open >= count => Ok(sum),
            open => Err(Error::new(format!(
                "{open} of {count} came back, the last failure was: {}",
                sum.why.as_deref().unwrap_or("unknown")
            ))),
        }
    }

    async fn try_connect(
        &mut self,
        count: usize,
        at_once: usize,
        attempts: usize,
        progress: &ProgressLine,
    ) -> Result<Sum, Error> {
        let workers = self.workers.len();
        let mut first = self.used;
        let mut requests = Vec::new();
        for index in 0..workers {
            let share = count / workers + usize::from(index < count % workers);
            requests.push(WorkerRequest::Connect {
                plan: self.plan.clone(),
                first,
                count: share,
                at_once: at_once.div_ceil(workers),
                attempts,
            });
            first += share;
        }
        self.used = first;
        self.all(&requests, progress).await
    }

    /// Lets the connections be numbered from the start again, after a drop.
    pub(crate) async fn drop_all(&mut self) -> Result<(), Error> {
        self.same(&WorkerRequest::Drop).await?;
        self.used = 0;
        Ok(())
    }

    pub(crate) async fn mark(&mut self) -> Result<(), Error> {
        self.same(&WorkerRequest::Mark).await.map(drop)
    }

    /// Waits until every connection has had `each` since the mark, or the time is over.
    pub(crate) async fn wait(&mut self, each: u64, seconds: f64) -> Result<Sum, Error> {
        let workers = self.workers.len();
        let total = usize::try_from(each).unwrap_or(usize::MAX).saturating_mul(self.used);
        // Connections are dealt evenly at every connect, so each worker's share follows from its tally.
        let open = self.opens().await?;
        let requests: Vec<_> = (0..workers)
            .map(|index| {
                let count = open.get(index).copied().unwrap_or(total) as u64 * each;
                WorkerRequest::Await { count, seconds }
            })
            .collect();
        self.all(&requests, &ProgressLine::silent()).await
    }

    /// Waits for nothing: what has been counted.
    pub(crate) async fn counted(&mut self) -> Result<Sum, Error> {
        self.same(&WorkerRequest::Await { count: 0, seconds: 0.0 }).await
    }

    async fn opens(&mut self) -> Result<Vec<usize>, Error> {
        let mut open = Vec::new();
        for worker in &mut self.workers {
            worker.send(&WorkerRequest::Await { count: 0, seconds: 0.0 }).await?;
            open.push(worker.answer(|_| ()).await?.open);
        }
        Ok(open)
    }

    async fn same(&mut self, request: &WorkerRequest) -> Result<Sum, Error> {
        let requests = vec![request.clone(); self.workers.len()];
        self.all(&requests, &ProgressLine::silent()).await
    }

    async fn all(&mut self, requests: &[WorkerRequest], progress: &ProgressLine) -> Result<Sum, Error> {
        for (worker, request) in self.workers.iter_mut().zip(requests) {
            worker.send(request).await?;
        }
        let open = vec![Cell::new(0usize); self.workers.len()];
        let all = &open;
        let answers = self.workers.iter_mut().zip(&open).map(|(worker, mine)| {
            worker.answer(move |in_progress| {
                mine.set(in_progress.open);
                progress.step(all.iter().map(Cell::get).sum());
            })
        });
        let mut sum = Sum::default();
        for tally in futures_util::future::try_join_all(answers).await? {
            sum.add(tally);
        }
        Ok(sum)
    }
}

impl Worker {
    async fn send(&mut self, request: &WorkerRequest) -> Result<(), Error> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.input.write_all(&line).await.context("a worker ended")
    }

    async fn answer(&mut self, mut in_progress: impl FnMut(&Tally)) -> Result<Tally, Error> {
        loop {
            let line = self.output.next_line().await?.ok_or_else(|| Error::new("a worker ended"))?;
            let tally: Tally = serde_json::from_str(&line)?;
            match tally.in_progress {
                true => in_progress(&tally),
                false => return Ok(tally),
            }
        }
    }
}

impl Sum {
    fn add(&mut self, tally: Tally) {
        self.open += tally.open;
        self.failed += tally.failed;
        self.why = tally.why.or(self.why.take());
        self.logins.add(&tally.logins);
        self.received += tally.received;
        self.bytes += tally.bytes;
        self.first = match (self.first, tally.first) {
            (0, first) | (first, 0) => first,
            (one, other) => one.min(other),
        };
        self.last = self.last.max(tally.last);
        self.delays.add(&tally.delays);
    }
}
