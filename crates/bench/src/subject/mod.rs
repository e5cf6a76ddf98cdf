//! The server that is measured.

mod http;
pub(crate) mod seed;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidings_store::SqliteOptions;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

pub(crate) use self::http::{Http, Receiver, Sender};
use crate::args::Common;
use crate::error::{Context, Error};
use crate::load::{Habits, Kind, Plan};
use crate::measure;
use seed::Seeder;

/// How long a server may take to start.
const STARTING: Duration = Duration::from_secs(120);

/// A server that devices can connect to.
#[derive(Debug)]
pub(crate) struct Subject {
    address: SocketAddr,
    direct: bool,
    domain: String,
    register: bool,
    http: Option<(SocketAddr, String)>,
    pid: Option<u32>,
    /// How long it took to start, where it was started here.
    pub(crate) startup: Option<Duration>,
    child: Option<(Child, Lines<BufReader<ChildStdout>>)>,
}

/// A data directory for a server, gone with this value.
#[derive(Debug)]
pub(crate) struct WorkDir {
    dir: TempDir,
}

impl WorkDir {
    pub(crate) fn new(common: &Common) -> Result<Self, Error> {
        let dir = match &common.work_dir {
            Some(parent) => tempfile::Builder::new().prefix("tidings-bench-").tempdir_in(parent)?,
            None => tempfile::Builder::new().prefix("tidings-bench-").tempdir()?,
        };
        Ok(Self { dir })
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Puts accounts into the store, which no server may use meanwhile.
    pub(crate) fn seeder(&self) -> Result<Seeder, Error> {
        self.seeder_of(SqliteOptions::default().group)
    }

    /// The same; so many writes share a commit.
    pub(crate) fn seeder_of(&self, group: usize) -> Result<Seeder, Error> {
        Seeder::open(&self.data_dir(), SqliteOptions { group: group.max(1), ..SqliteOptions::default() })
    }
}

impl Subject {
    /// The server that was named, or one of our own with so many accounts.
    pub(crate) async fn open(common: &Common, work_dir: &WorkDir, accounts: usize) -> Result<Self, Error> {
        let Some(address) = common.target else {
            work_dir.seeder()?.accounts(0, accounts).await?;
            return Self::start(common, work_dir).await;
        };
        let key = common.api_key.clone().unwrap_or_default();
        Ok(Self {
            address,
            direct: common.direct_tls,
            domain: common.domain.clone(),
            register: common.register,
            http: common.http.map(|http| (http, key)),
            pid: common.pid,
            startup: None,
            child: None,
        })
    }

    /// Starts a server on a data directory.
    pub(crate) async fn start(common: &Common, work_dir: &WorkDir) -> Result<Self, Error> {
        let program = match &common.server_bin {
            Some(program) => program.clone(),
            None => own_server()?,
        };
        let mut random = [0; 16];
        getrandom::fill(&mut random).context("no randomness")?;
        let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = Command::new(&program);
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(work_dir.data_dir())
            .args(["--domain", &common.domain])
            .args(["--xmpp", "127.0.0.1:0", "--xmpps", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(["--set", "limits.registrations_per_minute=0"])
            .args(["--set", "limits.login_failures_per_minute=0"])
            .env("TIDINGS_API_KEY", &key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if std::env::var_os("TIDINGS_LOG").is_none() {
            command.env("TIDINGS_LOG", "warn");
        }
        for setting in &common.set {
            command.args(["--set", setting]);
        }
        let started = Instant::now();
        let mut child = command.spawn().context(&format!("cannot start {}", program.display()))?;
        let output = child.stdout.take().ok_or_else(|| Error::new("the server has no output"))?;
        let mut lines = BufReader::new(output).lines();
        let line = tokio::time::timeout(STARTING, lines.next_line())
            .await
            .map_err(|_| Error::new("the server did not start in time"))??
            .ok_or_else(|| Error::new("the server ended before it was ready"))?;
        let startup = started.elapsed();
        let address = |name: &str| -> Result<SocketAddr, Error> {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
                .and_then(|address| address.parse().ok())
                .ok_or_else(|| Error::new(format!("the server said `{line}`, not where it listens")))
        };
        Ok(Self {
            address: address("xmpps")?,
            direct: true,
            domain: common.domain.clone(),
            register: false,
            http: Some((address("http")?, key)),
            pid: child.id(),
            startup: Some(startup),
            child: Some((child, lines)),
        })
    }

    /// Ends the server where it was started here, and waits until it is gone.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        match self.child {
            Some((mut child, _)) => Ok(child.kill().await?),
            None => Ok(()),
        }
    }

    /// Connections of devices.
    pub(crate) fn plan(&self, habits: Habits) -> Plan {
        let kind = Kind::Device { direct: self.direct, domain: self.domain.clone(), habits };
        Plan { address: self.address, kind, net: 1 }
    }

    /// Connections that make the devices' accounts, where that was asked for.
    pub(crate) fn registrations(&self) -> Option<Plan> {
        let kind = Kind::Registration { direct: self.direct, domain: self.domain.clone() };
        self.register.then_some(Plan { address: self.address, kind, net: 1 })
    }

    pub(crate) fn http(&self) -> Result<Http, Error> {
        match &self.http {
            Some((address, key)) => Ok(Http::new(*address, key)),
            None => Err(Error::new("this needs the HTTP API: give --http and --api-key")),
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Memory in KiB, where it can be known.
    pub(crate) fn pss(&self) -> Option<u64> {
        self.pid.and_then(measure::pss)
    }
}

/// The server beside this program.
fn own_server() -> Result<PathBuf, Error> {
    let beside =
        std::env::current_exe()?.with_file_name(if cfg!(windows) { "tidings.exe" } else { "tidings" });
    match beside.exists() {
        true => Ok(beside),
        false => Err(Error::new(format!(
            "there is no server at {}: build it, or name one with --server-bin",
            beside.display()
        ))),
    }
}
