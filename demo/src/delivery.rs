//! How packets reach the services: the options for it, and what follows from them.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::bundle;
use crate::rivers::Program;

/// The acknowledgement wait in runs that kill processes; otherwise it is 10 seconds.
const ACK_WAIT: Duration = Duration::from_secs(2);

/// In exclusive delivery, an active instance that was silent for this long is replaced.
const LEASE: Duration = Duration::from_secs(3);

/// How packets reach the services.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DeliveryMode {
    /// How packets reach the instances of a service: each packet goes to one of them, or all packets
    /// go to the active one, from the live feed, while the others stand by
    #[arg(long, value_enum, default_value_t)]
    delivery: Delivery,

    /// Run the whole shop in one process, over one live feed, in exclusive delivery; killing one of
    /// its services kills them all
    #[arg(long, conflicts_with = "delivery")]
    bundle: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Delivery {
    #[default]
    Shared,
    Exclusive,
}

impl DeliveryMode {
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

    /// The variable that tells a service its delivery.
    pub(crate) fn environment(self) -> (&'static str, String) {
        let delivery = if self.is_exclusive() { "exclusive" } else { "shared" };
        ("RAPIDS_DELIVERY", delivery.to_owned())
    }

    /// The variable that shortens the acknowledgement wait of services.
    pub(crate) fn short_ack_wait() -> (&'static str, String) {
        ("RAPIDS_ACK_WAIT", format!("{}ms", ACK_WAIT.as_millis()))
    }

    /// After this time without a sign of life from an instance, its packets go to another one, with
    /// a [short acknowledgement wait](Self::short_ack_wait).
    pub(crate) fn takeover_time(self) -> Duration {
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
        delivery: DeliveryMode,
    }

    fn delivery(arguments: &[&str]) -> Result<DeliveryMode, clap::Error> {
        Line::try_parse_from([&["demo"], arguments].concat()).map(|line| line.delivery)
    }

    #[test]
    fn bundle_is_exclusive_and_cannot_be_anything_else() {
        assert!(!delivery(&[]).unwrap().is_exclusive());
        assert!(delivery(&["--delivery", "exclusive"]).unwrap().is_exclusive());
        let bundle = delivery(&["--bundle"]).unwrap();
        assert!(bundle.is_exclusive());
        assert_eq!(bundle.environment(), ("RAPIDS_DELIVERY", "exclusive".to_owned()));
        assert!(delivery(&["--bundle", "--delivery", "shared"]).is_err());
    }

    #[test]
    fn bundle_is_one_process_of_all_services() {
        let rivers = ["order", "payment"].map(Program::of_a_river);
        let processes = delivery(&["--bundle"]).unwrap().processes(&rivers).unwrap();
        assert_eq!(processes.len(), 1);
        assert_eq!(processes[0].services, ["order", "payment"]);
        assert_eq!(delivery(&[]).unwrap().processes(&rivers).unwrap().len(), 2);
    }
}
