//! Time to accept a broadcast, by number of offline accounts.

use super::{median, notification};
use crate::args::Accept;
use crate::error::Error;
use crate::measure;
use crate::report::{Budget, Report, Series};
use crate::subject::{Subject, WorkDir};

pub(super) async fn run(args: &Accept) -> Result<(), Error> {
    let common = &args.common;
    let most = args.accounts.iter().copied().max().unwrap_or(0);
    let mut report = Report::new("accept", most).judged(common.target.is_none());
    let work_dir = WorkDir::new(common)?;
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut there = 0;
    for accounts in &args.accounts {
        if *accounts < there {
            return Err(Error::new("--accounts: smaller numbers come first"));
        }
        work_dir.seeder()?.accounts(there, *accounts).await?;
        there = *accounts;
        let subject = Subject::start(common, &work_dir).await?;
        let mut http = subject.http()?;
        let mut times = Vec::new();
        for _ in 0..args.rounds {
            let started = measure::now();
            http.notify(&notification(&serde_json::json!({ "all": true }))).await?;
            times.push((measure::now() - started) as f64 / 1e6);
        }
        let time = median(&times);
        let baseline = points.first().map(|(_, time)| *time);
        let budget = baseline.map(|_| Budget::RatioAtMost(1.5));
        report.compared(&format!("a broadcast to {accounts} accounts, to 202"), "ms", time, baseline, budget);
        points.push((*accounts as f64, time));
        subject.stop().await?;
    }
    report.series.push(Series { name: "request to 202, ms".into(), points });
    report.note("the baseline of the larger sizes is the smallest size; all accounts are offline");
    report.publish(common.json.as_deref())
}
