//! `tidings serve`: runs the server until a signal ends it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::args::SettingsArgs;
use crate::config::{self, Layers, LogFormat};
use crate::failure::Failure;
use crate::serve::{Running, Secrets, Signals, runtime};
use crate::{logging, output};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// XMPP with STARTTLS [default: 0.0.0.0:5222]
    #[arg(long, value_name = "ADDR")]
    xmpp: Option<String>,
    /// XMPP with TLS from the first byte [default: 0.0.0.0:5223]
    #[arg(long, value_name = "ADDR")]
    xmpps: Option<String>,
    /// The HTTP API and the console [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// How a line of the log looks [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

const SERVE_HELP: &str = "\
Port 0 picks a free port. When every listener accepts, one line on standard output says where:
  ready xmpp=127.0.0.1:5222 xmpps=127.0.0.1:5223 http=127.0.0.1:7070

The first start makes the data directory, a self-signed certificate, and an administrator `admin`
whose password is printed once on standard error and kept in DIR/admin-password.

Flags beat the environment beats the file beats the default. A key such as limits.depth is
  in the file        [limits] depth = 16
  in the environment TIDINGS_LIMITS__DEPTH=16
  on the command line --set limits.depth=16

Other variables:
  TIDINGS_LOG             what is logged: warn, info, debug, or info,tidings_net=debug
  TIDINGS_ADMIN_PASSWORD  sets the password of `admin`
  TIDINGS_API_KEY         an API key of scope admin while this process lives

Signals: SIGTERM and SIGINT stop the server cleanly, SIGHUP reads the certificate again.

Examples:
  tidings serve --domain push.example.org --data-dir /var/lib/tidings
  tidings serve --set registration.policy=closed --set limits.login_failures_per_minute=5
  tidings serve --config /etc/tidings.toml --log-format json";

impl Args {
    /// These flags and the environment.
    fn layers(&self) -> Layers {
        let mut layers = Layers { strict: true, ..self.settings.layers() };
        let format = self.log_format.map(|format| match format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let flags = [
            ("listen.xmpp", self.xmpp.clone()),
            ("listen.xmpps", self.xmpps.clone()),
            ("listen.http", self.http.clone()),
            ("log.format", format),
        ];
        layers.flags.extend(flags.into_iter().filter_map(|(key, value)| Some((key, value?))));
        layers
    }
}

/// Runs a server until a signal ends it.
///
/// # Errors
/// One line for people.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let loaded = config::load(&args.layers())?;
    logging::start(&loaded.settings.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        // Before the ready line, so that a signal right after it is not missed.
        let mut signals = Signals::listen()?;
        let mut running = Running::start(&loaded.settings, &Secrets::of_environment()).await?;
        if let Some((password, path)) = &running.admin_password {
            output::note(format_args!(
                "administrator `admin`, password `{password}`, kept in {}",
                path.display()
            ));
        }
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            domain = loaded.settings.domain,
            certificate = running.certificates.fingerprint_text(),
            "serving"
        );
        output::announce(format_args!(
            "ready xmpp={} xmpps={} http={}",
            reachable(running.xmpp),
            reachable(running.xmpps),
            reachable(running.http)
        ));
        let outcome = running.until(&mut signals).await;
        running.stop().await;
        outcome
    });
    // What still runs on other threads now is not waited for.
    runtime.shutdown_background();
    outcome
}

/// Where a program on this machine reaches a listener: one on all addresses by the
/// loopback one, which also stands in the self-signed certificate.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_addresses_to_connect_to() {
        for (bound, said) in [
            ("0.0.0.0:5222", "127.0.0.1:5222"),
            ("[::]:5223", "[::1]:5223"),
            ("127.0.0.1:7070", "127.0.0.1:7070"),
            ("192.0.2.7:5222", "192.0.2.7:5222"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()).to_string(), said);
        }
    }
}
