//! From the request to the device.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{Rig, notification, settle};
use crate::args::Latency;
use crate::error::Error;
use crate::floor::Floor;
use crate::hist::Times;
use crate::load::Habits;
use crate::load::username;
use crate::measure;
use crate::report::{Budget, Progress, Report};

/// HTTP connections that requests are spread over.
const SENDERS: usize = 64;
/// Samples of the disk and the loopback, before and after.
const SAMPLES: usize = 1500;

pub(super) async fn run(args: &Latency, reenter: &[&str]) -> Result<(), Error> {
    let common = &args.common;
    let mut report = Report::new("latency", args.sessions).about(common);
    let mut rig =
        Rig::start(common, args.sessions, Habits { acks: true, ..Habits::default() }, reenter).await?;
    rig.fleet.connect(args.sessions, &Progress::new("logins", args.sessions)).await?;
    let floor = Floor::start(reenter).await?;
    settle(2.0).await;

    let mut reference = Times::default();
    if !common.no_floor {
        sample(&rig, &floor, &mut reference).await?;
    }
    rig.fleet.mark().await?;
    rig.lap();
    let meanwhile = Meanwhile::start(&rig, &floor)?;
    let (accepted, sent) = send(args, &rig).await?;
    let meanwhile = meanwhile.stop()?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut sum = rig.fleet.counted().await?;
    while sum.received < sent && Instant::now() < deadline {
        settle(0.1).await;
        sum = rig.fleet.counted().await?;
    }
    let cpu = rig.lap();
    if !common.no_floor {
        sample(&rig, &floor, &mut reference).await?;
    }
    if sum.received != sent {
        return Err(Error::new(format!("{} of {sent} notifications arrived", sum.received)));
    }
    if sum.delays.count() != sent {
        let timed = sum.delays.count();
        return Err(Error::new(format!("{timed} of {sent} notifications carried their time of departure")));
    }

    let floor_99 = (reference.count() > 0).then(|| reference.percentile(99.0));
    let floor_50 = (reference.count() > 0).then(|| reference.percentile(50.0));
    report.compared("request to device, median", "ms", sum.delays.percentile(50.0), floor_50, None);
    report.compared(
        "request to device, 99 %",
        "ms",
        sum.delays.percentile(99.0),
        floor_99,
        Some(Budget::RatioAtMost(3.0)),
    );
    report.figure("request to device, 99.9 %", "ms", sum.delays.percentile(99.9));
    report.figure("request to device, longest", "ms", sum.delays.max());
    report.figure("the disk meanwhile, 99 %", "ms", meanwhile.percentile(99.0));
    report.figure("the disk meanwhile, longest", "ms", meanwhile.max());
    report.figure("request to 202, median", "ms", accepted.percentile(50.0));
    report.figure("request to 202, 99 %", "ms", accepted.percentile(99.0));
    if let Some(cpu) = cpu {
        report.figure("server CPU time a notification", "µs", cpu / 1e3 / sent as f64);
    }
    report.note(format!(
        "{sent} notifications, {} a second; the floor is an append with fdatasync and a round trip over loopback TCP, before and after",
        args.rate
    ));
    report.note("the disk meanwhile: the same beside the load, to another file, every 5 ms".to_owned());
    report.publish(common.json.as_deref())
}

/// Sends at a steady pace, whatever the answers; a request that waits for a free
/// sender keeps its moment of departure.
async fn send(args: &Latency, rig: &Rig) -> Result<(Times, u64), Error> {
    let (queue, requests) = async_queue();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..SENDERS {
        let mut http = rig.target.http()?;
        let requests = Arc::clone(&requests);
        senders.spawn(async move {
            let mut times = Times::default();
            loop {
                let request = requests.lock().await.recv().await;
                let Some((departure, document)) = request else { return Ok::<_, Error>(times) };
                http.notify(&document).await?;
                times.record(measure::now() - departure);
            }
        });
    }
    let progress = Progress::new("notifications", (args.rate * args.seconds) as usize);
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let started = Instant::now();
    let mut sent = 0u64;
    while started.elapsed().as_secs_f64() < args.seconds {
        tick.tick().await;
        let due = (started.elapsed().as_secs_f64() * args.rate) as u64;
        while sent < due {
            // A stride that visits every account before any twice.
            let account = (sent as usize * 7919) % args.sessions.max(1);
            let document = notification(&serde_json::json!({ "user": username(account) }));
            if queue.send((measure::now(), document)).is_err() {
                return Err(Error::new("no sender is left"));
            }
            sent += 1;
        }
        if sent.is_multiple_of(100) {
            progress.step(sent as usize);
        }
    }
    drop(queue);
    let mut accepted = Times::default();
    while let Some(times) = senders.join_next().await {
        let times = times.map_err(|error| Error::new(error.to_string()))??;
        accepted.add(&times.pack());
    }
    Ok((accepted, sent))
}

type Request = (u64, String);

fn async_queue() -> (mpsc::UnboundedSender<Request>, Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Request>>>)
{
    let (queue, requests) = mpsc::unbounded_channel();
    (queue, Arc::new(tokio::sync::Mutex::new(requests)))
}

/// What nobody can do without: one durable append, one round trip.
async fn sample(rig: &Rig, floor: &Floor, times: &mut Times) -> Result<(), Error> {
    let mut file = std::fs::File::create(rig.home.path().join("fsync"))?;
    let mut stream = TcpStream::connect(floor.ready.echo).await?;
    stream.set_nodelay(true)?;
    let block = [b'x'; 600];
    let mut back = [0; 600];
    for _ in 0..SAMPLES {
        let started = measure::now();
        file.write_all(&block)?;
        file.sync_data()?;
        stream.write_all(&block).await?;
        stream.read_exact(&mut back).await?;
        times.record(measure::now() - started);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The floor's work beside the load, to another file: it tells the disk's bad moments
/// from the server's.
struct Meanwhile {
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Times>>,
}

/// How often.
const PACE: Duration = Duration::from_millis(5);

impl Meanwhile {
    fn start(rig: &Rig, floor: &Floor) -> Result<Self, Error> {
        let mut file = std::fs::File::create(rig.home.path().join("meanwhile"))?;
        let mut stream = std::net::TcpStream::connect(floor.ready.echo)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut times = Times::default();
            let mut block = [b'x'; 600];
            let mut due = Instant::now();
            while !told.load(Ordering::Relaxed) {
                file.write_all(&block)?;
                file.sync_data()?;
                stream.write_all(&block)?;
                stream.read_exact(&mut block)?;
                // Whoever would have come while this one waited would have waited, too.
                while due <= Instant::now() {
                    times.record(u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX));
                    due += PACE;
                }
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            Ok(times)
        });
        Ok(Self { over, thread })
    }

    fn stop(self) -> Result<Times, Error> {
        self.over.store(true, Ordering::Relaxed);
        let times = self.thread.join().map_err(|_| Error::new("the disk could not be measured"))?;
        Ok(times?)
    }
}
