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
mod harness;
mod known;
mod laws;
mod log;
mod losses;
mod lost_memories;
mod memory;
mod once;
mod outcomes;
mod positions;
mod process;
mod programs;
mod publishing;
mod shared_moves;
mod trouble;
