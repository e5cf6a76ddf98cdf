//! `tidings import androidpn`: the accounts of an androidpn deployment.

mod dump;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, json};
use tidings_core::audit::Actor;
use tidings_core::auth::RegistrationRequest;
use tidings_core::error::{ChangeError, FieldError};
use tidings_core::model::Username;

use self::dump::{User, Users};
use super::target::Target;
use crate::args::TargetArgs;
use crate::failure::{self, Failure};
use crate::output;

/// Take over what another system has.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Accounts of an androidpn deployment
    ///
    /// Reads its table apn_user out of HSQLDB's .script file (and the .log beside it, named after it),
    /// or out of a dump of MySQL or PostgreSQL. Passwords, which androidpn keeps in the clear, become
    /// SCRAM keys. May be repeated: whom the server knows already is passed over.
    #[command(after_help = EXAMPLES)]
    Androidpn {
        #[command(flatten)]
        target: TargetArgs,
        /// The files, in this order
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Say what would be taken, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

const EXAMPLES: &str = "\
Works on a running server with --server and --api-key (of scope admin), or on
its data directory with --data-dir while no server runs.

Examples:
  tidings import androidpn --dry-run androidpndb.script androidpndb.log
  tidings import androidpn --data-dir /var/lib/tidings androidpndb.script androidpndb.log
  mysqldump androidpn apn_user > users.sql && tidings import androidpn users.sql";

/// Does it.
///
/// # Errors
/// One line for people. Accounts that were taken before an error stay.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Androidpn { target, files, dry_run } => androidpn(target, files, *dry_run),
    }
}

fn androidpn(target: &TargetArgs, files: &[PathBuf], dry_run: bool) -> Result<(), Failure> {
    let mut users = Users::default();
    for path in files {
        let file = fs::read(path).map_err(|error| {
            Failure::failed(format!("cannot read {}: {}", path.display(), failure::io(&error)))
        })?;
        users.read(&file);
    }
    if !users.found {
        return Err(Failure::failed("no table apn_user is in there: neither its definition nor a row of it"));
    }
    let mut told = Told::default();
    let requests = told_apart(users.into_users(), &mut told);
    if dry_run {
        told.taken = requests.len();
        told.sum_up("would be taken");
        return Ok(());
    }
    match Target::of(target)? {
        Target::Server(api) => {
            for request in requests {
                let mut body = Map::from_iter([
                    ("username".to_owned(), json!(request.username)),
                    ("password".to_owned(), json!(request.password)),
                ]);
                body.extend(request.name.map(|name| ("name".to_owned(), json!(name))));
                body.extend(request.email.map(|email| ("email".to_owned(), json!(email))));
                match api.create("/v1/users", &body.into())? {
                    Ok(()) => told.taken += 1,
                    Err(why) => told.skip(&request.username, &why),
                }
            }
        }
        Target::Directory(local) => local.run(async {
            for request in requests {
                let username = request.username.clone();
                match local.core.auth.create_account(&Actor::CommandLine, request).await {
                    Ok(_) => told.taken += 1,
                    Err(error @ ChangeError::Store(_)) => return Err(error.into()),
                    Err(ChangeError::Conflict(_)) => told.skip(&username, "there is such an account already"),
                    Err(error) => told.skip(&username, &error.to_string()),
                }
            }
            Ok(())
        })?,
    }
    told.sum_up("taken");
    Ok(())
}

/// What became of whom.
#[derive(Default)]
struct Told {
    taken: usize,
    skipped: usize,
}

impl Told {
    fn skip(&mut self, username: &str, why: &str) {
        self.skipped += 1;
        output::line(format_args!("skipped {}: {}", output::one_line(username), output::one_line(why)));
    }

    fn sum_up(&self, taken: &str) {
        output::line(format_args!("{} {taken}, {} skipped", self.taken, self.skipped));
    }
}

/// Those that can be accounts here; the others are told of.
fn told_apart(users: Vec<User>, told: &mut Told) -> Vec<RegistrationRequest> {
    let mut known = BTreeMap::<Username, String>::new();
    let mut requests = Vec::new();
    for user in users {
        let Some(written) = user.username.filter(|name| !name.is_empty()) else {
            told.skip("(no name)", "it has no username");
            continue;
        };
        let Some(password) = user.password.filter(|password| !password.is_empty()) else {
            told.skip(&written, "it has no password");
            continue;
        };
        let mut request = RegistrationRequest {
            username: written.clone(),
            password,
            name: user.name,
            email: user.email,
            token: None,
        };
        let wrong = request.check();
        // androidpn took anything there, and no phone depends on it.
        let is_wrong = |field: &str| wrong.iter().any(|error: &FieldError| error.field == field);
        if is_wrong("name") {
            request.name = None;
        }
        if is_wrong("email") {
            request.email = None;
        }
        if let Some(error) = wrong.iter().find(|error| error.field != "name" && error.field != "email") {
            told.skip(&written, &format!("{}: {}", error.field, error.detail));
            continue;
        }
        let Ok(username) = Username::parse(&written) else { continue };
        if let Some(same) = known.insert(username, written.clone()) {
            told.skip(&written, &format!("{same} is the same name here"));
            continue;
        }
        requests.push(request);
    }
    requests
}
