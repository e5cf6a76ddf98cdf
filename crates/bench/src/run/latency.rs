//! From the request to the device.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn_blocking};

use super::disk::{DurableEcho, nanos};
use super::pace::Pace;
use super::{Rig, settle, to_one};
use crate::args::Latency;
use crate::baseline::BareProgram;
use crate::error::{Context, Error};
use crate::hist::Times;
use crate::load::Habits;
use crate::load::username;
use crate::measure;
use crate::report::{Budget, ProgressLine, Report};
use crate::subject::{Receiver, Sender};

/// HTTP connections that requests are spread over, at most.
const CONNECTIONS: usize = 64;
/// How long a request may wait for one of them.
const PATIENCE: Duration = Duration::from_secs(60);
/// Seconds of a turn, about. Server and baseline take many: what is slow for a while, such as
/// the disk, should meet both alike. Not fewer: each begins with cold caches.
const TURN: f64 = 5.0;
/// Turns of each, at least, where there is enough to send.
const TURNS: f64 = 4.0;

pub(super) async fn run(args: &Latency) -> Result<(), Error> {
    let common = &args.common;
    let (turns, pace) = turns(args.rate, args.seconds)?;
    let mut report = Report::new("latency", args.sessions).judged(common.target.is_none());
    let mut rig = Rig::start(common, args.sessions, Habits { acks: true, ..Habits::default() }).await?;
    rig.fleet.connect(args.sessions, &ProgressLine::new("logins", args.sessions)).await?;
    let echo = BareProgram::start().await?;
    let mut bare = match common.no_baseline {
        true => None,
        false => Some(DurableEcho::open(&rig.work_dir.path().join("fsync"), echo.ready.echo)?),
    };
    let mut senders = Senders::open(&rig, args).await?;
    settle(2.0).await;

    let progress = ProgressLine::new("turns", turns);
    let (mut baselines, mut devices, mut cpu) = (Times::default(), Times::default(), None);
    let (mut seconds, mut bare_seconds) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        progress.step(turn);
        if let Some(mut program) = bare.take() {
            let work = spawn_blocking(move || program.turn(pace).map(|times| (program, times)));
            let (program, times) = work.await.context("the baseline stopped")??;
            bare_seconds.push(times.percentile(99.0));
            baselines.add(&times.pack());
            bare = Some(program);
        }
        rig.fleet.mark().await?;
        rig.lap();
        let work = spawn_blocking(move || senders.turn(pace).map(|()| senders));
        senders = work.await.context("the clock stopped")??;
        let times = arrived(&mut rig, pace.count()).await?;
        seconds.push(times.percentile(99.0));
        devices.add(&times.pack());
        cpu = rig.lap().map(|more| cpu.unwrap_or(0.0) + more);
    }
    drop(progress);
    let sent = senders.sent;
    let accepted = senders.close().await?;

    let bare = |percent| (baselines.count() > 0).then(|| baselines.percentile(percent));
    report.compared("request to device, median", "ms", devices.percentile(50.0), bare(50.0), None);
    report.compared(
        "request to device, 99 %",
        "ms",
        devices.percentile(99.0),
        bare(99.0),
        Some(Budget::RatioAtMost(3.0)),
    );
    let typical = median(&mut bare_seconds);
    let name = "request to device, 99 % of a turn, median of turns";
    report.compared(name, "ms", median(&mut seconds).unwrap_or(0.0), typical, None);
    report.compared("request to device, 99.9 %", "ms", devices.percentile(99.9), bare(99.9), None);
    report.compared(
        "request to device, longest",
        "ms",
        devices.max(),
        bare(100.0).map(|_| baselines.max()),
        None,
    );
    report.figure("request to 202, median", "ms", accepted.percentile(50.0));
    report.figure("request to 202, 99 %", "ms", accepted.percentile(99.0));
    if let Some(cpu) = cpu {
        report.figure("server CPU time a notification", "µs", cpu / 1e3 / sent as f64);
    }
    report.note(format!(
        "{sent} notifications, {} a second; the baseline is an append with fdatasync and a round trip over loopback TCP \
         at the same pace, in turns of {} s",
        args.rate,
        pace.seconds
    ));
    report.publish(common.json.as_deref())
}

/// How many turns each has, and what is sent in one of them: something, at least.
fn turns(rate: f64, seconds: f64) -> Result<(usize, Pace), Error> {
    let count = rate * seconds;
    if !count.is_finite() || count < 1.0 {
        return Err(Error::new(format!(
            "{rate} a second for {seconds} s: not one notification, or without end"
        )));
    }
    let turns = (seconds / TURN).round().max(TURNS).min(count.floor());
    Ok((turns as usize, Pace { rate, seconds: seconds / turns }))
}

