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
mod folding;
mod forged;
mod full_memory;
mod futures;
mod given_up;
mod harness;
mod ids;
mod known;
mod later;
mod laws;
mod limits;
mod log;
mod login;
mod losses;
mod lost_memories;
mod memory;
mod metrics;
mod once;
mod outage;
mod outcomes;
mod positions;
mod probes;
mod process;
mod programs;
mod publishing;
mod replays;
mod resources;
mod security;
mod shared_moves;
mod shutdown;
mod telemetry;
mod traces;
mod trouble;
mod values;
