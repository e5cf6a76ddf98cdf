//! Logins.

use super::{BareRig, Rig, login_flow, login_name, median, settle};
use crate::args::Connect;
use crate::error::Error;
use crate::hist::Times;
use crate::load::Habits;
use crate::measure;
use crate::report::{Budget, ProgressLine, Report};

pub(super) async fn run(args: &Connect) -> Result<(), Error> {
    let common = &args.common;
    let habits = Habits { acks: true, flow: args.flow.flow() };
    let mut report =
        Report::new(&login_name("connect", habits.flow), args.sessions).judged(common.target.is_none());
    let mut rig = Rig::start(common, args.sessions, habits).await?;
    let mut bare = BareRig::unless(common.no_baseline, args.sessions, false).await?;
    let (before, bare_before) =
        (rig.subject.pss(), bare.as_ref().and_then(|bare| measure::pss(bare.program.pid())));

    let rounds = args.rounds.clamp(1, args.sessions.max(1));
    let (mut rates, mut logins, mut handshakes) = (Vec::new(), Vec::new(), Vec::new());
    let mut times = Times::default();
    for round in 0..rounds {
        let share = args.sessions / rounds + usize::from(round < args.sessions % rounds);
        rig.lap();
        let started = measure::now();
        let progress = ProgressLine::new("logins", args.sessions);
        let sum = rig.fleet.connect(share, &progress).await?;
        rates.push(share as f64 * 1e9 / (measure::now() - started) as f64);
        times.add(&sum.logins.pack());
        settle(1.0).await;
        logins.extend(rig.lap().map(|cpu| share as f64 * 1e9 / cpu));
        if let Some(bare) = &mut bare {
            bare.cpu.lap();
            bare.fleet.connect(share, &ProgressLine::new("bare handshakes", args.sessions)).await?;
            settle(0.3).await;
            handshakes.push(share as f64 * 1e9 / bare.cpu.lap() as f64);
        }
    }

    let baseline = bare.as_ref().map(|_| median(&handshakes));
    if !logins.is_empty() {
        report.compared(
            "logins a server CPU second",
            "1/s",
            median(&logins),
            baseline,
            Some(Budget::RatioAtLeast(0.6)),
        );
    }
    report.figure("logins a second", "1/s", median(&rates));
    report.figure("login, median", "ms", times.percentile(50.0));
    report.figure("login, 99 %", "ms", times.percentile(99.0));
    if let (Some(before), Some(after)) = (before, rig.subject.pss()) {
        let each = (after as f64 - before as f64) / args.sessions as f64;
        let baseline = bare.as_ref().zip(bare_before).and_then(|(bare, before)| {
            Some((measure::pss(bare.program.pid())? as f64 - before as f64) / args.sessions as f64)
        });
        report.compared("memory a session, above the empty server", "KiB", each, baseline, None);
    }
    report.note(format!("{rounds} rounds, medians; at most 64 logins were under way at once"));
    report.note(login_flow(habits.flow));
    report.publish(common.json.as_deref())
}
