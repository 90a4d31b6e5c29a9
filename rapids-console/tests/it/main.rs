#![cfg(test)]
//! The console over HTTP, against a real server.

mod access;
mod acting;
mod bench;
mod faults;
mod first_byte;
mod hostile;
mod letters;
mod live;
mod pages;
mod positions;
mod publishing;
mod redirects;
