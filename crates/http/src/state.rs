//! The state that every handler gets, and the HTTP side as the binary starts it.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tidings_core::Core;
use tidings_core::store::StoreError;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::Instant;

use crate::api::metrics::Requests;
use crate::console::history::{self, History, Timelines};
use crate::{Deployment, Settings, api, console, middleware, net};

/// Bodies read at once from clients that have shown no credential yet.
const UNAUTHENTICATED_BODIES: usize = 64;

/// What every handler shares.
pub(crate) struct AppState {
    pub core: Arc<Core>,
    pub settings: Settings,
    pub deployment: Deployment,
    pub history: History,
    pub timelines: Timelines,
    pub requests: Requests,
    /// One permit a request under way.
    pub in_flight: Semaphore,
    /// One permit a body that is read before its sender has shown a credential.
    pub unauthenticated_bodies: Semaphore,
    /// One permit an event stream.
    pub streams: Arc<Semaphore>,
    /// True once the server stops: event streams end then.
    pub stopping: watch::Sender<bool>,
    pub started: Instant,
    /// The last answer of the store's self-test and when it was given.
    pub readiness: Mutex<Option<(Instant, Result<(), StoreError>)>>,
}

/// What handlers get as their state.
pub(crate) type App = Arc<AppState>;

/// The HTTP side of a server. Cloning is cheap.
#[derive(Clone)]
pub struct Http {
    app: App,
}

impl Http {
    /// Puts the HTTP side in front of a core.
    pub fn new(core: Arc<Core>, settings: Settings) -> Self {
        Self::deployed(core, settings, Deployment::default())
    }

    /// The same, with what the console shows of the rest of the server.
    pub fn deployed(core: Arc<Core>, settings: Settings, deployment: Deployment) -> Self {
        Self {
            app: Arc::new(AppState {
                core,
                deployment,
                history: History::default(),
                timelines: Timelines::default(),
                requests: Requests::default(),
                in_flight: Semaphore::new(settings.requests),
                unauthenticated_bodies: Semaphore::new(UNAUTHENTICATED_BODIES),
                streams: Arc::new(Semaphore::new(settings.streams)),
                stopping: watch::Sender::new(false),
                started: Instant::now(),
                readiness: Mutex::new(None),
                settings,
            }),
        }
    }

    /// All routes, for [`serve`](Self::serve) and for tests without a socket.
    pub fn router(&self) -> Router {
        let app = Arc::clone(&self.app);
        api::router()
            .merge(console::router())
            .fallback(console::unknown_route)
            .method_not_allowed_fallback(console::unknown_method)
            .layer(from_fn_with_state(Arc::clone(&app), middleware::guard))
            .with_state(app)
    }

    /// Serves until `shutdown` resolves, then finishes requests under way within
    /// [`Settings::drain_seconds`].
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let site = net::Site { router: self.router(), shortcut: true };
        let sampler = tokio::spawn(history::sample(Arc::clone(&self.app)));
        let outcome = net::serve(&self.app, site, listener, shutdown).await;
        sampler.abort();
        outcome
    }

    /// Serves only `/metrics`, `/healthz` and `/readyz`, without a key: for a
    /// listener that only the monitoring reaches.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve_metrics(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let router = Router::new()
            .route("/metrics", get(api::metrics::open))
            .route("/healthz", get(api::health::alive))
            .route("/readyz", get(api::health::ready))
            .fallback(console::unknown_route)
            .layer(from_fn_with_state(Arc::clone(&self.app), middleware::guard))
            .with_state(Arc::clone(&self.app));
        net::serve(&self.app, net::Site { router, shortcut: false }, listener, shutdown).await
    }
}

impl AppState {
    /// Resolves when the server stops.
    pub(crate) async fn stopped(&self) {
        // An error means that the sender is gone, which `self` holds.
        let _ = self.stopping.subscribe().wait_for(|stop| *stop).await;
    }

    /// How long a request may take.
    pub(crate) fn request_time(&self) -> Duration {
        Duration::from_secs(self.settings.request_seconds)
    }
}