/// The middle one.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// How long those took that were sent since the mark, once all of them have arrived.
async fn arrived(rig: &mut Rig, sent: u64) -> Result<Times, Error> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut sum = rig.fleet.counted().await?;
    while sum.received < sent && Instant::now() < deadline {
        settle(0.1).await;
        sum = rig.fleet.counted().await?;
    }
    if sum.received != sent {
        return Err(Error::new(format!("{} of {sent} notifications arrived", sum.received)));
    }
    if sum.delays.count() != sent {
        let timed = sum.delays.count();
        return Err(Error::new(format!("{timed} of {sent} notifications carried their time of departure")));
    }
    Ok(sum.delays)
}

/// The senders, each over a connection of its own that is kept.
struct Senders {
    /// With the moment at which each last sent something.
    connections: Vec<(Sender, Arc<AtomicU64>)>,
    receivers: JoinSet<Times>,
    /// Whose request was answered, or why it was not.
    free: mpsc::Receiver<Result<usize, Error>>,
    give_back: mpsc::Sender<Result<usize, Error>>,
    /// How many devices there are.
    sessions: usize,
    /// Notifications so far.
    sent: u64,
}

impl Senders {
    async fn open(rig: &Rig, args: &Latency) -> Result<Self, Error> {
        let (mut connections, mut receivers) = (Vec::new(), JoinSet::new());
        let (give_back, free) = mpsc::channel();
        let http = rig.subject.http()?;
        // Not so many that one is idle for long: the server would close it.
        let count = CONNECTIONS.min(args.rate.ceil() as usize).max(1);
        for number in 0..count {
            let (sender, receiver) = http.halves().await?;
            let departure = Arc::new(AtomicU64::new(0));
            receivers.spawn(receive(receiver, Arc::clone(&departure), number, give_back.clone()));
            connections.push((sender, departure));
            let _ = give_back.send(Ok(number));
        }
        Ok(Self { connections, receivers, free, give_back, sessions: args.sessions.max(1), sent: 0 })
    }

    fn free(&self) -> Result<usize, Error> {
        self.free.recv_timeout(PATIENCE).context("no connection was free")?
    }

    /// Sends at a steady pace, until everything is answered; a request that waits for a
    /// free connection keeps its moment of departure. To be run on a thread, which keeps
    /// time better than the runtime, whose clock ticks in milliseconds; and it writes by
    /// itself, like the baseline's.
    fn turn(&mut self, pace: Pace) -> Result<(), Error> {
        let (started, zero) = (Instant::now(), measure::now());
        for index in 0..pace.count() {
            // A stride that visits every account before any twice.
            let account = usize::try_from(self.sent.wrapping_mul(7919)).unwrap_or(0) % self.sessions;
            let to = username(account);
            let due = zero + nanos(pace.due(index));
            let early = pace.due(index).saturating_sub(started.elapsed());
            std::thread::sleep(early);
            let departure = if early.is_zero() { due } else { measure::now() };
            let number = self.free()?;
            let (sender, departed) =
                self.connections.get_mut(number).ok_or_else(|| Error::new("no such connection"))?;
            departed.store(departure, Ordering::Release);
            sender.notify(&to_one(&to, departure)).context("a request was not sent")?;
            self.sent += 1;
        }
        let answered = (0..self.connections.len()).map(|_| self.free()).collect::<Result<Vec<_>, _>>()?;
        for number in answered {
            let _ = self.give_back.send(Ok(number));
        }
        Ok(())
    }

    /// Ends the connections; how long the answers took.
    async fn close(mut self) -> Result<Times, Error> {
        for (sender, _) in &self.connections {
            sender.close()?;
        }
        let mut accepted = Times::default();
        while let Some(times) = self.receivers.join_next().await {
            accepted.add(&times.context("who reads answers stopped")?.pack());
        }
        Ok(accepted)
    }
}

/// Times the answers on one connection, which is free again after each.
async fn receive(
    mut receiver: Receiver,
    departure: Arc<AtomicU64>,
    number: usize,
    give_back: mpsc::Sender<Result<usize, Error>>,
) -> Times {
    let mut times = Times::default();
    loop {
        match receiver.accepted().await {
            Ok(true) => times.record(measure::now().saturating_sub(departure.load(Ordering::Acquire))),
            Ok(false) => return times,
            Err(error) => {
                let _ = give_back.send(Err(error));
                return times;
            }
        }
        if give_back.send(Ok(number)).is_err() {
            return times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_has_something_to_send() {
        let split = |rate, seconds| turns(rate, seconds).map(|(turns, pace)| (turns, pace.count())).ok();
        assert_eq!(split(1000.0, 60.0), Some((12, 5000)));
        assert_eq!(split(1000.0, 2.0), Some((4, 500)));
        assert_eq!(split(0.5, 20.0), Some((4, 2)));
        assert_eq!(split(1.0, 1.0), Some((1, 1)));
        assert_eq!(split(0.5, 1.0), None);
        assert_eq!(split(0.0, 60.0), None);
        assert_eq!(split(1000.0, f64::INFINITY), None);
        assert_eq!(split(f64::NAN, 60.0), None);
    }
}
