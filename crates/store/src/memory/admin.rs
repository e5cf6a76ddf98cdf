//! API keys, operators, console logins, the audit log and settings.

use tidings_core::model::{ApiKey, KeyId, Operator, Timestamp};
use tidings_core::store::{AuditEntry, Page, Result, StoreError, WebSession};

use super::state::{State, page};

impl State {
    pub fn create_key(&mut self, key: ApiKey) -> Result<()> {
        if self.keys.iter().any(|known| known.id == key.id || known.hash == key.hash) {
            return Err(StoreError::Conflict);
        }
        self.keys.push(key);
        self.keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(())
    }

    pub fn keys(&self) -> Vec<ApiKey> {
        self.keys.clone()
    }

    pub fn revoke_key(&mut self, id: &KeyId) -> bool {
        let before = self.keys.len();
        self.keys.retain(|key| key.id != *id);
        self.keys.len() < before
    }

    pub fn touch_keys(&mut self, used: Vec<(KeyId, Timestamp)>) {
        for (id, at) in used {
            if let Some(key) = self.keys.iter_mut().find(|key| key.id == id) {
                key.last_used = Some(at);
            }
        }
    }

    pub fn put_operator(&mut self, operator: Operator) {
        self.operators.insert(operator.name.clone(), operator);
    }

    pub fn operators(&self) -> Vec<Operator> {
        self.operators.values().cloned().collect()
    }

    pub fn remove_operator(&mut self, name: &str) -> bool {
        self.end_web_sessions(None, Some(name));
        self.operators.remove(name).is_some()
    }

    pub fn put_web_session(&mut self, session: WebSession) {
        self.web_sessions.insert(session.hash, session);
    }

    pub fn web_session(&self, hash: [u8; 32], now: Timestamp) -> Option<WebSession> {
        self.web_sessions.get(&hash).filter(|session| session.expires_at > now).cloned()
    }

    pub fn end_web_sessions(&mut self, hash: Option<[u8; 32]>, operator: Option<&str>) {
        self.web_sessions.retain(|known, session| {
            hash.is_none_or(|hash| *known != hash) && operator.is_none_or(|name| session.operator != name)
        });
    }

    pub fn audit(&mut self, at: Timestamp, actor: &str, action: &str, subject: &str) {
        self.last_audit += 1;
        self.audit.push(AuditEntry {
            position: self.last_audit,
            at,
            actor: actor.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
        });
    }

    pub fn audit_log(&self, before: Option<u64>, limit: usize) -> Page<AuditEntry, u64> {
        let rows = self.audit.iter().rev();
        let rows = rows.filter(|entry| before.is_none_or(|before| entry.position < before)).cloned();
        page(rows, limit, |entry| entry.position)
    }

    pub fn setting(&self, key: &str) -> Option<Vec<u8>> {
        self.settings.get(key).cloned()
    }

    pub fn setting_or_insert(&mut self, key: &str, value: Vec<u8>) -> Vec<u8> {
        self.settings.entry(key.to_owned()).or_insert(value).clone()
    }

    pub fn put_setting(&mut self, key: &str, value: Vec<u8>) {
        self.settings.insert(key.to_owned(), value);
    }

    /// Forgets console logins and tokens that ended by `now` and audit entries from before `before`.
    pub fn purge_admin(&mut self, before: Timestamp, now: Timestamp, limit: usize) -> u64 {
        let over = self.web_sessions.values().filter(|session| session.expires_at <= now);
        let over: Vec<[u8; 32]> = over.map(|session| session.hash).take(limit).collect();
        for hash in &over {
            self.web_sessions.remove(hash);
        }
        let mut tokens = 0;
        self.tokens.retain(|token| {
            let over = token.expires_at.is_some_and(|at| at <= now) && tokens < limit;
            tokens += usize::from(over);
            !over
        });
        let mut entries = 0;
        self.audit.retain(|entry| {
            let old = entry.at < before && entries < limit;
            entries += usize::from(old);
            !old
        });
        let ended = self.invitations.iter().filter(|(_, invitation)| invitation.expires_at < before);
        let mut ended: Vec<_> =
            ended.map(|(position, invitation)| (invitation.expires_at, *position)).collect();
        ended.sort_unstable();
        ended.truncate(limit);
        for (_, position) in &ended {
            self.invitations.remove(position);
        }
        (over.len() + tokens + entries + ended.len()) as u64
    }
}
