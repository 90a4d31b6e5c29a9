#![cfg(test)]
//! The services as their users meet them: processes on a real server, the nats CLI, and just.

mod faults;
mod frozen;
mod lines;
mod nats_cli;
mod recipes;
mod stand;
/// What `just new-river` copies: compiled here, and its own test runs with these.
#[path = "../../template.rs"]
#[expect(dead_code, reason = "a program of its own once it is copied to src/bin")]
mod template;
