//! Rights by which an answer goes on for as long as a client reads it: when the right ends, so does the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::Core;
use tidings_core::model::KeyId;
use tokio::sync::watch;
use tokio::time::timeout;

/// How often it is asked even where nothing is known to have ended: a login's time is over at some moment, and
/// another node may have ended it.
const ASK: Duration = Duration::from_secs(10);

/// Resolves once the right is gone.
pub(crate) type Ended = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Resolves once the API key is revoked.
pub(crate) fn key_ended(core: Arc<Core>, id: KeyId) -> Ended {
    let endings = core.auth.endings();
    Box::pin(async move {
        let mut endings = endings;
        while core.auth.has_key(&id) {
            next(&mut endings).await;
        }
    })
}

/// Resolves once the console login that this secret stands for is over.
pub(crate) fn login_ended(core: Arc<Core>, secret: String) -> Ended {
    let endings = core.auth.endings();
    Box::pin(async move {
        let mut endings = endings;
        // A store that does not answer now says nothing about the login.
        while !matches!(core.auth.web_login(&secret).await, Ok(None)) {
            next(&mut endings).await;
        }
    })
}

/// Waits until it is to be asked again.
async fn next(endings: &mut watch::Receiver<u64>) {
    // An error means that the core is gone, which the future holds.
    let _ = timeout(ASK, endings.changed()).await;
}
