//! The port, trait by trait.

mod account;
mod admin;
mod endpoint;
mod health;
mod notification;
mod topic;
