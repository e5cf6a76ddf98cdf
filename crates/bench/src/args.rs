//! The command line of the load generator.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::load::Flow;

/// Load generator and benchmark for any XMPP server that allows registration.
#[derive(Debug, Parser)]
#[command(name = "tidings-bench", version, after_help = HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const HELP: &str = "\
Each benchmark starts a server of its own in a temporary directory, and a bare program that does
only what every server must do; both are measured in the same run, and the ratio is shown.
--server-bin names another build of the server, --target another XMPP server that runs already.

Examples:
  tidings-bench connect --sessions 2000
  tidings-bench connect --sessions 2000 --pipelined
  tidings-bench idle --from 2000 --to 18000
  tidings-bench broadcast --sessions 15000 --acks --json fanout.json
  tidings-bench idle --target 10.0.0.7:5222 --pid 4711 --domain example.org --register";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Logins: rate, CPU time of each, memory
    Connect(Connect),
    /// Memory of an idle session: the slope between two sizes
    Idle(Idle),
    /// One notification to all: CPU time of each copy
    Broadcast(Broadcast),
    /// Notifications to single accounts over HTTP, durable before they are accepted
    Direct(Direct),
    /// All devices drop and come back at once
    Storm(Connect),
    /// From the request to the device: percentiles
    Latency(Latency),
    /// Time to accept a broadcast, by number of offline accounts
    Accept(Accept),
    /// Time to start, with accounts and pending notifications in the store
    Startup(Startup),
    /// Only the bare program: handshakes, memory, writes
    Baseline(BaselineArgs),
    /// Draw the figures of reports (FILE.json) as SVG
    Chart(Chart),
    #[command(hide = true)]
    Worker,
    #[command(hide = true)]
    BaselineChild,
}

/// Whom to measure, and how to report.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Common {
    /// Start this build of `tidings` [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub server_bin: Option<PathBuf>,
    /// Measure this running XMPP server instead
    #[arg(long, value_name = "ADDR", conflicts_with = "server_bin")]
    pub target: Option<SocketAddr>,
    /// --target speaks TLS from the first byte
    #[arg(long, requires = "target")]
    pub direct_tls: bool,
    /// Process id of --target, for its CPU time and memory
    #[arg(long, requires = "target")]
    pub pid: Option<u32>,
    /// HTTP API of --target
    #[arg(long, value_name = "ADDR", requires = "target")]
    pub http: Option<SocketAddr>,
    /// API key for --http
    #[arg(long, value_name = "KEY", env = "TIDINGS_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// The served domain
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub domain: String,
    /// Register the accounts first (XEP-0077), when --target does not know them
    #[arg(long, requires = "target")]
    pub register: bool,
    /// Set a key of the started server's configuration (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where temporary data goes: the disk that is measured [default: the system's]
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// Write the report as JSON, too (`-`: instead of the table)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Leave the bare program out
    #[arg(long)]
    pub no_baseline: bool,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct Connect {
    #[command(flatten)]
    pub common: Common,
    /// How many devices
    #[arg(long, default_value_t = 2000)]
    pub sessions: usize,
    /// How many rounds they are spread over
    #[arg(long, default_value_t = 4)]
    pub rounds: usize,
    #[command(flatten)]
    pub flow: FlowArgs,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct FlowArgs {
    /// Devices send ahead of the answers (XEP-0305): two round trips a login
    #[arg(long)]
    pub pipelined: bool,
    /// Devices log in by RFC 6120 even where the server offers XEP-0388: six round trips, not three
    #[arg(long, conflicts_with = "pipelined")]
    pub rfc6120: bool,
}

impl FlowArgs {
    pub(crate) fn flow(&self) -> Flow {
        match (self.pipelined, self.rfc6120) {
            (true, _) => Flow::Ahead,
            (false, true) => Flow::Rfc6120,
            (false, false) => Flow::Offered,
        }
    }
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub common: Common,
    /// The smaller size
    #[arg(long, default_value_t = 2000)]
    pub from: usize,
    /// The larger size
    #[arg(long, default_value_t = 18_000)]
    pub to: usize,
    /// Sizes in between that are measured, too
    #[arg(long, default_value_t = 0)]
    pub steps: usize,
    /// Seconds to settle before memory is read
    #[arg(long, default_value_t = 5.0)]
    pub settle: f64,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct Broadcast {
    #[command(flatten)]
    pub common: Common,
    /// How many devices
    #[arg(long, default_value_t = 15_000)]
    pub sessions: usize,
    /// How often
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Devices acknowledge (XEP-0198), and a round ends when all is settled
    #[arg(long)]
    pub acks: bool,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct Direct {
    #[command(flatten)]
    pub common: Common,
    /// How many accounts (offline)
    #[arg(long, default_value_t = 10_000)]
    pub accounts: usize,
    /// Requests under way at once
    #[arg(long, default_value_t = 256)]
    pub concurrency: usize,
    /// For how long
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct Latency {
    #[command(flatten)]
    pub common: Common,
    /// How many devices
    #[arg(long, default_value_t = 10_000)]
    pub sessions: usize,
    /// Notifications a second
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,
    /// For how long; the baseline takes as long again
    #[arg(long, default_value_t = 60.0)]
    pub seconds: f64,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct Accept {
    #[command(flatten)]
    pub common: Common,
    /// Numbers of accounts, smaller ones first
    #[arg(long, value_delimiter = ',', default_value = "100,10000,1000000")]
    pub accounts: Vec<usize>,
    /// Broadcasts at each size
    #[arg(long, default_value_t = 50)]
    pub rounds: usize,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct Startup {
    #[command(flatten)]
    pub common: Common,
    /// How many accounts
    #[arg(long, default_value_t = 1_000_000)]
    pub accounts: usize,
    /// How many pending notifications
    #[arg(long, default_value_t = 1_000_000)]
    pub pending: usize,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    pub kind: BaselineKind,
    /// How many connections
    #[arg(long, default_value_t = 2000, global = true)]
    pub sessions: usize,
    /// Bytes of a record
    #[arg(long, default_value_t = 500, global = true)]
    pub bytes: usize,
    /// Write the report as JSON, too (`-`: instead of the table)
    #[arg(long, value_name = "FILE", global = true)]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum BaselineKind {
    /// Accept and TLS handshake, nothing else; and what an idle connection holds
    Connect,
    /// One encrypted record to each connection
    Write,
    /// One encrypted record to each connection, and one back
    Exchange,
}

#[derive(Debug, Clone, Parser)]
pub(crate) struct Chart {
    /// Reports
    #[arg(required = true)]
    pub reports: Vec<PathBuf>,
    /// Where the pictures go
    #[arg(long, value_name = "DIR", default_value = "docs")]
    pub out: PathBuf,
}
