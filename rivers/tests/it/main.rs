#![cfg(test)]
//! The services as users run them: processes on a real server, with the nats CLI and just.

mod access;
mod bench;
mod catalogue;
mod deploy;
mod faults;
mod frozen;
mod nats_cli;
mod order_history;
mod own_repository;
mod process;
mod recipes;
mod scratch;
mod sealed;
/// The template of `just new-river`: it is compiled here, and its tests run here.
#[path = "../../template.rs"]
#[expect(dead_code, reason = "a program of its own once it is copied to src/bin")]
mod template;
mod web;
