//! `tidings demo`: the whole thing at work on this machine, in one go.

use std::fmt::Display;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidings_client::{Device, Notification, Status, Trust};
use tidings_core::clock::{Random, SystemRandom};
use tokio::time::{sleep, timeout};
use ureq::http::Method;

use crate::api::Api;
use crate::config::{self, Layers, Settings};
use crate::failure::{self, Failure};
use crate::logging;
use crate::output::{self, Style};
use crate::serve::{self, Running, Secrets, Signals};

/// How long each step may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the back end asks whether the notification has arrived.
const ASK: Duration = Duration::from_millis(20);

/// What the players need to know of the running server.
struct Stage {
    dir: PathBuf,
    key: String,
    xmpp: SocketAddr,
    xmpps: SocketAddr,
    http: SocketAddr,
    admin_password: Option<String>,
}

/// See the whole thing work: a server, a device, a notification.
///
/// Starts a server with a fresh temporary data directory on free ports, connects a
/// device to it over TLS, sends a notification through the HTTP API, and shows it as
/// the device receives it. Then all of it keeps running until Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidings demo          Keeps running: try the console, send more
  tidings demo --once   Ends as soon as the notification is acknowledged")]
pub(crate) struct Args {
    /// End with status 0 once the notification is received and acknowledged
    #[arg(long)]
    once: bool,
}

/// Shows it.
///
/// # Errors
/// One line: which step did not work.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let dir = tempfile::Builder::new().prefix("tidings-demo-").tempdir().map_err(|error| {
        Failure::failed(format!("cannot make a temporary directory: {}", failure::io(&error)))
    })?;
    let settings = settings(&dir)?;
    logging::start(&settings.log)?;
    let runtime = serve::runtime()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let key = api_key();
        let secrets = Secrets { admin_password: None, api_key: Some(key.clone()) };
        let mut running = Running::start(&settings, &secrets).await?;
        let stage = Stage {
            dir: dir.path().to_owned(),
            key,
            xmpp: running.xmpp,
            xmpps: running.xmpps,
            http: running.http,
            admin_password: running.admin_password.as_ref().map(|(password, _)| password.clone()),
        };
        let shown = tokio::select! {
            shown = show(&stage) => Some(shown),
            stopped = running.until(&mut signals) => { stopped?; None }
        };
        let outcome = match shown {
            None => Ok(()),
            Some(Err(failure)) => Err(failure),
            Some(Ok(device)) if args.once => device.close().await.map_err(|error| step("the device", error)),
            Some(Ok(mut device)) => {
                explain(&stage);
                tokio::select! {
                    stopped = running.until(&mut signals) => stopped,
                    ended = receive(&mut device) => Err(ended),
                }
            }
        };
        running.stop().await;
        outcome
    });
    runtime.shutdown_background();
    outcome
}

/// Defaults, on free ports of this machine alone; only the log's level is taken from outside.
fn settings(dir: &TempDir) -> Result<Settings, Failure> {
    let mut flags = vec![("data_dir", dir.path().join("data").to_string_lossy().into_owned())];
    for listener in ["listen.xmpp", "listen.xmpps", "listen.http"] {
        flags.push((listener, "127.0.0.1:0".to_owned()));
    }
    let level = std::env::var("TIDINGS_LOG").unwrap_or_else(|_| "warn".to_owned());
    flags.push(("log.level", level));
    Ok(config::load(&Layers { flags, ..Layers::default() })?.settings)
}

