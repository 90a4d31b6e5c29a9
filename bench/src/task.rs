//! The task of one process in one measurement, and its result.
//!
//! The bench starts its own program with the task as JSON. The result is a line of JSON on standard
//! output.

use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::side::Side;
use crate::sides::{ours, plain, rust_stream, tuned, unacked};

/// The line that a reader prints when it has its first packet.
pub(crate) const FIRST: &str = "first";

/// The line that a reader prints when it has handled the last packet.
pub(crate) const LAST: &str = "last";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) side: Side,
    pub(crate) url: String,
    /// The process id of the server.
    pub(crate) server: u32,
    /// The name of the service, or of the consumer.
    pub(crate) service: String,
    pub(crate) work: Work,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Publish `count` packets of this size.
    Publish { count: u64, size: usize },
    /// Read `count` packets, and react to those that are wanted.
    Read {
        count: u64,
        /// Bytes of each packet.
        size: usize,
        wanted: u64,
        /// The number of rivers beside the one that wants packets.
        idle_rivers: usize,
    },
    /// React to `count` packets by publishing one for each.
    React { count: u64 },
    /// Move a memory of so many bytes one step for each of `count` packets, and publish one for each.
    Remember {
        count: u64,
        /// Whether each order has a key of its own; otherwise there is one for all.
        by_order: bool,
        bytes: usize,
    },
    /// Publish `count` packets at this interval, and react to each.
    Hop { count: u64, every_micros: u64 },
    /// Ask `count` times at this interval. Another process answers.
    Ask { count: u64, every_micros: u64 },
    /// Ask `count` times at once. Another process answers.
    AskAtOnce { count: u64 },
    /// Publish `count` packets at this interval, and take what another process answers with a service.
    Back { count: u64, every_micros: u64 },
    /// React to every packet by publishing one for it, until SIGTERM.
    Serve,
}

/// What a process measured. `None` is what this work does not measure, or the system does not
/// provide.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) client_cpu_seconds: Option<f64>,
    pub(crate) server_cpu_seconds: Option<f64>,
    pub(crate) resident_mebibytes: Option<f64>,
    pub(crate) p50_micros: Option<f64>,
    pub(crate) p99_micros: Option<f64>,
}

impl FromStr for Task {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

impl Task {
    /// Runs the task in this process, on the kind of runtime that its side uses, and prints the
    /// result.
    ///
    /// # Errors
    /// If the task cannot be done.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        thread::spawn(end_with_the_bench);
        let mut runtime = match self.side {
            // The default of `#[tokio::main]`, and of `#[ruststream::app]`.
            Side::Plain | Side::RustStream => Builder::new_multi_thread(),
            // What the README shows, and what a careful user would choose.
            Side::Ours
            | Side::Exclusive
            | Side::Bundled { .. }
            | Side::Tuned
            | Side::Live
            | Side::Ordered
            | Side::Unacked => Builder::new_current_thread(),
        };
        let runtime = runtime.enable_all().build().context("cannot make a runtime")?;
        let measured = runtime.block_on(async {
            match self.side {
                Side::Ours | Side::Exclusive | Side::Bundled { .. } => {
                    Box::pin(ours::run(self)).await
                }
                Side::Tuned => Box::pin(tuned::run(self)).await,
                Side::Live | Side::Ordered | Side::Unacked => Box::pin(unacked::run(self)).await,
                Side::Plain => Box::pin(plain::run(self)).await,
                Side::RustStream => Box::pin(rust_stream::run(self)).await,
            }
        })?;
        let line = serde_json::to_string(&measured)?;
        writeln!(io::stdout(), "{line}").context("cannot print the result")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Ends this process when the bench has ended: nobody else holds the other end of its input.
fn end_with_the_bench() {
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    std::process::exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_survives_the_command_line() {
        let task = Task {
            side: Side::Bundled { services: 4 },
            url: "nats://127.0.0.1:1".to_owned(),
            server: 7,
            service: "bench-1".to_owned(),
            work: Work::Read { count: 10, size: 300, wanted: 2, idle_rivers: 0 },
        };
        let text = serde_json::to_string(&task).unwrap();
        let read: Task = text.parse().unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
