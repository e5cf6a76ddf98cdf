//! `tidings listen`: a device on the command line.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv6Addr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tidings_client::{
    Account, ClientError, Device, DeviceBuilder, Invitation, KnownBy, Notification, Priority, Status,
    StatusUpdates, Trust,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::exec;
use crate::config::{Log, LogFormat};
use crate::failure::{self, Failure};
use crate::logging;
use crate::output::{self, Style};

/// What `listen` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The server; without a port 5222 (STARTTLS). Port 5223 means TLS from the first byte
    #[arg(long, value_name = "HOST[:PORT]", value_parser = server, required_unless_present = "invite")]
    server: Option<Server>,
    /// An invitation: server, token and the server's key in one
    #[arg(long, value_name = "URI", conflicts_with_all = ["server", "domain", "direct_tls"])]
    invite: Option<Invitation>,
    /// The XMPP domain, where it is not the host's name
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Where the account is kept; a random one is registered when the file does not exist
    #[arg(long, value_name = "FILE", default_value = "tidings-device.json")]
    account: PathBuf,
    /// Subscribe to this topic (repeatable)
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Run this by `sh` for each, with its fields in the environment: `TIDINGS_TITLE`, `TIDINGS_MESSAGE`, …
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,
    /// Exit after so many notifications
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
    /// Trust only the certificates in this PEM file, and what they sign
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Trust any certificate; for tests
    #[arg(long)]
    insecure: bool,
    /// TLS from the first byte, whatever the port
    #[arg(long)]
    direct_tls: bool,
    /// What the server wants for a registration
    #[arg(long, value_name = "KEY", env = "TIDINGS_REGISTRATION_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Seconds of silence after which the server is asked whether it is there
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ping: u64,
}

const EXAMPLES: &str = "\
Prints each notification, acknowledges it once it is printed, and reconnects for ever.

The first run registers an account. It also remembers the server's certificate, unless an authority
of this machine vouches for it: from then on another certificate is refused.

Examples:
  tidings listen --server push.example.org
  tidings listen --server 127.0.0.1 --topic news --topic weather
  tidings listen --invite 'tidings:push.example.org?domain=push.example.org&token=…'
  tidings listen --server push.example.org:5223 --account phone.json --json | jq .title
  tidings listen --server 127.0.0.1:5222 --ca tidings-data/cert.pem --count 1
  tidings listen --server push.example.org --exec 'notify-send \"$TIDINGS_TITLE\" \"$TIDINGS_MESSAGE\"'

What --exec runs finds TIDINGS_ID, _TITLE, _MESSAGE, _URI, _IMAGE, _PRIORITY, _TOPIC and _SENT_AT where
there is one, and TIDINGS_DATA as a JSON object. The notification is acknowledged once it has ended.";

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    host: String,
    port: Option<u16>,
}

fn server(text: &str) -> Result<Server, String> {
    let wrong = || "write HOST or HOST:PORT, such as push.example.org:5222 or [::1]:5222".to_owned();
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(Server { host: text.to_owned(), port: None });
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or_else(wrong)?;
            host.parse::<Ipv6Addr>().map_err(|_| wrong())?;
            match behind {
                "" => (host, None),
                port => (host, Some(port.strip_prefix(':').ok_or_else(wrong)?)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)).transpose()?;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "/@".contains(c)) {
        return Err(wrong());
    }
    Ok(Server { host: host.to_owned(), port })
}

/// Listens until it is told to stop, has printed enough, or cannot go on.
///
/// # Errors
/// One line: why it cannot.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let level = std::env::var("TIDINGS_LOG").unwrap_or_else(|_| "warn".to_owned());
    logging::start(&Log { level, format: LogFormat::Text })?;
    // The connection has a thread of its own: a terminal or pipe that takes nothing for a
    // while does not keep it from answering the server.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(failure::io(&error)))?;
    runtime.block_on(listen(args))
}

async fn listen(args: &Args) -> Result<(), Failure> {
    let is_new = !args.account.exists();
    let mut device = device(args)?.start().map_err(|error| match (error, &args.ca) {
        (ClientError::Ca(why), Some(path)) => unfit(path, &why),
        (error, _) => explain(error),
    })?;
    tokio::spawn(report(device.status(), args.account.clone(), is_new));
    let mut stop = Box::pin(stopped()?);
    let mut left = args.count.map(NonZeroU64::get);
    loop {
        let notification = tokio::select! {
            biased;
            () = &mut stop => break,
            next = device.next() => next.map_err(explain)?,
        };
        match print(&notification, args.json) {
            Ok(()) => {}
            // The reader closed the pipe; what was not printed is not acknowledged.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(Failure::failed(format!("cannot print: {}", failure::io(&error)))),
        }
        if let Some(command) = &args.exec {
            tokio::select! {
                biased;
                () = &mut stop => break,
                ran = exec::run(command, &notification) => ran?,
            }
        }
        notification.ack();
        if let Some(left) = &mut left {
            *left -= 1;
            if *left == 0 {
                break;
            }
        }
    }
    device.close().await.map_err(explain)
}

