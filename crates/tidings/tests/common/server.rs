//! The real program: started, stopped and killed.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::wire;

pub const KEY: &str = "a-key-for-these-proofs";

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub xmpp: SocketAddr,
    pub xmpps: SocketAddr,
    pub http: SocketAddr,
}

/// A data directory, and how to start a server on it.
pub struct Home {
    root: TempDir,
    data: PathBuf,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    open_files: Option<u32>,
}

impl Home {
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let data = root.path().join("data");
        let home = Self { root, data, settings: Vec::new(), environment: Vec::new(), open_files: None };
        let (chain, key) = (home.beside("chain.pem"), home.beside("key.pem"));
        std::fs::write(&chain, wire::certificate().cert.pem()).expect("a file is written");
        std::fs::write(&key, wire::certificate().signing_key.serialize_pem()).expect("a file is written");
        home.set(&format!("tls.certificate={}", chain.display()))
            .set(&format!("tls.key={}", key.display()))
            .set("limits.registrations_per_minute=0")
            .set("limits.login_failures_per_minute=0")
            .env("TIDINGS_API_KEY", KEY)
            .env("TIDINGS_ADMIN_PASSWORD", "a password for these proofs")
            .env("TIDINGS_LOG", "info")
    }

    /// Keeps its data elsewhere.
    pub fn data_at(mut self, data: &Path) -> Self {
        self.data = data.to_owned();
        self
    }

    pub fn set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn database(&self) -> PathBuf {
        self.data.join("tidings.db")
    }

    /// A file beside the data.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.beside("log")).unwrap_or_default()
    }

    /// The end of the log, for a failure's message.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// The program on this data, with other arguments.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).arg("--data-dir").arg(&self.data).output().expect("the program starts")
    }

    /// Starts the process, and waits for nothing.
    pub fn spawn(&self) -> Starting {
        let log: File = OpenOptions::new().create(true).append(true).open(self.beside("log")).unwrap();
        let mut command = self.command();
        command.arg("serve").arg("--data-dir").arg(&self.data);
        for listener in ["--xmpp", "--xmpps", "--http"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Starting { child: Process(child), out }
    }

    /// Starts a server and waits until it is ready.
    pub fn start(&self) -> Server {
        match self.spawn().ready() {
            Ok(server) => server,
            Err(said) => panic!("no server: {said:?}\n{}", self.log_tail()),
        }
    }

    /// Lets the server have so many open files.
    pub fn open_files(mut self, most: u32) -> Self {
        self.open_files = Some(most);
        self
    }

    fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_tidings");
        let mut command = match self.open_files {
            None => Command::new(program),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\""), program]);
                shell
            }
        };
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIDINGS_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }
}

/// Ends with the test that started it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A server that may not be ready yet.
pub struct Starting {
    child: Process,
    out: BufReader<ChildStdout>,
}

impl Starting {
    /// Waits for the ready line; what came instead, where none did.
    pub fn ready(mut self) -> Result<Server, String> {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("output is read");
        let address = |name: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            word.and_then(|word| word.parse().ok())
        };
        match (address("xmpp"), address("xmpps"), address("http")) {
            (Some(xmpp), Some(xmpps), Some(http)) if line.starts_with("ready ") => {
                Ok(Server { child: self.child, out: self.out, addresses: Addresses { xmpp, xmpps, http } })
            }
            _ => {
                let status = self.child.0.wait().expect("it ends");
                Err(format!("{status}: {line}"))
            }
        }
    }

    /// `kill -9`.
    pub fn kill(self) {
        drop(self);
    }

    /// Waits for it to end by itself.
    pub fn ended(mut self) -> ExitStatus {
        wait(&mut self.child.0, Duration::from_secs(30))
    }
}

/// A server that is ready.
pub struct Server {
    child: Process,
    out: BufReader<ChildStdout>,
    pub addresses: Addresses,
}

impl Server {
    /// `kill -9`.
    pub fn kill(self) {
        drop(self);
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end, and gives what else it printed. It has 10 s.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child.0, Duration::from_secs(10));
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("output is read");
        (status, rest)
    }

    /// SIGTERM, and a good end.
    pub fn stop(self) {
        self.terminate();
        let (status, rest) = self.ended();
        assert!(status.success(), "{status}");
        assert_eq!(rest, "", "one line on standard output");
    }

    /// Resident memory, in KiB: now, and the most there was.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("a figure")
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

fn wait(child: &mut Child, limit: Duration) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return status;
        }
        assert!(begin.elapsed() < limit, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}
