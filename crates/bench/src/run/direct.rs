//! Durable acceptance.

use std::time::Instant;

use futures_util::future::try_join_all;

use super::notification;
use crate::args::Direct;
use crate::error::Error;
use crate::hist::Times;
use crate::load::username;
use crate::measure::{self, CpuMeter};
use crate::report::{Budget, Report};
use crate::target::{Home, Target, seed};

pub(super) async fn run(args: &Direct) -> Result<(), Error> {
    let common = &args.common;
    let mut report = Report::new("direct", args.accounts);

    let floor = match common.no_floor {
        true => None,
        false => {
            let home = Home::new(common)?;
            let seeder = home.seeder()?;
            seeder.accounts(0, args.accounts).await?;
            Some(seed::store_loop(&seeder, args.concurrency, args.accounts, args.seconds / 2.0).await?)
        }
    };

    let home = Home::new(common)?;
    let target = Target::open(common, &home, args.accounts).await?;
    let mut cpu = target.pid().map(CpuMeter::new);
    let started = Instant::now();
    let clients = (0..args.concurrency).map(|client| {
        let http = target.http();
        async move {
            let mut http = http?;
            let mut times = Times::default();
            let mut number = client;
            while started.elapsed().as_secs_f64() < args.seconds {
                let to = username(number % args.accounts.max(1));
                number += args.concurrency;
                let document = notification(&serde_json::json!({ "user": to }));
                let departure = measure::now();
                http.notify(&document).await?;
                times.record(measure::now() - departure);
            }
            Ok::<_, Error>(times)
        }
    });
    let mut times = Times::default();
    for client in try_join_all(clients).await? {
        times.add(&client.pack());
    }
    let seconds = started.elapsed().as_secs_f64();
    let accepted = times.count() as f64;
    report.compared("durable a second", "1/s", accepted / seconds, floor, Some(Budget::RatioAtLeast(0.5)));
    if let Some(cpu) = cpu.as_mut() {
        report.figure("durable a server CPU second", "1/s", accepted * 1e9 / cpu.lap() as f64);
    }
    report.figure("request to 202, median", "ms", times.percentile(50.0));
    report.figure("request to 202, 99 %", "ms", times.percentile(99.0));

    let (single, list) = lists(&target, args.accounts).await?;
    report.figure("one account named", "ms", single);
    report.compared(
        "1,000 accounts named, against one",
        "ms",
        list,
        Some(single),
        Some(Budget::RatioAtMost(10.0)),
    );
    report.note(format!(
        "{} requests under way at once; the floor is the store in a process of its own, without HTTP, with as many writes under way",
        args.concurrency
    ));
    report.publish(common.json.as_deref())
}

/// Medians of one after the other: a single account, and a list of 1,000.
async fn lists(target: &Target, accounts: usize) -> Result<(f64, f64), Error> {
    let mut http = target.http()?;
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
