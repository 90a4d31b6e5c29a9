#![cfg(test)]
//! What is shown of services that run against a real server.

mod bench;
mod states;
mod windows;
