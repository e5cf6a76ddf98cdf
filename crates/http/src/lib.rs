//! HTTP: the API under `/v1`, androidpn's form, health and metrics, and the console.
//!
//! [`Http`] is made once from a [`Core`](tidings_core::Core) and [`Settings`]; [`Http::serve`] runs it
//! on a listener until it is told to stop.
//!
//! | part | is |
//! | --- | --- |
//! | `server`, `net` | all routes put together, and the sockets in front of them |
//! | [`api`] | `/v1/…`, `/healthz`, `/readyz`, `/metrics`, `/openapi.json` |
//! | `console` | `/`, `/login` and the pages behind it |
//! | `gateways` | other people's protocols: `/notification.do` of androidpn |
//! | `middleware` | what stands before these: bounds, counts, API keys |
//! | `request`, `problem` | what comes in, read and bounded; how it is refused |
//! | `state`, `samples`, `prometheus` | what all of these share, and what they count |
//!
//! Each knows only those below it, and the console shows what the API shows.
//!
//! Everything that comes in is bounded: connections, requests at once, header
//! bytes, body bytes, and the time that each may take.

pub mod api;
mod console;
mod deployment;
mod gateways;
mod middleware;
mod net;
mod peer;
mod percent;
mod places;
mod problem;
mod prometheus;
mod repoll;
mod request;
mod rights;
mod samples;
mod server;
mod settings;
mod state;

pub use self::deployment::{Connections, Deployment, ProcessCounts};
pub use self::server::{Http, MONITORING};
pub use self::settings::{MetricsAccess, Settings};
