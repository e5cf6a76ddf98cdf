//! The real program, started and stopped by tests.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub const KEY: &str = "a-key-for-these-tests";

/// `tidings` with nothing of this machine's environment that it would read.
pub fn tidings() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIDINGS_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Output {
    tidings().args(arguments).output().expect("the program starts")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

/// Its one line on standard error, after the exit status was this.
pub fn complaint(output: &Output, status: i32) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert_eq!(said.lines().count(), 1, "one line: {said}");
    assert!(text(&output.stdout).is_empty());
    said
}

/// `serve` on free ports.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    log: Option<JoinHandle<String>>,
    pub xmpp: SocketAddr,
    pub xmpps: SocketAddr,
    pub http: SocketAddr,
}

impl Server {
    pub fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        Self::start_with(data_dir, arguments, |command| {
            command.env("TIDINGS_API_KEY", KEY);
        })
    }

    pub fn start_with(data_dir: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = tidings();
        command.arg("serve").arg("--data-dir").arg(data_dir);
        for listener in ["--xmpp", "--xmpps", "--http"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().expect("the program starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        // A test may have its own idea of where the log goes.
        let err = child.stderr.take();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            if let Some(mut err) = err {
                err.read_to_string(&mut log).ok();
            }
            log
        });
        let mut ready = String::new();
        out.read_line(&mut ready).expect("output is read");
        let address = |name: &str| {
            let word = ready.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            word.and_then(|word| word.parse().ok())
        };
        match (address("xmpp"), address("xmpps"), address("http")) {
            (Some(xmpp), Some(xmpps), Some(http)) if ready.starts_with("ready ") => {
                Self { child, out, log: Some(log), xmpp, xmpps, http }
            }
            _ => {
                child.kill().ok();
                panic!("no ready line: {ready:?}; {}", log.join().unwrap_or_default());
            }
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// SIGTERM, then its end: the status, what else it printed, and its log.
    pub fn stop(self) -> (ExitStatus, String, String) {
        self.signal("TERM");
        self.stop_after_signal()
    }

    /// As [`stop`](Self::stop), after a signal that was sent already.
    pub fn stop_after_signal(mut self) -> (ExitStatus, String, String) {
        let status = self.wait(Duration::from_secs(10));
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("output is read");
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        (status, rest, log)
    }

    fn wait(&mut self, limit: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(begin.elapsed() < limit, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A request to its API: the status and the answer.
    pub fn api(&self, method: &str, path: &str, body: Option<serde_json::Value>) -> (u16, serde_json::Value) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .body(body.map(|body| body.to_string()).unwrap_or_default())
            .expect("a request");
        let mut answer = agent.run(request).expect("the server answers");
        let text = answer.body_mut().read_to_string().expect("an answer is read");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
