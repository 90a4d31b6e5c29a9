#![cfg(test)]
//! Traces of services against a real server and a receiver of OTLP.

mod attempts;
mod gateway;
mod process;
mod receiver;
mod shop;
