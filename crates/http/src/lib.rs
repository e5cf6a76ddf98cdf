//! HTTP: the API under `/v1`, androidpn's form, health and metrics, and the console.
//!
//! [`Http`] is made once from a [`Core`](tidings_core::Core) and [`Settings`]; [`Http::serve`] runs it
//! on a listener until it is told to stop.
//!
//! | part | serves |
//! | --- | --- |
//! | [`api`] | `/v1/…`, `/notification.do`, `/healthz`, `/readyz`, `/metrics`, `/openapi.json` |
//! | console | `/`, `/login` and the pages behind it |
//!
//! Everything that comes in is bounded: connections, requests at once, header
//! bytes, body bytes, and the time that each may take.
#![forbid(unsafe_code)]

pub mod api;
mod console;
mod deployment;
mod middleware;
mod net;
mod repoll;
mod settings;
mod state;

pub use self::deployment::Deployment;
pub use self::settings::{MetricsAccess, Settings};
pub use self::state::Http;
