//! Endpoints.

use tidings_core::model::{AccountId, Endpoint, EndpointId, NotificationState, Timestamp};
use tidings_core::store::{EndpointQuery, EndpointRow, NewEndpoint, Page, Result, StoreError};

use super::state::{State, page};

impl State {
    pub fn register_endpoint(&mut self, new: NewEndpoint) -> Result<Endpoint> {
        if !self.accounts.contains_key(&new.account) {
            return Err(StoreError::NotFound);
        }
        let known = self.endpoints.values_mut().find(|known| {
            known.revoked_at.is_none()
                && known.account == new.account
                && (&known.application, &known.instance) == (&new.application, &new.instance)
        });
        if let Some(known) = known {
            known.resource = new.resource;
            known.expires_at = known.expires_at.max(new.expires_at);
            return Ok(known.clone());
        }
        let taken = |known: &Endpoint| known.id == new.id || known.token_hash == new.token_hash;
        if self.endpoints.values().any(taken) {
            return Err(StoreError::Conflict);
        }
        let endpoint = Endpoint::from(new);
        self.last_endpoint += 1;
        self.endpoints.insert(self.last_endpoint, endpoint.clone());
        Ok(endpoint)
    }

    pub fn endpoint(&self, is_it: impl Fn(&Endpoint) -> bool) -> Option<Endpoint> {
        self.endpoints.values().find(|endpoint| is_it(endpoint)).cloned()
    }

    pub fn registered_endpoint(
        &self,
        account: AccountId,
        application: &str,
        instance: &str,
    ) -> Option<Endpoint> {
        self.endpoint(|known| {
            known.revoked_at.is_none()
                && known.account == account
                && known.application == application
                && known.instance == instance
        })
    }

    pub fn revoke_endpoint(&mut self, id: EndpointId, now: Timestamp) -> bool {
        let Some(endpoint) = self.endpoints.values_mut().find(|endpoint| endpoint.id == id) else {
            return false;
        };
        if endpoint.revoked_at.is_some() {
            return false;
        }
        endpoint.revoked_at = Some(now);
        let to_it = self.items.values().filter(|item| item.open() && item.endpoint() == Some(id));
        let positions: Vec<u64> = to_it.map(|item| item.record.position).collect();
        for position in positions {
            self.end_whole(position, NotificationState::Cancelled);
        }
        true
    }

    pub fn touch_endpoints(&mut self, used: &[(EndpointId, Timestamp)]) {
        for (id, at) in used {
            if let Some(endpoint) = self.endpoints.values_mut().find(|endpoint| endpoint.id == *id) {
                endpoint.last_used = Some(*at);
            }
        }
    }

    pub fn endpoints(&self, query: &EndpointQuery) -> Page<EndpointRow, u64> {
        let rows = self
            .endpoints
            .iter()
            .filter(|(position, _)| query.after.is_none_or(|after| **position > after))
            .filter(|(_, endpoint)| query.account.is_none_or(|account| endpoint.account == account))
            .filter_map(|(position, endpoint)| {
                let open = self.items.values().filter(|item| item.open());
                Some(EndpointRow {
                    position: *position,
                    endpoint: endpoint.clone(),
                    username: self.accounts.get(&endpoint.account)?.account.username.clone(),
                    pending: open.filter(|item| item.endpoint() == Some(endpoint.id)).count() as u64,
                })
            });
        page(rows, query.limit, |row| row.position)
    }

    /// Forgets endpoints that ended before `before` and for which nothing waits.
    pub fn purge_endpoints(&mut self, before: Timestamp, limit: usize) -> u64 {
        let end = |endpoint: &Endpoint| endpoint.revoked_at.unwrap_or(endpoint.expires_at);
        let ended = self.endpoints.iter().filter(|(_, endpoint)| {
            end(endpoint) < before
                && !self.items.values().any(|item| item.open() && item.endpoint() == Some(endpoint.id))
        });
        let mut ended: Vec<(Timestamp, u64)> =
            ended.map(|(position, endpoint)| (end(endpoint), *position)).collect();
        ended.sort_unstable();
        ended.truncate(limit);
        for (_, position) in &ended {
            self.endpoints.remove(position);
        }
        ended.len() as u64
    }
}
