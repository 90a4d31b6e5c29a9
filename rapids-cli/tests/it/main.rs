#![cfg(test)]
//! The real program against a real server: what it prints, and its exit codes.

mod bench;
mod connecting;
mod publish;
mod tail;
