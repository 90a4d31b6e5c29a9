#![cfg(test)]
//! The library against a real server.

mod behaviours;
mod delivery;
mod harness;
mod laws;
mod memory;
mod publishing;
