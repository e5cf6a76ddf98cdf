//! One notification to all accounts.

use std::time::{Duration, Instant};

use super::{BareRig, Rig, median, notification, settle};
use crate::args::Broadcast;
use crate::baseline::BaselineRequest;
use crate::error::Error;
use crate::load::Habits;
use crate::measure;
use crate::report::{Budget, ProgressLine, Report, Series};
use crate::subject::Http;

/// How long a round may take.
const PATIENCE: f64 = 120.0;

#[derive(Default)]
struct Rounds {
    copies: Vec<f64>,
    bare: Vec<f64>,
    accepted: Vec<f64>,
    first: Vec<f64>,
    last: Vec<f64>,
    settled: Vec<f64>,
}

pub(super) async fn run(args: &Broadcast) -> Result<(), Error> {
    let common = &args.common;
    let name = if args.acks { "broadcast, acknowledged" } else { "broadcast" };
    let mut report = Report::new(name, args.sessions).judged(common.target.is_none());
    let mut rig = Rig::start(common, args.sessions, Habits { acks: args.acks, ..Habits::default() }).await?;
    let mut http = rig.subject.http()?;
    rig.fleet.connect(args.sessions, &ProgressLine::new("logins", args.sessions)).await?;
    let mut bare = BareRig::unless(common.no_baseline, args.sessions, args.acks).await?;
    if let Some(bare) = &mut bare {
        bare.fleet.connect(args.sessions, &ProgressLine::new("bare handshakes", args.sessions)).await?;
    }
    settle(2.0).await;

    let mut rounds = Rounds::default();
    // The first one warms up, and says how large a notification is.
    let mut size = round(args, &mut rig, &mut http, &mut Rounds::default()).await?;
    if let Some(bare) = &mut bare {
        bare_round(args, bare, size, &mut Rounds::default()).await?;
    }
    for number in 0..args.rounds {
        let progress = ProgressLine::new("rounds", args.rounds);
        progress.step(number);
        size = round(args, &mut rig, &mut http, &mut rounds).await?;
        if let Some(bare) = &mut bare {
            bare_round(args, bare, size, &mut rounds).await?;
        }
    }

    let baseline = bare.as_ref().map(|_| median(&rounds.bare));
    if !rounds.copies.is_empty() {
        let what = match args.acks {
            true => "delivered and settled a server CPU second",
            false => "written a server CPU second",
        };
        report.compared(what, "1/s", median(&rounds.copies), baseline, Some(Budget::RatioAtLeast(0.6)));
    }
    report.figure("request to 202", "ms", median(&rounds.accepted));
    report.figure("request to the first device", "ms", median(&rounds.first));
    report.figure("request to the last device", "ms", median(&rounds.last));
    if args.acks {
        report.figure("request to all settled on disk", "ms", median(&rounds.settled));
    }
    report.figure("a notification on the wire", "bytes", size as f64);
    if let Some(pss) = rig.subject.pss() {
        report.figure("memory after all rounds, a session", "KiB", pss as f64 / args.sessions as f64);
    }
    let numbered = |values: &[f64]| {
        values.iter().enumerate().map(|(round, value)| ((round + 1) as f64, *value)).collect::<Vec<_>>()
    };
    report.series.push(Series { name: "server, 1/s by round".into(), points: numbered(&rounds.copies) });
    report.series.push(Series { name: "bare, 1/s by round".into(), points: numbered(&rounds.bare) });
    report.note(format!("{} rounds, medians", args.rounds));
    report.publish(common.json.as_deref())
}

/// Answers the size of a notification.
async fn round(
    args: &Broadcast,
    rig: &mut Rig,
    http: &mut Http,
    rounds: &mut Rounds,
) -> Result<usize, Error> {
    rig.fleet.mark().await?;
    rig.lap();
    let started = measure::now();
    let id = http.notify_for_id(&notification(&serde_json::json!({ "all": true }))).await?;
    let accepted = measure::now();
    let sum = rig.fleet.wait(1, PATIENCE).await?;
    if sum.received != args.sessions as u64 {
        return Err(Error::new(format!("{} of {} devices got it", sum.received, args.sessions)));
    }
    if args.acks {
        let settled = until_settled(http, &id, args.sessions).await?;
        rounds.settled.push((settled - started) as f64 / 1e6);
    }
    settle(0.5).await;
    if let Some(cpu) = rig.lap() {
        rounds.copies.push(args.sessions as f64 * 1e9 / cpu);
    }
    let millis = |at: u64| at.saturating_sub(started) as f64 / 1e6;
    rounds.accepted.push(millis(accepted));
    rounds.first.push(millis(sum.first));
    rounds.last.push(millis(sum.last));
    Ok(usize::try_from(sum.bytes / sum.received.max(1)).unwrap_or(0))
}

async fn until_settled(http: &mut Http, id: &str, sessions: usize) -> Result<u64, Error> {
    let started = Instant::now();
    let mut wait = Duration::from_millis(20);
    loop {
        let view = http.get(&format!("/v1/notifications/{id}")).await?;
        let delivered = view.get("delivered").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if delivered >= sessions as u64 {
            return Ok(measure::now());
        }
        if started.elapsed().as_secs_f64() > PATIENCE {
            return Err(Error::new(format!("{delivered} of {sessions} were settled")));
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_millis(100));
    }
}

async fn bare_round(
    args: &Broadcast,
    bare: &mut BareRig,
    size: usize,
    rounds: &mut Rounds,
) -> Result<(), Error> {
    bare.fleet.mark().await?;
    let before = bare.program.ask(&BaselineRequest::Count).await?;
    bare.cpu.lap();
    let answer = bare.program.ask(&BaselineRequest::Write(size)).await?;
    if answer.written != args.sessions {
        return Err(Error::new(format!("the bare program wrote {} of {}", answer.written, args.sessions)));
    }
    let sum = bare.fleet.wait(1, PATIENCE).await?;
    if sum.received != args.sessions as u64 {
        return Err(Error::new(format!(
            "the bare program's clients got {} of {}",
            sum.received, args.sessions
        )));
    }
    if args.acks {
        let started = Instant::now();
        while bare.program.ask(&BaselineRequest::Count).await?.read - before.read < args.sessions as u64 {
            if started.elapsed().as_secs_f64() > PATIENCE {
                return Err(Error::new("the bare program did not get all answers"));
            }
            settle(0.02).await;
        }
    }
    settle(0.2).await;
    rounds.bare.push(args.sessions as f64 * 1e9 / bare.cpu.lap() as f64);
    Ok(())
}
