//! Where `account` and `key` do their work: a running server, or its data
//! directory while none runs.

use std::sync::Arc;

use tidings_core::clock::{SystemClock, SystemRandom};
use tidings_core::store::Store;
use tidings_core::{Core, Ports};
use tidings_store::{SqliteOptions, SqliteStore};

use crate::api::{Api, server_variable};
use crate::args::{ServerArgs, TargetArgs};
use crate::config;
use crate::data_dir::{DATABASE, DataDir, DataDirError};
use crate::failure::Failure;

pub(crate) enum Target {
    Server(Api),
    Directory(Box<Local>),
}

/// A data directory, opened without a server: the managers, and no sockets.
pub(crate) struct Local {
    pub core: Arc<Core>,
    _dir: DataDir,
}

impl Target {
    /// By the command line: `--server`, else `--data-dir`, else `TIDINGS_SERVER`,
    /// else the default data directory, which is made where there is none.
    ///
    /// # Errors
    /// When the server or the directory cannot be used.
    pub(crate) fn of(args: &TargetArgs) -> Result<Self, Failure> {
        Self::open(args, true)
    }

    /// The same, for what makes sense only where there is something already.
    ///
    /// # Errors
    /// As for [`of`](Self::of), and when there is no such directory.
    pub(crate) fn existing(args: &TargetArgs) -> Result<Self, Failure> {
        Self::open(args, false)
    }

    fn open(args: &TargetArgs, make: bool) -> Result<Self, Failure> {
        if args.server.server.is_some() && args.settings.data_dir.is_some() {
            return Err(Failure::usage("--server and --data-dir are two places; name one"));
        }
        let variable = || args.settings.data_dir.is_none().then(server_variable).flatten();
        if let Some(server) = args.server.server.clone().or_else(variable) {
            let server = ServerArgs { server: Some(server), api_key: args.server.api_key.clone() };
            return Ok(Self::Server(Api::of(&server)?));
        }
        let settings = config::load(&args.settings.layers())?.settings;
        if !make && !settings.data_dir.join(DATABASE).exists() {
            let shown = settings.data_dir.display();
            return Err(Failure::failed(format!(
                "there is no database in {shown}; --data-dir says where one is"
            )));
        }
        let dir = DataDir::open(&settings.data_dir).map_err(|error| match error {
            DataDirError::InUse(_) => {
                Failure::failed(format!("{error}; use --server URL --api-key KEY instead"))
            }
            other => other.into(),
        })?;
        let open = async {
            let store: Arc<dyn Store> =
                Arc::new(SqliteStore::open(&dir.database(), SqliteOptions::default())?);
            let ports = Ports::local(store, Arc::new(SystemClock), Arc::new(SystemRandom));
            Ok::<_, Failure>(Core::open(settings.core(), ports).await?)
        };
        let core = runtime()?.block_on(open)?;
        Ok(Self::Directory(Box::new(Local { core, _dir: dir })))
    }
}

impl Local {
    /// Does something, and closes the store after it.
    ///
    /// # Errors
    /// What the work says.
    pub(crate) fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        runtime()?.block_on(async {
            let result = work.await;
            self.core.stop().await;
            result
        })
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {}", crate::failure::io(&error))))
}
