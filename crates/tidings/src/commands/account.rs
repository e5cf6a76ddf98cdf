//! `tidings account`: devices and people that can log in.

use std::io::{self, BufRead};

use clap::Subcommand;
use serde_json::{Map, Value, json};
use tidings_core::audit::Actor;
use tidings_core::auth::{AccountEdit, RegistrationRequest};
use tidings_core::clock::{Random, SystemRandom};
use tidings_core::error::ChangeError;
use tidings_core::model::{Account, Username};
use tidings_core::store::AccountQuery;
use ureq::http::Method;

use super::target::{Local, Target};
use crate::api::{Api, encode};
use crate::args::TargetArgs;
use crate::failure::Failure;
use crate::output;

/// Accounts: devices and people that can log in.
///
/// Works on a running server with --server and --api-key, or on its data
/// directory with --data-dir while no server runs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tidings account add alice                          Makes a password and prints it
  tidings account add bob --password-stdin < secret
  tidings account list --server http://127.0.0.1:7070 --api-key KEY
  tidings account passwd alice --password 'correct horse'
  tidings account remove alice bob";

#[derive(Debug, Subcommand)]
enum Command {
    /// Create an account; without a password, make one and print it
    Add {
        #[command(flatten)]
        target: TargetArgs,
        /// Its username
        username: String,
        #[command(flatten)]
        password: PasswordArgs,
        /// A display name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// An e-mail address
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
    },
    /// List accounts
    List {
        #[command(flatten)]
        target: TargetArgs,
        /// Only those whose name, username or e-mail contains this
        #[arg(long, value_name = "TEXT")]
        query: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Remove accounts and what is pending for them
    Remove {
        #[command(flatten)]
        target: TargetArgs,
        /// Their usernames
        #[arg(required = true)]
        usernames: Vec<String>,
    },
    /// Change a password; without a new one, make one and print it
    Passwd {
        #[command(flatten)]
        target: TargetArgs,
        /// Whose
        username: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
}

#[derive(Debug, clap::Args)]
struct PasswordArgs {
    /// The password (other users of this machine may see it: better --password-stdin)
    #[arg(long, value_name = "PASSWORD", env = "TIDINGS_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

/// Does it.
///
/// # Errors
/// One line for people.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Add { target, username, password, name, email } => {
            let (secret, made) = password.read()?;
            match Target::of(target)? {
                Target::Server(api) => {
                    let mut body = Map::from_iter([
                        ("username".to_owned(), json!(username)),
                        ("password".to_owned(), json!(secret)),
                    ]);
                    body.extend(name.as_ref().map(|name| ("name".to_owned(), json!(name))));
                    body.extend(email.as_ref().map(|email| ("email".to_owned(), json!(email))));
                    api.call(Method::POST, "/v1/users", Some(&body.into())).map_err(of(username))?;
                }
                Target::Directory(local) => add(&local, username, &secret, name.clone(), email.clone())?,
            }
            say(username, "created", made.then_some(&secret))?;
        }
        Command::List { target, query, json } => {
            let rows = match Target::existing(target)? {
                Target::Server(api) => list_remote(&api, query.as_deref())?,
                Target::Directory(local) => list(&local, query.clone())?,
            };
            show(&rows, *json);
        }
        Command::Remove { target, usernames } => match Target::existing(target)? {
            Target::Server(api) => {
                for username in usernames {
                    let path = format!("/v1/users/{}", encode(username));
                    api.call(Method::DELETE, &path, None).map_err(of(username))?;
                    say(username, "removed", None)?;
                }
            }
            Target::Directory(local) => remove(&local, usernames)?,
        },
        Command::Passwd { target, username, password } => {
            let (secret, made) = password.read()?;
            match Target::existing(target)? {
                Target::Server(api) => {
                    let path = format!("/v1/users/{}", encode(username));
                    let body = json!({ "password": secret });
                    api.call(Method::PATCH, &path, Some(&body)).map_err(of(username))?;
                }
                Target::Directory(local) => passwd(&local, username, &secret)?,
            }
            say(username, "has a new password", made.then_some(&secret))?;
        }
    }
    Ok(())
}

/// Says of whom the server speaks.
fn of(username: &str) -> impl FnOnce(Failure) -> Failure {
    move |failure| match failure {
        Failure::Failed(why) => Failure::failed(format!("{username}: {why}")),
        usage @ Failure::Usage(_) => usage,
    }
}

