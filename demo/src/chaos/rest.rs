//! Whether all has come to rest, and waiting for it.

use std::time::Duration;

use rapids_client::{Rapids, Result};
use tokio::time::{Instant, sleep};

/// Without any change for this long nothing will change any more: longer than the longest pause
/// between two attempts.
const STALLED: Duration = Duration::from_secs(90);

const POLL: Duration = Duration::from_millis(500);

/// Where one service stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) service: String,
    /// The last sequence that it was given.
    pub(crate) delivered: u64,
    /// Everything up to here is acknowledged.
    pub(crate) acknowledged: u64,
    /// Not given yet.
    pub(crate) pending: u64,
    /// Given and not acknowledged.
    pub(crate) unacknowledged: u64,
}

/// Where the services stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing(pub(crate) Vec<Position>);

impl Standing {
    /// The last sequence of the rapids that any of them was given.
    pub(crate) fn last(&self) -> u64 {
        self.0.iter().map(|position| position.delivered).max().unwrap_or_default()
    }

    /// What is not at rest, a line for each service.
    pub(crate) fn faults(&self, services: &[String]) -> Vec<String> {
        let last = self.last();
        let fault = |service: &String| {
            let Some(position) = self.0.iter().find(|at| at.service == *service) else {
                return Some(format!("{service} has no position"));
            };
            let Position { acknowledged, pending, unacknowledged, .. } = position;
            let is_at_rest = *acknowledged == last && *pending == 0 && *unacknowledged == 0;
            (!is_at_rest).then(|| {
                format!(
                    "{service} is done up to {acknowledged} of {last}; {pending} are to be \
                     delivered, {unacknowledged} to be acknowledged"
                )
            })
        };
        services.iter().filter_map(fault).collect()
    }
}

/// Where these services stand; one that has no position is left out.
///
/// # Errors
/// If the server does not answer.
pub(crate) async fn positions(rapids: &Rapids, services: &[String]) -> Result<Vec<Position>> {
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

/// Waits until every service is at the end of the rapids, or nothing changes any more, or this
/// time has passed; answers with where things stand then.
pub(crate) async fn wait(rapids: &Rapids, services: &[String], patience: Duration) -> Standing {
    let begun = Instant::now();
    let (mut last, mut changed) = (Standing::default(), begun);
    loop {
        // A server that does not answer stands where it stood.
        if let Ok(positions) = positions(rapids, services).await {
            let standing = Standing(positions);
            if standing != last {
                (last, changed) = (standing, Instant::now());
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

    /// One service that was given everything up to this sequence.
    pub(crate) fn standing(delivered: u64) -> Standing {
        Standing(vec![Position {
            service: "payment".to_owned(),
            delivered,
            acknowledged: delivered,
            pending: 0,
            unacknowledged: 0,
        }])
    }

    #[test]
    fn rest_is_the_end_of_the_rapids_with_nothing_left_to_do() {
        let services = ["payment".to_owned()];
        assert_eq!(standing(9).faults(&services), [""; 0]);
        for change in [
            |at: &mut Position| at.acknowledged = 8,
            |at: &mut Position| at.pending = 1,
            |at: &mut Position| at.unacknowledged = 1,
        ] {
            let mut restless = standing(9);
            change(&mut restless.0[0]);
            assert_eq!(restless.faults(&services).len(), 1, "{restless:?}");
        }
        let nobody = Standing::default().faults(&services);
        assert_eq!(nobody, ["payment has no position"]);
    }
}
