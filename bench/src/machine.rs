//! The machine on which the bench ran, in one line.

use std::fmt;
use std::fs;
use std::thread::available_parallelism;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: Option<String>,
    system: &'static str,
    /// The version of nats-server.
    server: String,
    /// Whether this is a release build.
    release: bool,
    /// The load average of the minute before the bench.
    load: Option<f64>,
}

impl Machine {
    /// Describes this machine. Call it before anything is measured, so that the load is not the
    /// bench's own.
    pub(crate) fn this(server: String) -> Self {
        Self {
            cores: available_parallelism().map_or(1, usize::from),
            processor: processor(),
            system: std::env::consts::OS,
            server,
            release: !cfg!(debug_assertions),
            load: load(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, system, server, release, load } = self;
        write!(f, "{cores} cores")?;
        if let Some(processor) = processor {
            write!(f, " ({processor})")?;
        }
        write!(f, ", {system}, nats-server {server}, clients and server on the same machine")?;
        if let Some(load) = load {
            write!(f, ", load before it {load:.1}")?;
        }
        if !release {
            write!(f, "; built without --release, which makes these figures worthless")?;
        }
        Ok(())
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}