/// A key like those that the server makes.
fn api_key() -> String {
    let mut bytes = [0; 32];
    SystemRandom.fill(&mut bytes);
    format!("tk_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The five steps.
async fn show(stage: &Stage) -> Result<Device, Failure> {
    say("server", format_args!("runs on this machine alone, its data in {}", stage.dir.display()));
    more(format_args!("XMPP {} and {} (TLS), HTTP {}", stage.xmpp, stage.xmpps, stage.http));

    let mut device = connect(stage).await?;
    say("device", format_args!("`{}` registered itself and is online, over TLS", device.username()));
    more("it keeps this one connection; the server's certificate is checked");

    let body = json!({
        "to": { "all": true },
        "title": "Hello from Tidings",
        "message": "This went in over HTTP and came out of one XMPP connection.",
        "uri": "https://example.org/hello",
    });
    say("back end", "POST /v1/notifications");
    more(&body);
    let begin = Instant::now();
    let accepted = call(stage, Method::POST, "/v1/notifications".to_owned(), Some(body)).await?;
    let id = accepted.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    more(format_args!("202 {accepted}: it is on the disk"));

    let received =
        timeout(PATIENCE, device.next()).await.map_err(|_| step("the device", "nothing arrived"))?;
    let received = received.map_err(|error| step("the device", error))?;
    let took = begin.elapsed();
    if received.id != id {
        return Err(step("the device", format_args!("received {} instead of {id}", received.id)));
    }
    say("device", format_args!("received it {} ms after the request:", took.as_millis()));
    print(&received);
    received.ack();

    let counters = settled(stage, &id).await?;
    let count = |name: &str| counters.get(name).and_then(Value::as_u64).unwrap_or(0);
    let text = format_args!(
        "the device acknowledged it: {} delivered, {} pending",
        count("delivered"),
        count("pending")
    );
    say("server", text);
    Ok(device)
}

async fn connect(stage: &Stage) -> Result<Device, Failure> {
    let certificate = fs::read(stage.dir.join("data").join("cert.pem"));
    let certificate = certificate.map_err(|error| step("the device", failure::io(&error)))?;
    let device = Device::builder(stage.xmpps.ip().to_string())
        .port(stage.xmpps.port())
        .direct_tls(true)
        .domain("localhost")
        .account_file(stage.dir.join("device.json"))
        .trust(Trust::Ca(certificate))
        .start()
        .map_err(|error| step("the device", error))?;
    let mut status = device.status();
    let mut last = None;
    let online = async {
        loop {
            match status.current() {
                Status::Online { .. } => return true,
                Status::Ended => return false,
                Status::Waiting { error, .. } => last = Some(error),
                _ => {}
            }
            if status.changed().await.is_none() {
                return false;
            }
        }
    };
    if timeout(PATIENCE, online).await == Ok(true) {
        return Ok(device);
    }
    let why = match timeout(Duration::from_secs(1), device.close()).await {
        Ok(Err(error)) => error.to_string(),
        _ => last.unwrap_or_else(|| "it did not come online in time".to_owned()),
    };
    Err(step("the device", why))
}

/// Waits until nothing is pending any more.
async fn settled(stage: &Stage, id: &str) -> Result<Value, Failure> {
    let ask = async {
        loop {
            let counters = call(stage, Method::GET, format!("/v1/notifications/{id}"), None).await?;
            if counters.get("pending").and_then(Value::as_u64) == Some(0) {
                return Ok(counters);
            }
            sleep(ASK).await;
        }
    };
    timeout(PATIENCE, ask).await.map_err(|_| step("the server", "the acknowledgement did not arrive"))?
}

/// A request as a back end makes it: over a socket.
async fn call(stage: &Stage, method: Method, path: String, body: Option<Value>) -> Result<Value, Failure> {
    let api = Api::new(&stage.http.to_string(), &stage.key)?;
    let call = tokio::task::spawn_blocking(move || api.call(method, &path, body.as_ref()));
    call.await.map_err(|error| step("the back end", error))?
}

/// What to try next.
fn explain(stage: &Stage) {
    let bold = Style::Bold.on(output::colour(&io::stdout()));
    let url = format!("http://{}", stage.http);
    // As it was called: `cargo run` leaves no `tidings` in the path.
    let tidings = std::env::args().next().unwrap_or_else(|| "tidings".to_owned());
    let certificate = stage.dir.join("data").join("cert.pem");
    let mut lines = vec![("Console", format!("{url}/"))];
    lines.extend(
        stage.admin_password.as_ref().map(|password| ("", format!("log in as admin with {password}"))),
    );
    lines.push(("Send more", format!("{tidings} send --server {url} \\")));
    lines.push(("", format!("  --api-key {} --all --title Hi", stage.key)));
    lines
        .push(("Listen", format!("{tidings} listen --server {} --ca {}", stage.xmpp, certificate.display())));
    lines.push(("Ctrl-C", "ends all of it and removes its data".to_owned()));
    output::line("");
    for (what, text) in lines {
        output::line(format_args!("{}  {text}", bold.paint(format_args!("{what:<9}"))));
    }
}

/// Shows whatever else is sent.
async fn receive(device: &mut Device) -> Failure {
    loop {
        match device.next().await {
            Ok(notification) => {
                say("device", "received:");
                print(&notification);
                notification.ack();
            }
            Err(error) => return step("the device", error),
        }
    }
}

fn print(notification: &Notification) {
    let cyan = Style::Cyan.on(output::colour(&io::stdout()));
    let parts = [&notification.title, &notification.message, &notification.uri];
    for part in parts.into_iter().flatten() {
        for line in output::plain(part).lines() {
            more(format_args!("{} {line}", cyan.paint("│")));
        }
    }
}

fn say(who: &str, text: impl Display) {
    let green = Style::Green.on(output::colour(&io::stdout()));
    output::line(format_args!("{}  {text}", green.paint(format_args!("{who:<8}"))));
}

fn more(text: impl Display) {
    output::line(format_args!("          {text}"));
}

fn step(who: &str, why: impl Display) -> Failure {
    Failure::failed(format!("{who}: {why}"))
}
