#![cfg(test)]
//! The library against a real server.

mod delivery;
mod harness;
