//! Only the bare program.

use super::{BareRig, median, settle};
use crate::args::{BaselineArgs, BaselineKind};
use crate::baseline::BaselineRequest;
use crate::error::Error;
use crate::measure;
use crate::report::{ProgressLine, Report};

const ROUNDS: usize = 5;

pub(super) async fn run(args: &BaselineArgs) -> Result<(), Error> {
    let answer = matches!(args.kind, BaselineKind::Exchange);
    let mut report = Report::new("baseline", args.sessions);
    let mut bare = BareRig::start(args.sessions, answer).await?;
    let pid = bare.program.pid();
    let before = measure::pss(pid).unwrap_or(0);
    bare.cpu.lap();
    bare.fleet.connect(args.sessions, &ProgressLine::new("bare handshakes", args.sessions)).await?;
    settle(0.5).await;
    let handshakes = args.sessions as f64 * 1e9 / bare.cpu.lap() as f64;
    report.figure("handshakes a CPU second", "1/s", handshakes);
    let after = measure::pss(pid).unwrap_or(0);
    let each = (after as f64 - before as f64) / args.sessions as f64;
    report.figure("memory a connection, above the empty program", "KiB", each);
    if !matches!(args.kind, BaselineKind::Connect) {
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            bare.fleet.mark().await?;
            bare.cpu.lap();
            let written = bare.program.ask(&BaselineRequest::Write(args.bytes)).await?.written;
            let got = bare.fleet.wait(1, 60.0).await?.received;
            if written != args.sessions || got != args.sessions as u64 {
                return Err(Error::new(format!("{written} records written, {got} received")));
            }
            settle(0.3).await;
            rates.push(args.sessions as f64 * 1e9 / bare.cpu.lap() as f64);
        }
        let name = if answer { "records exchanged a CPU second" } else { "records written a CPU second" };
        report.figure(name, "1/s", median(&rates));
    }
    report.publish(args.json.as_deref())
}
