//! The product: accounts, devices, notifications, topics, receipts, and the four
//! managers that look after them.
//!
//! | manager | looks after |
//! | --- | --- |
//! | [`session`] | who is connected, and how each is handed a notification |
//! | [`auth`] | accounts, credentials, API keys, registration policy, throttling |
//! | [`presence`] | availability, last seen, what the console shows |
//! | [`notification`] | acceptance, scheduling, expiry, collapse, counters, settlement |
//!
//! What the managers need from outside comes in through ports: [`store`],
//! [`bus`], [`cluster`], [`clock`]. No socket is known here; only [`session`] speaks XML.

pub mod audit;
pub mod auth;
pub mod bus;
pub mod clock;
pub mod cluster;
pub mod config;
mod core;
pub mod error;
pub mod events;
mod health;
pub mod model;
pub mod notification;
pub mod panics;
pub mod presence;
pub mod refusals;
pub mod session;
mod sessions;
pub mod source;
pub mod store;

pub use self::core::{Core, Ports};
