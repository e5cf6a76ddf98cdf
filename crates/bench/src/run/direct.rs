//! Durable acceptance.

use std::cell::RefCell;
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
    let mut report = Report::new("direct", args.accounts).about(common);

    let home = Home::new(common)?;
    let target = Target::open(common, &home, args.accounts).await?;
    let before = commits(&target).await;
    let mut cpu = target.pid().map(CpuMeter::new);
    let started = Instant::now();
    let times = RefCell::new(Times::default());
    let clients = (0..args.concurrency).map(|client| {
        let (http, times) = (target.http(), &times);
        async move {
            let mut http = http?;
            let mut number = client;
            while started.elapsed().as_secs_f64() < args.seconds {
                let to = username(number % args.accounts.max(1));
                number += args.concurrency;
                let departure = measure::now();
                let document = to_one(&to, departure);
                http.notify(&document).await?;
                times.borrow_mut().record(measure::now() - departure);
            }
            Ok::<_, Error>(())
        }
    });
    try_join_all(clients).await?;
    let seconds = started.elapsed().as_secs_f64();
    let server_cpu = cpu.as_mut().map(CpuMeter::lap);
    let times = times.into_inner();
    let accepted = times.count() as f64;
    let group = match (before, commits(&target).await) {
        (Some(before), Some(after)) => Some((after.1 - before.1) / (after.0 - before.0).max(1.0)),
        _ => None,
    };
    let (single, list) = lists(&target, args.accounts).await?;
    target.stop().await?;

    let floor = match common.no_floor {
        true => None,
        false => {
            let home = Home::new(common)?;
            home.seeder()?.accounts(0, args.accounts).await?;
            let group = group.map_or(args.concurrency, |group| group.round() as usize);
            Some(seed::store_loop(&home.seeder_of(group)?, group, args.accounts, args.seconds / 2.0).await?)
        }
    };
    report.compared(
        "durable a second",
        "1/s",
        accepted / seconds,
        floor.as_ref().map(|floor| floor.a_second),
        Some(Budget::RatioAtLeast(0.5)),
    );
    if let Some(nanos) = server_cpu {
        report.compared(
            "durable a CPU second of the server's",
            "1/s",
            accepted * 1e9 / nanos as f64,
            floor.as_ref().map(|floor| floor.a_cpu_second),
            None,
        );
    }
    if let Some(group) = group {
        report.compared("writes a commit", "", group, floor.as_ref().map(|floor| floor.group), None);
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
        "{} requests under way at once, made by this machine too; the floor is the store in a loop of its own, \
         without HTTP, with as many writes a commit",
        args.concurrency
    ));
    report.publish(common.json.as_deref())
}

/// The server's commits so far and the writes in them, where it says so.
async fn commits(target: &Target) -> Option<(f64, f64)> {
    let metrics = target.http().ok()?.text("/metrics").await.ok()?;
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse::<f64>().ok()
    };
    Some((value("tidings_store_commits_total")?, value("tidings_store_writes_total")?))
}

/// As [`notification`] makes it, for one account, and quicker.
fn to_one(username: &str, departure: u64) -> String {
    format!(
        r#"{{"to":{{"user":"{username}"}},"title":"Your parcel is on its way","message":"It leaves the depot this morning and will be with you by noon. @{departure}@","uri":"https://example.org/parcels/4711"}}"#
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_what_the_others_are() {
        let plain = |text: &str| -> serde_json::Value {
            let departure = text.split('@').nth(1).unwrap();
            serde_json::from_str(&text.replace(departure, "")).unwrap()
        };
        let ours = plain(&to_one("bench-0000001", 17));
        assert_eq!(ours, plain(&notification(&serde_json::json!({ "user": "bench-0000001" }))));
    }
}
