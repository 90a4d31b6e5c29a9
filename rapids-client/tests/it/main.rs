#![cfg(test)]
//! The library against a real server.

mod announcement;
#[cfg(target_os = "linux")]
mod backlog;
mod batches;
mod behaviours;
mod bundle;
mod crashes;
mod dead_letters;
mod delivery;
mod exclusive;
mod flow;
mod forged;
mod harness;
mod laws;
mod losses;
mod memory;
mod once;
mod outcomes;
mod positions;
mod process;
mod publishing;
mod trouble;
