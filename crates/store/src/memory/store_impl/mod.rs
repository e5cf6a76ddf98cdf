//! The port, trait by trait.

mod account;
mod admin;
mod health;
mod notification;
mod topic;
