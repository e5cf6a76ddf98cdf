//! Logins to the console: a cookie's secret stands for an operator, for a while.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::{AuthError, AuthManager};
use crate::audit::Actor;
use crate::model::Operator;
use crate::store::{StoreError, WebSession};

/// How long a login to the console lasts.
pub const LOGIN_LASTS: Duration = Duration::from_secs(12 * 3600);

/// A login to the console that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebLogin {
    /// Whose, with the role that they have now.
    pub operator: Operator,
    /// What every form of this login carries: it follows from the cookie's secret, which does
    /// not follow from it.
    pub csrf: String,
}

impl AuthManager {
    /// Logs an operator in to the console, throttled by source; the secret that stands for the login.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn log_in(&self, name: &str, password: &str, source: IpAddr) -> Result<String, AuthError> {
        let operator = self.check_operator(name, password, source).await?;
        let actor = Actor::Operator(operator.name.clone());
        self.audit.note(&actor, "operator.login", &source.to_string()).await?;
        Ok(self.start_web_session(&operator.name).await?)
    }

    /// Starts a login of an operator who has just proven who they are; the secret that stands for it.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn start_web_session(&self, operator: &str) -> Result<String, StoreError> {
        let mut secret = [0; 32];
        self.random.fill(&mut secret);
        let secret = URL_SAFE_NO_PAD.encode(secret);
        // One way: a reader of the token in a page does not learn the secret.
        let csrf = Sha256::new().chain_update(b"csrf ").chain_update(secret.as_bytes()).finalize();
        let session = WebSession {
            hash: hash(&secret),
            operator: operator.to_owned(),
            csrf: URL_SAFE_NO_PAD.encode(csrf),
            expires_at: self.clock.now().plus(LOGIN_LASTS),
        };
        self.store.put_web_session(session).await?;
        Ok(secret)
    }

    /// The login that this secret stands for; none where its time is over, it was ended, or the
    /// operator is gone.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn web_login(&self, secret: &str) -> Result<Option<WebLogin>, StoreError> {
        let Some(session) = self.store.web_session(hash(secret), self.clock.now()).await? else {
            return Ok(None);
        };
        let operator = self.operator(&session.operator).await?;
        Ok(operator.map(|operator| WebLogin { operator, csrf: session.csrf }))
    }

    /// Ends a login.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn log_out(&self, operator: &str, secret: &str) -> Result<(), StoreError> {
        self.store.end_web_sessions(Some(hash(secret)), None).await?;
        self.something_ended();
        self.audit.note(&Actor::Operator(operator.to_owned()), "operator.logout", "").await
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
