//! What one process is asked to do in one measurement, and what it answers with.
//!
//! The demo starts its own program for it, with the errand as JSON; the answer is a line of JSON
//! on standard output.

use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use super::side::Side;
use super::sides::{ours, plain, tuned, unacked};

/// Said on a line of its own when a reader has its first packet.
pub(crate) const FIRST: &str = "first";

/// Said when it is done with the last one, and begins to stop.
pub(crate) const LAST: &str = "last";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) side: Side,
    pub(crate) url: String,
    /// The process of the server.
    pub(crate) server: u32,
    /// What to call the position in the stream.
    pub(crate) service: String,
    pub(crate) work: Work,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Publish so many packets of this size.
    Publish { count: u64, size: usize },
    /// Take so many packets off the stream, and react to those that are wanted.
    Read {
        count: u64,
        wanted: u64,
        /// How many rivers there are beside the one that wants something.
        idle_rivers: usize,
    },
    /// React to so many packets by publishing one for each.
    React { count: u64 },
    /// Publish so many packets, one each so often, and react to each.
    Hop { count: u64, every_micros: u64 },
    /// React to whatever comes by publishing one for each, until told to stop.
    Serve,
}

/// What a process measured. Absent is what the work does not yield or the system does not tell.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    pub(crate) client_cpu_seconds: Option<f64>,
    pub(crate) server_cpu_seconds: Option<f64>,
    pub(crate) resident_mebibytes: Option<f64>,
    pub(crate) p50_micros: Option<f64>,
    pub(crate) p99_micros: Option<f64>,
}

impl FromStr for Errand {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

impl Errand {
    /// Runs the errand in this process, on the runtime that its side is for.
    pub(crate) fn run(&self) -> ExitCode {
        let mut errors = io::stderr();
        match self.perform() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(errors, "error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn perform(&self) -> Result<()> {
        let mut runtime = match self.side {
            // What `#[tokio::main]` makes of a `main`.
            Side::Plain => Builder::new_multi_thread(),
            // What the README shows, and what a careful user chooses.
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
            }
        })?;
        let line = serde_json::to_string(&measured)?;
        writeln!(io::stdout(), "{line}").context("nobody wants the answer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errand_survives_the_command_line() {
        let errand = Errand {
            side: Side::Bundled { services: 4 },
            url: "nats://127.0.0.1:1".to_owned(),
            server: 7,
            service: "bench-1".to_owned(),
            work: Work::Read { count: 10, wanted: 2, idle_rivers: 0 },
        };
        let text = serde_json::to_string(&errand).unwrap();
        let read: Errand = text.parse().unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
