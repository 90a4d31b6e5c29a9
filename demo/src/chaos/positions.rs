//! The positions of the services, and waiting until all of them are idle at the end of the rapids.

use std::time::Duration;

use rapids_client::{Rapids, Result};
use tokio::time::{Instant, sleep};

/// After this time without any change, nothing will change any more. It is longer than the longest
/// pause between two attempts.
const STALLED: Duration = Duration::from_secs(90);

const POLL: Duration = Duration::from_millis(500);

/// The position of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) service: String,
    /// The last sequence that was delivered to it.
    pub(crate) delivered: u64,
    /// Every packet up to this sequence is acknowledged.
    pub(crate) acknowledged: u64,
    /// How many packets are not delivered yet.
    pub(crate) pending: u64,
    /// How many packets are delivered and not acknowledged.
    pub(crate) unacknowledged: u64,
}

/// The positions of the services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Positions(pub(crate) Vec<Position>);

impl Positions {
    /// The last sequence that was delivered to any of them.
    pub(crate) fn last(&self) -> u64 {
        self.0.iter().map(|position| position.delivered).max().unwrap_or_default()
    }

    /// A line for each service that is not idle at the end of the rapids.
    pub(crate) fn faults(&self, services: &[String]) -> Vec<String> {
        let last = self.last();
        let fault = |service: &String| {
            let Some(position) = self.0.iter().find(|at| at.service == *service) else {
                return Some(format!("{service} has no position"));
            };
            let Position { acknowledged, pending, unacknowledged, .. } = position;
            let is_idle = *acknowledged == last && *pending == 0 && *unacknowledged == 0;
            (!is_idle).then(|| {
                format!(
                    "{service} is done up to {acknowledged} of {last}; {pending} are to be \
                     delivered, {unacknowledged} to be acknowledged"
                )
            })
        };
        services.iter().filter_map(fault).collect()
    }
}

/// Reads the positions of these services. A service without a position is left out.
///
/// # Errors
/// If the server does not answer.
pub(crate) async fn read(rapids: &Rapids, services: &[String]) -> Result<Vec<Position>> {
    let positions = rapids.positions().await?.into_iter();
    let positions = positions.map(|at| Position {
        service: at.service,
        delivered: at.delivered,
        acknowledged: at.acknowledged,
        pending: at.pending,
        unacknowledged: at.unacknowledged,
    });
    Ok(positions.filter(|position| services.contains(&position.service)).collect())
}

/// Waits until every service is idle at the end of the rapids, or nothing changes any more, or this
/// time has passed. Returns the last positions.
pub(crate) async fn wait_until_idle(
    rapids: &Rapids,
    services: &[String],
    patience: Duration,
) -> Positions {
    let begun = Instant::now();
    let (mut last, mut changed) = (Positions::default(), begun);
    loop {
        // While the server does not answer, the last positions count.
        if let Ok(found) = read(rapids, services).await {
            let positions = Positions(found);
            if positions != last {
                (last, changed) = (positions, Instant::now());
            } else if last.faults(services).is_empty() {
                return last;
            }
        }
        if changed.elapsed() > STALLED || begun.elapsed() > patience {
            return last;
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One service to which everything up to this sequence was delivered.
    pub(crate) fn positions(delivered: u64) -> Positions {
        Positions(vec![Position {
            service: "payment".to_owned(),
            delivered,
            acknowledged: delivered,
            pending: 0,
            unacknowledged: 0,
        }])
    }

    #[test]
    fn service_is_idle_at_the_end_of_the_rapids_with_nothing_left_to_do() {
        let services = ["payment".to_owned()];
        assert_eq!(positions(9).faults(&services), [""; 0]);
        for change in [
            |at: &mut Position| at.acknowledged = 8,
            |at: &mut Position| at.pending = 1,
            |at: &mut Position| at.unacknowledged = 1,
        ] {
            let mut busy = positions(9);
            change(&mut busy.0[0]);
            assert_eq!(busy.faults(&services).len(), 1, "{busy:?}");
        }
        let faults = Positions::default().faults(&services);
        assert_eq!(faults, ["payment has no position"]);
    }
}
