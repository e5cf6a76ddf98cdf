//! All devices drop, and all come back.

use super::{BareRig, Rig, login_flow, login_name, settle};
use crate::args::Connect;
use crate::error::Error;
use crate::load::Habits;
use crate::measure;
use crate::report::{Budget, ProgressLine, Report};

pub(super) async fn run(args: &Connect) -> Result<(), Error> {
    let common = &args.common;
    let habits = Habits { acks: true, flow: args.flow.flow() };
    let mut report =
        Report::new(&login_name("storm", habits.flow), args.sessions).judged(common.target.is_none());
    let mut rig = Rig::start(common, args.sessions, habits).await?;
    rig.fleet.connect(args.sessions, &ProgressLine::new("logins", args.sessions)).await?;
    settle(2.0).await;

    rig.lap();
    let started = measure::now();
    rig.fleet.drop_all().await?;
    let sum = rig.fleet.storm(args.sessions, &ProgressLine::new("coming back", args.sessions)).await?;
    let seconds = (measure::now() - started) as f64 / 1e9;
    settle(1.0).await;
    let cpu = rig.lap();

    let baseline = match BareRig::unless(common.no_baseline, args.sessions, false).await? {
        Some(mut bare) => {
            bare.cpu.lap();
            bare.fleet.storm(args.sessions, &ProgressLine::new("bare handshakes", args.sessions)).await?;
            settle(0.3).await;
            Some(args.sessions as f64 * 1e9 / bare.cpu.lap() as f64)
        }
        None => None,
    };
    if let Some(cpu) = cpu {
        report.compared(
            "comebacks a server CPU second",
            "1/s",
            args.sessions as f64 * 1e9 / cpu,
            baseline,
            Some(Budget::RatioAtLeast(0.6)),
        );
    }
    report.figure("until the last one is back", "s", seconds);
    report.figure("login, median", "ms", sum.logins.percentile(50.0));
    report.figure("login, 99 %", "ms", sum.logins.percentile(99.0));
    report.figure("attempts that failed and were made again", "", sum.failed as f64);
    report.note("at most 2,000 logins were under way at once; a failed attempt is made again at once");
    report.note(login_flow(habits.flow));
    report.publish(common.json.as_deref())
}
