use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tidings_core::store::Store;

use super::*;
use crate::conformance;

fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(&directory.path().join("tidings.db"), Options::default()).unwrap()
}

#[tokio::test]
async fn it_does_what_the_port_says() {
    let directories = Mutex::new(Vec::new());
    conformance::run(|| async {
        let directory = TempDir::new().unwrap();
        let store: Arc<dyn Store> = Arc::new(open(&directory));
        directories.lock().unwrap().push(directory);
        store
    })
    .await;
}

#[tokio::test]
async fn it_answers_like_the_store_in_memory() {
    for seed in 0..10 {
        let directory = TempDir::new().unwrap();
        conformance::compare(&open(&directory), seed, 300).await;
    }
}
