//! The command line: what there is, and what its help says.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::commands::{account, backup, demo, doctor, key, listen, send};
use crate::config::{Layers, LogFormat};
use crate::failure::Failure;

/// A self-hosted push server: devices keep one XMPP connection, back ends send
/// notifications over HTTP.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tidings demo                     See it work on this machine, in one go
  tidings serve                    Run a server; data goes to ./tidings-data
  tidings key create shop          Make an API key for a back end
  tidings send --api-key KEY --all --title Hello --message 'It works'
                                   Send to every device";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server in the foreground until SIGINT or SIGTERM
    Serve(ServeArgs),
    /// See the whole thing work: a server, a device, a notification
    Demo(demo::Args),
    /// Send a notification through a server's HTTP API
    Send(send::Args),
    /// Be a device: print notifications as they come
    Listen(listen::Args),
    /// Accounts: add, list, remove, change a password
    Account(account::Args),
    /// API keys: create, list, revoke
    Key(key::Args),
    /// Copy the database to a file while the server runs
    Backup(backup::Args),
    /// Check a data directory and say what is wrong with it
    Doctor(doctor::Args),
}

/// What `serve` takes.
#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// XMPP with STARTTLS [default: 0.0.0.0:5222]
    #[arg(long, value_name = "ADDR")]
    pub xmpp: Option<String>,
    /// XMPP with TLS from the first byte [default: 0.0.0.0:5223]
    #[arg(long, value_name = "ADDR")]
    pub xmpps: Option<String>,
    /// The HTTP API and the console [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// A database other than SQLite in the data directory
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Where the nodes of a cluster meet
    #[arg(long, value_name = "URL")]
    pub nats: Option<String>,
    /// How a line of the log looks [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
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

/// Where settings come from.
#[derive(Debug, Default, Args)]
pub(crate) struct SettingsArgs {
    /// A TOML file with settings
    #[arg(long, value_name = "FILE", env = "TIDINGS_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where everything is kept [default: ./tidings-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The served XMPP domain [default: localhost]
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// Set any key of the file (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl SettingsArgs {
    /// These flags and the environment.
    pub(crate) fn layers(&self) -> Layers {
        let mut flags = Vec::new();
        let data_dir = self.data_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned());
        flags.extend(data_dir.map(|dir| ("data_dir", dir)));
        flags.extend(self.domain.clone().map(|domain| ("domain", domain)));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("TIDINGS_"))
            .collect();
        Layers { file: self.config.clone(), environment, set: self.set.clone(), flags }
    }
}

impl ServeArgs {
    /// These flags and the environment.
    pub(crate) fn layers(&self) -> Layers {
        let mut layers = self.settings.layers();
        let format = self.log_format.map(|format| match format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let flags = [
            ("listen.xmpp", self.xmpp.clone()),
            ("listen.xmpps", self.xmpps.clone()),
            ("listen.http", self.http.clone()),
            ("database", self.database.clone()),
            ("nats", self.nats.clone()),
            ("log.format", format),
        ];
        layers.flags.extend(flags.into_iter().filter_map(|(key, value)| Some((key, value?))));
        layers
    }
}

/// A server to talk to over HTTP.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// A running server's HTTP address, such as http://127.0.0.1:7070 [env: TIDINGS_SERVER=]
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// An API key for it
    #[arg(long, value_name = "KEY", env = "TIDINGS_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
}

/// A running server, or its data directory while none runs.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Reads the command line; answers `--help` and `--version` itself.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub(crate) fn parse() -> Result<Cli, Failure> {
    Cli::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            error.exit();
        }
        _ => Failure::usage(explain(&error, std::env::args())),
    })
}

/// clap's several lines as one.
fn explain(error: &clap::Error, line: impl Iterator<Item = String>) -> String {
    let path = command_of(line);
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return format!("say what to do: {}; see `{path} --help`", subcommands(&path));
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let mut said = String::new();
    for part in text.lines().map(str::trim) {
        if part.starts_with("Usage:") || part.starts_with("For more") {
            break;
        }
        if part.is_empty() || part.starts_with("[subcommands:") {
            continue;
        }
        let tip = part.strip_prefix("tip: ");
        said += match tip {
            Some(_) => "; ",
            None if said.is_empty() => "",
            None => " ",
        };
        said += tip.unwrap_or(part);
    }
    format!("{said}; see `{path} --help`")
}

/// `tidings account add` of `tidings account add --no-such-thing x`.
fn command_of(line: impl Iterator<Item = String>) -> String {
    let mut path = "tidings".to_owned();
    let mut command = Cli::command();
    for word in line.skip(1) {
        let Some(found) = command.find_subcommand(&word) else { break };
        path = format!("{path} {word}");
        command = found.clone();
    }
    path
}

fn subcommands(path: &str) -> String {
    let mut command = Cli::command();
    for name in path.split_whitespace().skip(1) {
        match command.find_subcommand(name) {
            Some(found) => command = found.clone(),
            None => break,
        }
    }
    let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(line: &str) -> String {
        let error = Cli::try_parse_from(line.split_whitespace()).unwrap_err();
        explain(&error, line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_one_line_that_helps() {
        let said = wrong("tidings serve --domian x");
        assert!(said.contains("--domian") && said.contains("--domain"), "{said}");
        assert!(said.ends_with("see `tidings serve --help`"), "{said}");
        let said = wrong("tidings");
        assert!(said.contains("serve, demo, send"), "{said}");
        let said = wrong("tidings account");
        assert!(
            said.contains("add, list, remove, passwd") && said.contains("`tidings account --help`"),
            "{said}"
        );
        let said = wrong("tidings send --title x");
        assert!(said.contains("--all") && !said.contains('\n'), "{said}");
        let said = wrong("tidings sedn");
        assert!(said.contains("'sedn'; a similar") && said.contains("send"), "{said}");
        let said = wrong("tidings key create x --scope god");
        assert!(
            said.contains("[possible values") && said.ends_with("see `tidings key create --help`"),
            "{said}"
        );
    }
}
