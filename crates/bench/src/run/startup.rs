//! Time to start with much in the store.

use super::{median, settle};
use crate::args::Startup;
use crate::error::Error;
use crate::report::{Budget, Report};
use crate::subject::{Subject, WorkDir};

/// Starts of each kind.
const ROUNDS: usize = 3;

pub(super) async fn run(args: &Startup) -> Result<(), Error> {
    let common = &args.common;
    let mut report = Report::new("startup", args.accounts).judged(common.target.is_none());
    let empty = WorkDir::new(common)?;
    let (empty_time, empty_memory) = starts(args, &empty).await?;
    let full = WorkDir::new(common)?;
    let seeder = full.seeder()?;
    seeder.accounts(0, args.accounts).await?;
    seeder.pending(args.pending, args.accounts).await?;
    drop(seeder);
    let (time, memory) = starts(args, &full).await?;
    report.figure("ready with an empty store", "s", empty_time);
    report.compared(
        "ready, longer than with an empty store",
        "s",
        time - empty_time,
        None,
        Some(Budget::AtMost(2.0)),
    );
    report.figure("memory with an empty store", "MiB", empty_memory);
    report.figure("memory", "MiB", memory);
    report.note(format!("{} accounts, {} pending notifications", args.accounts, args.pending));
    report.publish(common.json.as_deref())
}

/// Median time to be ready, and the memory two seconds later.
async fn starts(args: &Startup, work_dir: &WorkDir) -> Result<(f64, f64), Error> {
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let subject = Subject::start(&args.common, work_dir).await?;
        settle(2.0).await;
        // The first start makes certificates.
        if round > 0 {
            times.extend(subject.startup.map(|time| time.as_secs_f64()));
            memory.extend(subject.pss().map(|kib| kib as f64 / 1024.0));
        }
        subject.stop().await?;
    }
    Ok((median(&times), median(&memory)))
}
