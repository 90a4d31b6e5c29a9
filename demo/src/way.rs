//! The way in which packets reach the services: what can be asked for, and what follows from it.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::bundle;
use crate::rivers::Program;

/// The acknowledgement wait where processes are to come to harm; otherwise it is 10 seconds.
const ACK_WAIT: Duration = Duration::from_secs(2);

/// An active instance that was silent for so long is replaced, in exclusive delivery.
const LEASE: Duration = Duration::from_secs(3);

/// How packets reach the services.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Way {
    /// How the instances of a service get its packets: each goes to one of them, or all to one, from
    /// the live feed, while the others stand by
    #[arg(long, value_enum, default_value_t)]
    delivery: Delivery,

    /// Run the whole shop in one process, over one live feed, in exclusive delivery; killing one
    /// of its services kills that process, and so all of them
    #[arg(long, conflicts_with = "delivery")]
    bundle: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Delivery {
    #[default]
    Shared,
    Exclusive,
}

impl Way {
    pub(crate) fn is_exclusive(self) -> bool {
        self.bundle || self.delivery == Delivery::Exclusive
    }

    /// The processes to run these rivers in.
    ///
    /// # Errors
    /// If the demo cannot tell where its own program is.
    pub(crate) fn processes(self, rivers: &[Program]) -> Result<Vec<Program>> {
        if self.bundle {
            return Ok(vec![bundle::program(rivers)?]);
        }
        Ok(rivers.to_vec())
    }

    /// What tells it to a service.
    pub(crate) fn environment(self) -> (&'static str, String) {
        let delivery = if self.is_exclusive() { "exclusive" } else { "shared" };
        ("RAPIDS_DELIVERY", delivery.to_owned())
    }

    /// What makes services wait for [`silence`](Self::silence).
    pub(crate) fn impatience() -> (&'static str, String) {
        ("RAPIDS_ACK_WAIT", format!("{}ms", ACK_WAIT.as_millis()))
    }

    /// Packets go to another instance after so long without a sign of life, where services are
    /// [impatient](Self::impatience).
    pub(crate) fn silence(self) -> Duration {
        if self.is_exclusive() { LEASE } else { ACK_WAIT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        way: Way,
    }

    fn way(arguments: &[&str]) -> Result<Way, clap::Error> {
        Line::try_parse_from([&["demo"], arguments].concat()).map(|line| line.way)
    }

    #[test]
    fn bundle_is_exclusive_and_cannot_be_anything_else() {
        assert!(!way(&[]).unwrap().is_exclusive());
        assert!(way(&["--delivery", "exclusive"]).unwrap().is_exclusive());
        let bundle = way(&["--bundle"]).unwrap();
        assert!(bundle.is_exclusive());
        assert_eq!(bundle.environment(), ("RAPIDS_DELIVERY", "exclusive".to_owned()));
        assert!(way(&["--bundle", "--delivery", "shared"]).is_err());
    }

    #[test]
    fn bundle_is_one_process_of_all_services() {
        let rivers = ["order", "payment"].map(Program::of_a_river);
        let processes = way(&["--bundle"]).unwrap().processes(&rivers).unwrap();
        assert_eq!(processes.len(), 1);
        assert_eq!(processes[0].services, ["order", "payment"]);
        assert_eq!(way(&[]).unwrap().processes(&rivers).unwrap().len(), 2);
    }
}
