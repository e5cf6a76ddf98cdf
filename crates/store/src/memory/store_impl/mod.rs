//! The port, trait by trait.

mod account;
mod admin;
mod endpoint;
mod health;
mod invitation;
mod notification;
mod topic;
