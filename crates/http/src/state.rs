//! What every handler gets as its state: the core, the settings, and the HTTP side's own counts and bounds.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::Core;
use tidings_core::store::StoreError;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::Instant;

use crate::places::Places;
use crate::prometheus::Requests;
use crate::samples::Samples;
use crate::{Deployment, Settings};

/// Bodies read at once from clients that have shown no credential yet, and those of one address. Past that
/// the slowest gives way.
const UNAUTHENTICATED_BODIES: usize = 64;
const UNAUTHENTICATED_BODIES_PER_ADDRESS: usize = 16;

/// The part of all connections that one address may have.
const OF_ONE_ADDRESS: usize = 4;

/// What every handler shares.
pub(crate) struct AppState {
    pub core: Arc<Core>,
    pub settings: Settings,
    pub deployment: Deployment,
    pub samples: Samples,
    pub requests: Requests,
    /// One permit a request under way.
    pub in_flight: Semaphore,
    /// One place a connection.
    pub places: Arc<Places>,
    /// One place a body that is read before its sender has shown a credential.
    pub unauthenticated_bodies: Arc<Places>,
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

impl AppState {
    /// The state of a server that has just started.
    pub(crate) fn new(core: Arc<Core>, settings: Settings, deployment: Deployment) -> Self {
        Self {
            core,
            deployment,
            samples: Samples::default(),
            requests: Requests::default(),
            in_flight: Semaphore::new(settings.requests),
            places: Places::new(settings.connections, connections_per_address(&settings)),
            unauthenticated_bodies: Places::new(UNAUTHENTICATED_BODIES, UNAUTHENTICATED_BODIES_PER_ADDRESS),
            streams: Arc::new(Semaphore::new(settings.streams)),
            stopping: watch::Sender::new(false),
            started: Instant::now(),
            readiness: Mutex::new(None),
            settings,
        }
    }

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

/// What one address may take leaves the better part to the others, however few places there are.
fn connections_per_address(settings: &Settings) -> usize {
    match settings.connections_per_address {
        0 => usize::MAX,
        limit => limit.min((settings.connections / OF_ONE_ADDRESS).max(2)),
    }
}