fn device(args: &Args) -> Result<DeviceBuilder, Failure> {
    let trust = match &args.ca {
        Some(path) => Trust::Ca(fs::read(path).map_err(|error| unfit(path, &failure::io(&error)))?),
        None if args.insecure => Trust::Insecure,
        None => Trust::FirstUse,
    };
    let server = args.server.as_ref();
    let device = match (&args.invite, server) {
        (Some(invitation), _) => Device::invited(invitation),
        (None, Some(server)) => Device::builder(server.host.as_str()),
        (None, None) => return Err(Failure::usage("--server HOST or --invite URI is needed")),
    };
    let mut device = device
        .account_file(&args.account)
        .trust(trust)
        .ping(Duration::from_secs(args.ping), Duration::from_secs(30));
    if let Some(port) = server.and_then(|server| server.port) {
        device = device.port(port);
    }
    if args.direct_tls {
        device = device.direct_tls(true);
    }
    if let Some(domain) = &args.domain {
        device = device.domain(domain.as_str());
    }
    let invited = args.invite.as_ref().is_some_and(|invitation| invitation.token.is_some());
    if let Some(token) = args.token.as_ref().filter(|_| !invited) {
        device = device.registration_token(token.as_str());
    }
    Ok(args.topic.iter().fold(device, |device, topic| device.topic(topic.as_str())))
}

fn unfit(certificates: &Path, why: &str) -> Failure {
    Failure::failed(format!("cannot use the certificates in {}: {why}", certificates.display()))
}

fn explain(error: ClientError) -> Failure {
    Failure::failed(error.to_string())
}

/// Resolves at SIGINT or SIGTERM.
fn stopped() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: io::Error| Failure::failed(failure::io(&error));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Tells the person at the terminal how the connection is doing.
async fn report(mut status: StatusUpdates, account: PathBuf, mut is_new: bool) {
    let dim = Style::Dim.on(output::colour(&io::stderr()));
    let mut told_of = String::new();
    let mut now = status.current();
    loop {
        match now {
            Status::Online { jid, resumed } => {
                if is_new {
                    is_new = false;
                    introduce(&account, dim);
                }
                if !resumed || !told_of.is_empty() {
                    output::note(dim.paint(format_args!("listening as {}", output::plain(&jid))));
                }
                told_of.clear();
            }
            // Once for each reason: it may be tried all night.
            Status::Waiting { error, .. } if error != told_of => {
                let error = output::plain(&error).replace('\n', " ");
                output::note(dim.paint(format_args!("{error}; trying again")));
                told_of = error;
            }
            Status::Ended => return,
            _ => {}
        }
        now = match status.changed().await {
            Some(status) => status,
            None => return,
        };
    }
}

fn introduce(path: &Path, dim: Style) {
    let Ok(Some(account)) = Account::load(path) else { return };
    output::note(dim.paint(format_args!("registered {}, kept in {}", account.username, path.display())));
    if let Some(KnownBy::Pin(pin)) = account.certificate {
        output::note(dim.paint(format_args!(
            "no authority vouches for the server's certificate; from now on only this one is trusted (SHA-256):\n  {}",
            pin.sha256
        )));
    }
}

/// Writes one notification and flushes: it is out when this returns.
fn print(notification: &Notification, json: bool) -> io::Result<()> {
    let mut text = if json {
        serde_json::to_string(notification)?
    } else {
        describe(notification, output::colour(&io::stdout()))
    };
    text.push('\n');
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A moment in UTC.
fn moment(at: SystemTime) -> Option<String> {
    OffsetDateTime::from(at).format(&Rfc3339).ok()
}

/// A notification as people read it.
fn describe(notification: &Notification, colour: bool) -> String {
    let (bold, dim, cyan) = (Style::Bold.on(colour), Style::Dim.on(colour), Style::Cyan.on(colour));
    let plain = |text: &str| output::plain(text);
    let title = notification.title.as_deref().map(|title| plain(title).replace('\n', " "));
    let one_line = output::one_line;
    let mut about = Vec::new();
    about.extend(notification.sent_at.and_then(moment));
    about.extend(notification.topic.as_deref().map(|topic| format!("#{}", one_line(topic))));
    match notification.priority {
        Priority::High => about.push(Style::Red.on(colour).paint("high")),
        Priority::Low => about.push("low".to_owned()),
        _ => {}
    }
    let mut lines = vec![format!(
        "{}  {}",
        bold.paint(title.as_deref().unwrap_or("(no title)")),
        dim.paint(about.join(" · "))
    )];
    if let Some(message) = &notification.message {
        lines.extend(plain(message).lines().map(|line| format!("  {line}")));
    }
    for (name, address) in [("", &notification.uri), ("image ", &notification.image)] {
        if let Some(address) = address {
            lines.push(format!("  {}{}", dim.paint(name), cyan.paint(one_line(address))));
        }
    }
    for (key, value) in &notification.data {
        lines.push(format!("  {}", dim.paint(format_args!("{} = {}", one_line(key), one_line(value)))));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_server_is_a_host_and_perhaps_a_port() {
        let is = |text: &str, host: &str, port| {
            assert_eq!(server(text), Ok(Server { host: host.to_owned(), port }), "{text}");
        };
        is("push.example.org", "push.example.org", None);
        is("push.example.org:5223", "push.example.org", Some(5223));
        is("127.0.0.1:1", "127.0.0.1", Some(1));
        is("::1", "::1", None);
        is("[::1]", "::1", None);
        is("[::1]:5222", "::1", Some(5222));
        for wrong in [
            "",
            ":5222",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "[::1",
            "[::1]5222",
            "[host]:1",
            "xmpp://host",
            "a b",
        ] {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wrong_usage() {
        let parse = |line: &str| Line::try_parse_from(line.split_whitespace());
        assert!(parse("listen --server a --topic x --topic y --count 3 --json").is_ok());
        assert!(parse("listen").is_err(), "no server");
        assert!(parse("listen --server a --count 0").is_err());
        assert!(parse("listen --server a --ca f --insecure").is_err());
    }
}
