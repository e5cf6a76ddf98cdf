//! Durable acceptance.

use std::cell::RefCell;
use std::time::Instant;

use futures_util::future::try_join_all;

use super::{notification, settle, to_one};
use crate::args::Direct;
use crate::error::Error;
use crate::hist::Times;
use crate::load::username;
use crate::measure::{self, CpuMeter};
use crate::report::{Budget, Report};
use crate::subject::seed::{self, Loop};
use crate::subject::{Http, Subject, WorkDir};

/// Server and baseline take turns so often: the machine's bad moments should meet both.
const ROUNDS: u32 = 4;
/// Between turns, so that none pays for what the one before left to be written.
const PAUSE: f64 = 0.3;

pub(super) async fn run(args: &Direct) -> Result<(), Error> {
    let common = &args.common;
    let mut report = Report::new("direct", args.accounts).judged(common.target.is_none());

    let (work_dir, bare) = (WorkDir::new(common)?, WorkDir::new(common)?);
    let subject = Subject::open(common, &work_dir, args.accounts).await?;
    if !common.no_baseline {
        bare.seeder()?.accounts(0, args.accounts).await?;
    }
    let mut clients = (0..args.concurrency).map(|_| subject.http()).collect::<Result<Vec<_>, _>>()?;
    let mut cpu = subject.pid().map(CpuMeter::new);
    let (mut server, mut baseline) = (Server::default(), None::<Loop>);
    for _ in 0..ROUNDS {
        settle(PAUSE).await;
        server.turn(args, &subject, &mut clients, &mut cpu).await?;
        if !common.no_baseline {
            settle(PAUSE).await;
            let group = server.group().map_or(args.concurrency, |group| group.round() as usize);
            let seconds = args.seconds / f64::from(ROUNDS) / 2.0;
            let turn = seed::store_loop(&bare.seeder_of(group)?, group, args.accounts, seconds).await?;
            baseline.get_or_insert_default().add(&turn);
        }
    }
    drop(clients);
    let (single, list) = lists(&subject, args.accounts).await?;
    subject.stop().await?;

    let (accepted, times) = (server.times.count() as f64, &server.times);
    report.compared(
        "durable a second",
        "1/s",
        accepted / server.seconds,
        baseline.as_ref().map(Loop::a_second),
        Some(Budget::RatioAtLeast(0.5)),
    );
    if let Some(nanos) = server.cpu_nanos {
        report.compared(
            "durable a CPU second of the server's",
            "1/s",
            accepted * 1e9 / nanos,
            baseline.as_ref().map(Loop::a_cpu_second),
            None,
        );
    }
    if let Some(group) = server.group() {
        report.compared("writes a commit", "", group, baseline.as_ref().map(Loop::group), None);
    }
    report.figure("request to 202, median", "ms", times.percentile(50.0));
    report.figure("request to 202, 99 %", "ms", times.percentile(99.0));
    report.figure("one account named", "ms", single);
    report.compared(
        "1,000 accounts named, against one",
        "ms",
        list,
        Some(single),
        Some(Budget::RatioAtMost(10.0)),
    );
    report.note(format!(
        "{} requests under way at once, made by this machine too; the baseline is the store in a loop of its own, \
         without HTTP, with as many writes a commit, in turns of {} s with the server",
        args.concurrency,
        args.seconds / f64::from(ROUNDS)
    ));
    report.publish(common.json.as_deref())
}

/// What the server took.
#[derive(Default)]
struct Server {
    times: Times,
    seconds: f64,
    cpu_nanos: Option<f64>,
    /// Commits, and the writes in them, where it says so.
    commits: Option<(f64, f64)>,
}

impl Server {
    /// Every client sends one notification after the other for a while.
    async fn turn(
        &mut self,
        args: &Direct,
        subject: &Subject,
        clients: &mut [Http],
        cpu: &mut Option<CpuMeter>,
    ) -> Result<(), Error> {
        let before = commits(subject).await;
        if let Some(cpu) = cpu {
            cpu.lap();
        }
        let seconds = args.seconds / f64::from(ROUNDS);
        let started = Instant::now();
        let times = RefCell::new(&mut self.times);
        let clients = clients.iter_mut().enumerate().map(|(client, http)| {
            let times = &times;
            async move {
                let mut number = client;
                while started.elapsed().as_secs_f64() < seconds {
                    let to = username(number % args.accounts.max(1));
                    number += args.concurrency;
                    let departure = measure::now();
                    http.notify(&to_one(&to, departure)).await?;
                    times.borrow_mut().record(measure::now() - departure);
                }
                Ok::<_, Error>(())
            }
        });
        try_join_all(clients).await?;
        self.seconds += started.elapsed().as_secs_f64();
        if let Some(cpu) = cpu {
            *self.cpu_nanos.get_or_insert_default() += cpu.lap() as f64;
        }
        if let (Some(before), Some(after)) = (before, commits(subject).await) {
            let sum = self.commits.get_or_insert_default();
            *sum = (sum.0 + after.0 - before.0, sum.1 + after.1 - before.1);
        }
        Ok(())
    }

    /// Writes a commit.
    fn group(&self) -> Option<f64> {
        self.commits.map(|(commits, writes)| writes / commits.max(1.0))
    }
}

/// The server's commits so far and the writes in them, where it says so.
async fn commits(subject: &Subject) -> Option<(f64, f64)> {
    let metrics = subject.http().ok()?.text("/metrics").await.ok()?;
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse::<f64>().ok()
    };
    Some((value("tidings_store_commits_total")?, value("tidings_store_writes_total")?))
}

/// Medians of one after the other: a single account, and a list of 1,000.
async fn lists(subject: &Subject, accounts: usize) -> Result<(f64, f64), Error> {
    let mut http = subject.http()?;
    let (mut single, mut list) = (Times::default(), Times::default());
    for round in 0..50 {
        let departure = measure::now();
        http.notify(&notification(&serde_json::json!({ "user": username(round % accounts.max(1)) }))).await?;
        single.record(measure::now() - departure);
        let users: Vec<_> = (0..accounts.min(1000)).map(username).collect();
        let document = notification(&serde_json::json!({ "users": users }));
        let departure = measure::now();
        http.notify(&document).await?;
        list.record(measure::now() - departure);
    }
    Ok((single.percentile(50.0), list.percentile(50.0)))
}
