//! Endpoints, method by method: by the writer or by a reader.

use async_trait::async_trait;
use tidings_core::model::{AccountId, Endpoint, EndpointId, Timestamp};
use tidings_core::store::{EndpointQuery, EndpointRow, EndpointStore, NewEndpoint, Page, Result};

use super::{ROW, SMALL};
use crate::sqlite::{SqliteStore, endpoints};

#[async_trait]
impl EndpointStore for SqliteStore {
    async fn register_endpoint(&self, new: NewEndpoint) -> Result<Endpoint> {
        self.writer.call(SMALL, move |writer| writer.register_endpoint(new)).await
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>> {
        self.readers.call_inline(move |connection| endpoints::by_id(connection, id)).await
    }

    async fn endpoint_by_token(&self, token_hash: [u8; 32]) -> Result<Option<Endpoint>> {
        self.readers.call_inline(move |connection| endpoints::by_token(connection, token_hash)).await
    }

    async fn registered_endpoint(
        &self,
        account: AccountId,
        application: &str,
        instance: &str,
    ) -> Result<Option<Endpoint>> {
        let (application, instance) = (application.to_owned(), instance.to_owned());
        self.readers
            .call_inline(move |connection| {
                endpoints::registered(connection, account, &application, &instance)
            })
            .await
    }

    async fn revoke_endpoint(&self, id: EndpointId, now: Timestamp) -> Result<bool> {
        self.writer.call(SMALL, move |writer| writer.revoke_endpoint(id, now)).await
    }

    async fn touch_endpoints(&self, used: Vec<(EndpointId, Timestamp)>) -> Result<()> {
        self.writer.call(ROW * used.len(), move |writer| writer.touch_endpoints(&used)).await
    }

    async fn endpoints(&self, query: EndpointQuery) -> Result<Page<EndpointRow, u64>> {
        self.readers.call(move |connection| endpoints::endpoints(connection, &query)).await
    }
}
