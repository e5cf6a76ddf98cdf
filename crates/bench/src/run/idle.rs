//! What an idle session holds.

use super::{BareRig, Rig, settle, slope};
use crate::args::Idle;
use crate::error::Error;
use crate::load::Fleet;
use crate::load::Habits;
use crate::measure;
use crate::report::{Budget, ProgressLine, Report, Series};

pub(super) async fn run(args: &Idle) -> Result<(), Error> {
    let common = &args.common;
    if args.from >= args.to {
        return Err(Error::new("--to must be larger than --from"));
    }
    let sizes: Vec<usize> =
        (0..args.steps + 2).map(|step| args.from + (args.to - args.from) * step / (args.steps + 1)).collect();
    let mut report = Report::new("idle", args.to).judged(common.target.is_none());

    let mut bare_points = Vec::new();
    if let Some(mut bare) = BareRig::unless(common.no_baseline, args.to, false).await? {
        let pid = bare.program.pid();
        grow(&mut bare.fleet, &sizes, args.settle, "bare connections", &mut bare_points, || {
            measure::pss(pid)
        })
        .await?;
    }
    let mut rig = Rig::start(common, args.to, Habits { acks: true, ..Habits::default() }).await?;
    let empty = rig.subject.pss();
    let subject = &rig.subject;
    let mut points = Vec::new();
    grow(&mut rig.fleet, &sizes, args.settle, "sessions", &mut points, || subject.pss()).await?;
    if points.is_empty() {
        return Err(Error::new("memory cannot be read: give --pid of a process on this machine"));
    }
    rig.lap();
    settle(10.0).await;
    let idle_cpu = rig.lap().unwrap_or(0.0) / 10e9;

    let baseline = (!bare_points.is_empty()).then(|| slope(&bare_points));
    report.compared("memory a session", "KiB", slope(&points), baseline, Some(Budget::RatioAtMost(1.5)));
    report.compared("the same, by itself", "KiB", slope(&points), None, Some(Budget::AtMost(8.0)));
    if let Some(empty) = empty {
        report.figure("empty server", "MiB", empty as f64 / 1024.0);
    }
    report.figure("processor time while all are idle", "%", idle_cpu * 100.0);
    report.series.push(Series { name: "server, MiB".into(), points: mib(&points) });
    report.series.push(Series { name: "bare TLS, MiB".into(), points: mib(&bare_points) });
    report.note(format!("Pss of the server, slope between {} and {} sessions", args.from, args.to));
    report.publish(common.json.as_deref())
}

async fn grow(
    fleet: &mut Fleet,
    sizes: &[usize],
    seconds: f64,
    what: &str,
    points: &mut Vec<(f64, f64)>,
    memory: impl Fn() -> Option<u64>,
) -> Result<(), Error> {
    let mut open = 0;
    for size in sizes {
        fleet.connect(size - open, &ProgressLine::new(what, *size)).await?;
        open = *size;
        settle(seconds).await;
        let really = fleet.counted().await?.open;
        if really != open {
            return Err(Error::new(format!("{} of {open} connections were lost", open - really)));
        }
        points.extend(memory().map(|kib| (open as f64, kib as f64)));
    }
    Ok(())
}

fn mib(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().map(|(sessions, kib)| (*sessions, kib / 1024.0)).collect()
}
