//! A seeded world of devices, networks and faults on a fake clock.
//!
//! One seed is one schedule: which bytes arrive when, where a connection is cut,
//! what is sent, when the wall clock jumps. The server half is the real core (all
//! four managers, the negotiation, the sessions) over the in-memory store; what
//! is simulated is the network, the devices and time. A run that breaks a promise
//! names its seed, and `TIDINGS_SIM_SEED` plays it again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a simulation fails loudly, and says where it stood"
)]

mod bus;
mod device;
mod rng;
mod world;

pub use self::device::{Device, Kind};
pub use self::rng::Rng;
pub use self::world::{Outcome, Plan, World, run};
