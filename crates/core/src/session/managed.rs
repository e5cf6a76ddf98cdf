//! What is done to sessions from outside: an operator ends one, the other managers end an
//! account's or change its topics.

use std::sync::Arc;

use async_trait::async_trait;

use super::manager::SessionManager;
use super::session_entry::SessionEntry;
use crate::audit::Actor;
use crate::bus::Hint;
use crate::error::ChangeError;
use crate::model::{AccountId, EndReason, SessionId, Username};
use crate::sessions::Sessions;
use crate::store::StoreError;

impl SessionManager {
    /// Ends the session with this full JID, with stream error `<policy-violation/>`. Its device may
    /// connect again.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn end(&self, actor: &Actor, jid: &str) -> Result<(), ChangeError> {
        if !self.end_jid(jid).await? {
            return Err(ChangeError::NotFound("session"));
        }
        Ok(self.audit.note(actor, "session.end", jid).await?)
    }

    /// False when there is no such session here.
    async fn end_jid(&self, jid: &str) -> Result<bool, StoreError> {
        let Some((bare, resource)) = jid.split_once('/') else { return Ok(false) };
        let Some((username, domain)) = bare.split_once('@') else { return Ok(false) };
        if !domain.eq_ignore_ascii_case(self.registry.domain()) {
            return Ok(false);
        }
        let Ok(username) = Username::parse(username) else { return Ok(false) };
        let Some(account) = self.store.account(&username).await? else { return Ok(false) };
        let sessions = self.registry.sessions(account.id);
        // The store finds an account by its alias, too; a JID has the username.
        let has =
            |session: &&Arc<SessionEntry>| session.username == username && *session.resource == *resource;
        let found = sessions.iter().find(has);
        if let Some(session) = found {
            self.registry.end(session, EndReason::Operator);
        }
        self.publisher.publish(Hint::End {
            account: account.id,
            resource: Some(resource.to_owned()),
            reason: EndReason::Operator,
        });
        Ok(found.is_some())
    }
}

#[async_trait]
impl Sessions for SessionManager {
    fn end_account(&self, account: AccountId, keep: Option<SessionId>) {
        for session in self.registry.sessions(account) {
            if Some(session.id) != keep {
                self.registry.end(&session, EndReason::Account);
            }
        }
        self.publisher.publish(Hint::End { account, resource: None, reason: EndReason::Account });
    }

    async fn topics_changed(&self, account: AccountId) -> Result<(), StoreError> {
        self.publisher.publish(Hint::Topics(account));
        self.reindex_topics(account).await
    }
}