impl PasswordArgs {
    /// The password, and whether it was made here.
    fn read(&self) -> Result<(String, bool), Failure> {
        if self.password_stdin {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line).map_err(|error| {
                Failure::failed(format!("cannot read the password: {}", crate::failure::io(&error)))
            })?;
            return Ok((line.trim_end_matches(['\r', '\n']).to_owned(), false));
        }
        Ok(match &self.password {
            Some(password) => (password.clone(), false),
            None => (random_password(), true),
        })
    }
}

/// 120 random bits, in letters that can be read out.
fn random_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 24];
    SystemRandom.fill(&mut bytes);
    bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)).copied().map(char::from)).collect()
}

/// A password that was made here is the only thing on standard output.
fn say(username: &str, what: &str, made: Option<&String>) -> Result<(), Failure> {
    output::note(format_args!("{} {what}", output::plain(username)));
    if let Some(password) = made {
        output::note("its password, shown this once:");
        output::secret(password, "its password is lost; `tidings account passwd` sets another")?;
    }
    Ok(())
}

fn add(
    local: &Local,
    username: &str,
    password: &str,
    name: Option<String>,
    email: Option<String>,
) -> Result<(), Failure> {
    let request = RegistrationRequest {
        username: username.to_owned(),
        password: password.to_owned(),
        name,
        email,
        token: None,
    };
    local.run(async {
        local.core.auth.create_account(&Actor::CommandLine, request).await.map(drop).map_err(|error| {
            match error {
                ChangeError::Conflict(_) => {
                    Failure::failed(format!("there is an account {username} already"))
                }
                other => other.into(),
            }
        })
    })
}

fn passwd(local: &Local, username: &str, password: &str) -> Result<(), Failure> {
    local.run(async {
        let account = find(local, username).await?;
        let edit = AccountEdit { password: Some(password.to_owned()), ..AccountEdit::default() };
        Ok(local.core.auth.change_account(&Actor::CommandLine, account.reference(), edit).await?)
    })
}

fn remove(local: &Local, usernames: &[String]) -> Result<(), Failure> {
    local.run(async {
        for username in usernames {
            let account = find(local, username).await?;
            local.core.auth.remove_account(&Actor::CommandLine, account.reference()).await?;
            say(username, "removed", None)?;
        }
        Ok(())
    })
}

async fn find(local: &Local, username: &str) -> Result<Account, Failure> {
    let unknown = || Failure::failed(format!("there is no account {username}"));
    let name = Username::parse(username).map_err(|_| unknown())?;
    local.core.auth.account(&name).await?.ok_or_else(unknown)
}

fn list(local: &Local, query: Option<String>) -> Result<Vec<Value>, Failure> {
    local.run(async {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let query =
                AccountQuery { contains: query.clone(), after, limit: 500, ..AccountQuery::default() };
            let page = local.core.auth.accounts(query).await?;
            rows.extend(page.items.into_iter().map(|row| {
                let account = row.account;
                json!({
                    "username": account.username.as_str(),
                    "name": account.name,
                    "email": account.email,
                    "last_seen": account.last_seen.map(|at| at.to_string()),
                    "created_at": account.created_at.to_string(),
                    "pending": row.pending,
                })
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(rows),
            }
        }
    })
}

fn list_remote(api: &Api, query: Option<&str>) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = query.map_or_else(String::new, |text| format!("&q={}", encode(text)));
        let mut page = api.call(Method::GET, &format!("/v1/users?limit=100{query}{cursor}"), None)?;
        if let Some(Value::Array(users)) = page.get_mut("users").map(Value::take) {
            rows.extend(users);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={}", encode(next)),
            None => return Ok(rows),
        }
    }
}

fn show(rows: &[Value], json: bool) {
    if json {
        rows.iter().for_each(output::line);
        return;
    }
    let cell = |row: &Value, key: &str| match row.get(key) {
        Some(Value::String(text)) => output::plain(text),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let keys = ["username", "name", "email", "last_seen", "created_at", "pending"];
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| keys.iter().map(|key| cell(row, key)).collect()).collect();
    output::table(&["USERNAME", "NAME", "EMAIL", "LAST SEEN", "CREATED", "PENDING"], &rows);
}
