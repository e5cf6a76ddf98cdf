//! A network between devices and a server that stalls, cuts and half-closes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::random::Rng;

/// What it has done so far.
#[derive(Debug, Default)]
pub struct Deeds {
    pub connections: AtomicU64,
    pub stalls: AtomicU64,
    pub cuts: AtomicU64,
    pub half_closes: AtomicU64,
    /// Connections are left alone once this is not 0.
    pub calm: AtomicU64,
}

pub struct Proxy {
    pub address: SocketAddr,
    pub deeds: Arc<Deeds>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(server: SocketAddr, mut rng: Rng) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let deeds = Arc::<Deeds>::default();
        let shared = Arc::clone(&deeds);
        let task = tokio::spawn(async move {
            while let Ok((device, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(carry(device, server, rng.fork(), Arc::clone(&shared)));
            }
        });
        Self { address, deeds, task }
    }

    /// From now on, new connections are left alone.
    pub fn calm(&self) {
        self.deeds.calm.store(1, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What becomes of one direction.
enum Fate {
    /// After so many bytes both directions are cut.
    Cut(u64),
    /// After so many bytes this direction ends as if its sender had closed it, and
    /// the other goes on.
    HalfClose(u64),
    /// After so many bytes nothing passes any more, and neither side is told.
    Silence(u64),
    Fine,
}

impl Fate {
    fn draw(rng: &mut Rng) -> Self {
        // The first few kilobytes are the login; most deaths come later.
        let limit = if rng.chance(30) { 6_000 } else { 60_000 };
        let at = rng.below(limit);
        match rng.below(10) {
            0..=3 => Self::Cut(at),
            4..=5 => Self::HalfClose(at),
            6 => Self::Silence(at),
            _ => Self::Fine,
        }
    }
}

async fn carry(device: TcpStream, server: SocketAddr, mut rng: Rng, deeds: Arc<Deeds>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (device_in, device_out) = device.into_split();
    let (server_in, server_out) = server.into_split();
    let calm = deeds.calm.load(Ordering::Relaxed) > 0;
    let mut draw = || if calm { Fate::Fine } else { Fate::draw(&mut rng) };
    let (up, down) = (draw(), draw());
    let (up_rng, down_rng) = (rng.fork(), rng.fork());
    // Ends with the first direction that is cut: dropping the other cuts it, too.
    let up = direction(device_in, server_out, up, up_rng, &deeds);
    let down = direction(server_in, device_out, down, down_rng, &deeds);
    tokio::pin!(up, down);
    let (mut up_open, mut down_open) = (true, true);
    while up_open || down_open {
        let cut = tokio::select! {
            cut = &mut up, if up_open => { up_open = false; cut }
            cut = &mut down, if down_open => { down_open = false; cut }
        };
        if cut {
            return;
        }
    }
}

/// Carries bytes one way; true when the whole connection is to be cut.
async fn direction(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    fate: Fate,
    mut rng: Rng,
    deeds: &Deeds,
) -> bool {
    let mut buffer = vec![0; 8192];
    let mut carried = 0;
    loop {
        // Pieces of any size, so that every boundary is met.
        let most = rng.within(1..=8192) as usize;
        let Ok(mut count) = from.read(&mut buffer[..most]).await else { return true };
        if count == 0 {
            let _ = to.shutdown().await;
            return false;
        }
        if !matches!(fate, Fate::Fine) && rng.chance(2) {
            deeds.stalls.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(rng.within(1..=150))).await;
        }
        let left = |at: u64| usize::try_from(at.saturating_sub(carried)).unwrap_or(usize::MAX);
        let over = match fate {
            Fate::Cut(at) | Fate::HalfClose(at) | Fate::Silence(at) => {
                let over = count >= left(at);
                count = count.min(left(at));
                over
            }
            Fate::Fine => false,
        };
        if to.write_all(&buffer[..count]).await.is_err() {
            return true;
        }
        carried += count as u64;
        if !over {
            continue;
        }
        match fate {
            Fate::Cut(_) | Fate::Fine => {
                deeds.cuts.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Fate::HalfClose(_) => {
                deeds.half_closes.fetch_add(1, Ordering::Relaxed);
                let _ = to.shutdown().await;
                // What still comes is swallowed.
                while from.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                return false;
            }
            Fate::Silence(_) => {
                deeds.stalls.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(8)).await;
                return true;
            }
        }
    }
}
