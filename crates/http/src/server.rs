//! The HTTP side as the binary starts it: all routes in one router, and the one that
//! comes by the thousand before it.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::get;
use futures_util::FutureExt as _;
use hyper::Request;
use hyper::body::Incoming;
use tidings_core::Core;
use tokio::net::TcpListener;
use tower::Service as _;

use crate::api::notifications;
use crate::middleware::guard::{self, RefusalFor};
use crate::net::{self, Answer, Site};
use crate::places::Places;
use crate::problem::Problem;
use crate::state::{App, AppState};
use crate::{Deployment, Settings, api, console, gateways};

/// Connections that a listener for monitoring alone has at once.
pub const MONITORING: usize = 8;

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
        Self { app: Arc::new(AppState::new(core, settings, deployment)) }
    }

    /// All routes, for [`serve`](Self::serve) and for tests without a socket.
    pub fn router(&self) -> Router {
        let app = Arc::clone(&self.app);
        api::router()
            .merge(gateways::router())
            .merge(console::router())
            .fallback(console::unknown_route)
            .method_not_allowed_fallback(console::unknown_method)
            .layer(from_fn_with_state((Arc::clone(&app), console::refusal_for as RefusalFor), guard::layer))
            .with_state(app)
    }

    /// Serves until `shutdown` resolves, then finishes requests under way within
    /// [`Settings::drain_seconds`].
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        let site = HotRoute { app: Arc::clone(&self.app), router: self.router() };
        let sampled = Arc::clone(&self.app);
        let sampler = tokio::spawn(async move {
            tokio::select! {
                () = sampled.samples.keep(&sampled.core) => {}
                () = sampled.stopped() => {}
            }
        });
        net::serve(&self.app, site, listener, Arc::clone(&self.app.places), shutdown).await;
        sampler.abort();
    }

    /// Serves only `/metrics`, `/healthz` and `/readyz`, without a key: for a
    /// listener that only the monitoring reaches. It has [`MONITORING`] connections of its own.
    pub async fn serve_metrics(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        let router = Router::new()
            .route("/metrics", get(api::metrics::open))
            .route("/healthz", get(api::health::alive))
            .route("/readyz", get(api::health::ready))
            .fallback(console::unknown_route)
            .layer(from_fn_with_state(
                (Arc::clone(&self.app), console::refusal_for as RefusalFor),
                guard::layer,
            ))
            .with_state(Arc::clone(&self.app));
        let places = Places::new(MONITORING, MONITORING);
        net::serve(&self.app, Routes(router), listener, places, shutdown).await;
    }
}

/// A router.
#[derive(Clone)]
struct Routes(Router);

impl Site for Routes {
    fn answer(&self, request: Request<Incoming>) -> Answer {
        Box::pin(self.0.clone().call(request))
    }
}

/// A router, and before it the one request that comes by the thousand: sending a
/// notification goes past the router, which with its layers costs as much as the rest
/// of the request.
#[derive(Clone)]
struct HotRoute {
    app: App,
    router: Router,
}

impl Site for HotRoute {
    fn answer(&self, request: Request<Incoming>) -> Answer {
        if request.method() != Method::POST || request.uri().path() != notifications::PATH {
            return Box::pin(self.router.clone().call(request));
        }
        let app = Arc::clone(&self.app);
        Box::pin(
            async move {
                let answer = notifications::send_directly(&app, request.map(Body::new));
                guard::run(&app, &Method::POST, notifications::PATH, answer, Problem::into_response).await
            }
            .map(Ok),
        )
    }
}
