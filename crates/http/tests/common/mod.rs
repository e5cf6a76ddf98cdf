//! A core on the memory store behind the routes, without a socket.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test program uses its part; tests may fail"
)]

pub mod browser;
pub mod device;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tidings_core::audit::Actor;
use tidings_core::auth::NewKey;
use tidings_core::clock::{Clock, SystemRandom};
use tidings_core::config::Config;
use tidings_core::model::{Scope, Timestamp};
use tidings_core::store::Store;
use tidings_core::{Core, Ports};
use tidings_http::{Http, Settings};
use tidings_store::MemoryStore;
use tower::ServiceExt as _;

/// 2026-01-02T03:04:05Z, always.
pub struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_767_323_045_000)
    }
}

pub struct World {
    pub core: Arc<Core>,
    pub store: Arc<dyn Store>,
    pub router: Router,
    pub admin: String,
    pub read: String,
    pub send: String,
}

/// An answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem document with this status; the fields it names.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Vec<String> {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(json[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {json}");
        }
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(Config::default(), Settings::default()).await
    }

    pub async fn with(config: Config, settings: Settings) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ports = Ports::local(Arc::clone(&store), Arc::new(StoppedClock), Arc::new(SystemRandom));
        let core = Core::start(config, ports).await.unwrap();
        let mut keys = Vec::new();
        for scope in [Scope::Admin, Scope::Read, Scope::Send] {
            keys.push(
                core.auth
                    .create_key(&Actor::CommandLine, NewKey::new(scope.as_str(), scope))
                    .await
                    .unwrap()
                    .1,
            );
        }
        let router = Http::new(Arc::clone(&core), settings).router();
        let [admin, read, send] = keys.try_into().unwrap();
        Self { core, store, router, admin, read, send }
    }

    pub async fn raw(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 22).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub async fn call(&self, key: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.raw(request.body(Body::from(body.unwrap_or_default().to_owned())).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(&self.admin, "GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.call(&self.admin, "POST", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(&self.admin, "DELETE", path, None).await
    }

    pub async fn user(&self, name: &str) {
        let body = format!(r#"{{"username": "{name}", "password": "correct horse"}}"#);
        let answer = self.post("/v1/users", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }

    /// A browser's request.
    pub async fn browse(&self, cookie: &str, method: &str, path: &str, form: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("accept", "text/html");
        if !cookie.is_empty() {
            request = request.header(COOKIE, cookie);
        }
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        self.raw(request.body(Body::from(form.unwrap_or_default().to_owned())).unwrap()).await
    }
}
