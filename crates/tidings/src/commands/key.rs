//! `tidings key`: what back ends show to send.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use tidings_core::audit::Actor;
use tidings_core::auth::NewKey;
use tidings_core::error::ChangeError;
use tidings_core::model::{KeyId, NamePattern, Scope, SendRights};
use ureq::http::Method;

use super::target::Target;
use crate::api::encode;
use crate::args::TargetArgs;
use crate::failure::Failure;
use crate::output;

/// API keys: what back ends show to send.
///
/// Works on a running server with --server and --api-key (of scope admin), or on
/// its data directory with --data-dir while no server runs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  KEY=$(tidings key create shop --scope send)   The key is shown this once
  tidings key create ci --topic 'alerts*'       Sends to topics that begin so, to nobody else
  tidings key list
  tidings key revoke 1f2e3d4c5b6a";

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a key and print it, this once
    Create {
        #[command(flatten)]
        target: TargetArgs,
        /// What to call it
        name: String,
        /// What it may do: send notifications, see everything, or everything
        #[arg(long, default_value = "send")]
        scope: ScopeArg,
        /// Bind it to this topic (repeatable); a trailing * matches the rest
        #[arg(long, value_name = "NAME")]
        topic: Vec<String>,
        /// Bind it to this user (repeatable); a trailing * matches the rest
        #[arg(long, value_name = "NAME")]
        user: Vec<String>,
    },
    /// List keys
    List {
        #[command(flatten)]
        target: TargetArgs,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key at once
    Revoke {
        #[command(flatten)]
        target: TargetArgs,
        /// Its id, as listed
        id: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeArg {
    Send,
    Read,
    Admin,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Send => Self::Send,
            ScopeArg::Read => Self::Read,
            ScopeArg::Admin => Self::Admin,
        }
    }
}

/// Does it.
///
/// # Errors
/// One line for people.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Create { target, name, scope, topic, user } => {
            let names = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
            let (name, scope) = (name.clone(), (*scope).into());
            create(target, NewKey { name, scope, topics: names(topic), users: names(user) })
        }
        Command::List { target, json } => list(target, *json),
        Command::Revoke { target, id } => revoke(target, id),
    }
}

fn create(target: &TargetArgs, new: NewKey) -> Result<(), Failure> {
    let (name, scope) = (new.name.clone(), new.scope);
    let target = Target::of(target)?;
    let show = |id: &str, secret: &str| {
        output::note(format_args!("key {id} ({name}) may {}; shown this once:", may(scope)));
        output::secret(secret, "the key is revoked again")
    };
    match target {
        Target::Server(api) => {
            let mut body = json!({ "name": name, "scope": scope.as_str() });
            for (field, names) in [("topics", new.topics), ("users", new.users)] {
                if let (Some(names), Some(body)) = (names, body.as_object_mut()) {
                    body.insert(field.to_owned(), names.into());
                }
            }
            let answer = api.call(Method::POST, "/v1/keys", Some(&body))?;
            let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
            let missing = || Failure::failed("the server's answer has no key");
            let (id, secret) = (text("id").ok_or_else(missing)?, text("key").ok_or_else(missing)?);
            show(&id, &secret).or_else(|lost| {
                api.call(Method::DELETE, &format!("/v1/keys/{}", encode(&id)), None)?;
                Err(lost)
            })
        }
        Target::Directory(local) => local.run(async {
            let auth = &local.core.auth;
            let (key, secret) = auth.create_key(&Actor::CommandLine, new).await?;
            if let Err(lost) = show(&key.id.0, &secret) {
                auth.revoke_key(&Actor::CommandLine, &key.id).await?;
                return Err(lost);
            }
            Ok(())
        }),
    }
}

fn may(scope: Scope) -> &'static str {
    match scope {
        Scope::Send => "send",
        Scope::Read => "read",
        Scope::Admin => "do everything",
    }
}

fn list(target: &TargetArgs, json: bool) -> Result<(), Failure> {
    let rows = match Target::existing(target)? {
        Target::Server(api) => {
            let mut answer = api.call(Method::GET, "/v1/keys", None)?;
            match answer.get_mut("keys").map(Value::take) {
                Some(Value::Array(keys)) => keys,
                _ => return Err(Failure::failed("the server's answer has no keys")),
            }
        }
        Target::Directory(local) => {
            let keys = local.core.auth.keys();
            let row = |key: tidings_core::model::ApiKey| {
                let listed =
                    |names: &[NamePattern]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
                let (topics, users) = match &key.rights {
                    SendRights::Everyone => (None, None),
                    SendRights::Only { topics, users } => (Some(listed(topics)), Some(listed(users))),
                };
                json!({
                    "topics": topics,
                    "users": users,
                    "id": key.id.0,
                    "name": key.name,
                    "scope": key.scope.as_str(),
                    "created_at": key.created_at.to_string(),
                    "last_used": key.last_used.map(|at| at.to_string()),
                })
            };
            keys.into_iter().map(row).collect()
        }
    };
    if json {
        rows.iter().for_each(output::line);
        return Ok(());
    }
    let cell = |row: &Value, key: &str| {
        row.get(key).and_then(Value::as_str).map_or_else(|| "-".to_owned(), output::plain)
    };
    let row = |row: &Value| {
        let [id, name, scope, created, used] =
            ["id", "name", "scope", "created_at", "last_used"].map(|key| cell(row, key));
        vec![id, name, scope, sends_to(row), created, used]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
    output::table(&["ID", "NAME", "SCOPE", "SENDS TO", "CREATED", "LAST USED"], &rows);
    Ok(())
}

/// The topics (with a `#`) and users that a key is bound to.
fn sends_to(row: &Value) -> String {
    let names = |key: &str, sign: &str| {
        let names = row.get(key).and_then(Value::as_array)?.iter().filter_map(Value::as_str);
        Some(names.map(|name| format!("{sign}{}", output::plain(name))).collect::<Vec<_>>())
    };
    match (names("topics", "#"), names("users", "")) {
        (None, None) => "everyone".to_owned(),
        (topics, users) => {
            let names: Vec<_> = topics.into_iter().chain(users).flatten().collect();
            if names.is_empty() { "nobody".to_owned() } else { names.join(" ") }
        }
    }
}

fn revoke(target: &TargetArgs, id: &str) -> Result<(), Failure> {
    match Target::existing(target)? {
        Target::Server(api) => {
            api.call(Method::DELETE, &format!("/v1/keys/{}", encode(id)), None)?;
        }
        Target::Directory(local) => {
            let id = KeyId(id.to_owned());
            local.run(async {
                local.core.auth.revoke_key(&Actor::CommandLine, &id).await.map_err(|error| match error {
                    ChangeError::NotFound(_) => {
                        Failure::failed("there is no such key; `tidings key list` shows them")
                    }
                    other => other.into(),
                })
            })?;
        }
    }
    output::note(format_args!("key {} is revoked", output::plain(id)));
    Ok(())
}
