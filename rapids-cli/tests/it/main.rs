#![cfg(test)]
//! The real program against a real server: what it prints, and its exit codes.

mod access;
mod ask;
mod attacks;
mod backup;
mod bench;
mod connecting;
mod dead_letters;
mod doctor;
mod erase;
mod explain;
mod figures;
mod foreign;
mod later;
mod letters;
mod manual;
mod map;
mod map_faults;
mod memory;
mod metrics;
mod monitoring;
mod operations;
mod position;
mod program;
mod provision;
mod publish;
mod replay;
mod replicas;
mod retire;
mod secured;
mod services;
mod tail;
mod trace;
