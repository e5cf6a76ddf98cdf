//! The command line: what there is, and what its help says.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use super::{account, backup, demo, doctor, import, key, listen, packaged, restore, send, serve};
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
    Serve(serve::Args),
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
    /// Put a backup into a data directory
    Restore(restore::Args),
    /// Check a data directory and say what is wrong with it
    Doctor(doctor::Args),
    /// Take over the accounts of an androidpn deployment
    Import(import::Args),
    /// Print completions for a shell
    Completions(packaged::Completions),
    /// Print the manual page
    Man,
}

/// What the command line takes, for what is made of it.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
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
