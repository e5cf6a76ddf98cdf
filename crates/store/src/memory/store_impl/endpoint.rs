//! Endpoints, method by method, each under the lock.

use async_trait::async_trait;
use tidings_core::model::{AccountId, Endpoint, EndpointId, Timestamp};
use tidings_core::store::{EndpointQuery, EndpointRow, EndpointStore, NewEndpoint, Page, Result};

use crate::memory::MemoryStore;

#[async_trait]
impl EndpointStore for MemoryStore {
    async fn register_endpoint(&self, new: NewEndpoint) -> Result<Endpoint> {
        self.state()?.register_endpoint(new)
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>> {
        Ok(self.state()?.endpoint(|endpoint| endpoint.id == id))
    }

    async fn endpoint_by_token(&self, token_hash: [u8; 32]) -> Result<Option<Endpoint>> {
        Ok(self.state()?.endpoint(|endpoint| endpoint.token_hash == token_hash))
    }

    async fn registered_endpoint(
        &self,
        account: AccountId,
        application: &str,
        instance: &str,
    ) -> Result<Option<Endpoint>> {
        Ok(self.state()?.registered_endpoint(account, application, instance))
    }

    async fn revoke_endpoint(&self, id: EndpointId, now: Timestamp) -> Result<bool> {
        Ok(self.state()?.revoke_endpoint(id, now))
    }

    async fn touch_endpoints(&self, used: Vec<(EndpointId, Timestamp)>) -> Result<()> {
        self.state()?.touch_endpoints(&used);
        Ok(())
    }

    async fn endpoints(&self, query: EndpointQuery) -> Result<Page<EndpointRow, u64>> {
        Ok(self.state()?.endpoints(&query))
    }
}
