//! The least that a program does which answers once data is on disk: an append with
//! `fdatasync`, and a round trip over loopback.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::pace::Pace;
use crate::hist::Times;

/// Bytes that are appended, and sent to and fro.
const BLOCK: usize = 600;

/// A program that appends to a file and has an echo server answer it.
pub(super) struct DurableEcho {
    file: std::fs::File,
    echo: TcpStream,
}

impl DurableEcho {
    pub(super) fn open(path: &Path, echo: SocketAddr) -> io::Result<Self> {
        let file = std::fs::File::create(path)?;
        let echo = TcpStream::connect(echo)?;
        echo.set_nodelay(true)?;
        echo.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { file, echo })
    }

    /// Makes so many blocks durable at once, and has them answered.
    fn work(&mut self, blocks: usize) -> io::Result<()> {
        let mut bytes = vec![b'x'; BLOCK * blocks];
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        for block in bytes.chunks_mut(BLOCK) {
            self.echo.write_all(block)?;
            self.echo.read_exact(block)?;
        }
        Ok(())
    }

    /// Works at a steady pace: whatever came while the disk was busy waits for it, and
    /// then shares one sync. How long each took.
    pub(super) fn turn(&mut self, pace: Pace) -> io::Result<Times> {
        let mut times = Times::default();
        let started = Instant::now();
        let mut next = 0;
        while next < pace.count() {
            let early = pace.due(next).saturating_sub(started.elapsed());
            std::thread::sleep(early);
            let from = started.elapsed();
            let first = next;
            while next < pace.count() && pace.due(next) <= from {
                next += 1;
            }
            self.work(usize::try_from(next - first).unwrap_or(1))?;
            let done = started.elapsed();
            for index in first..next {
                // The one that was slept for departs when the sleeper wakes, like a request
                // does; one that came during the work before has waited since.
                let departure = if index == first && !early.is_zero() { from } else { pace.due(index) };
                times.record(nanos(done.saturating_sub(departure)));
            }
        }
        Ok(times)
    }
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
