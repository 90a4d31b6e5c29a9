//! Whether all has come to rest, and waiting for it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::wire::Wire;

/// Without any change for this long nothing will change any more: longer than the longest pause
/// between two attempts.
const STALLED: Duration = Duration::from_secs(90);

const POLL: Duration = Duration::from_millis(500);

/// Where the rapids and its services stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The last sequence of the rapids.
    pub(crate) last: u64,
    pub(crate) positions: Vec<Position>,
}

/// Where one service stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) service: String,
    /// Everything up to here is acknowledged.
    pub(crate) floor: u64,
    /// Not delivered yet.
    pub(crate) pending: u64,
    /// Delivered and not acknowledged.
    pub(crate) unacknowledged: u64,
}

impl Standing {
    /// What is not at rest, a line for each service.
    pub(crate) fn faults(&self, services: &[String]) -> Vec<String> {
        let fault = |service: &String| {
            let Some(position) = self.positions.iter().find(|at| at.service == *service) else {
                return Some(format!("{service} has no position"));
            };
            let Position { floor, pending, unacknowledged, .. } = position;
            let is_at_rest = *floor == self.last && *pending == 0 && *unacknowledged == 0;
            (!is_at_rest).then(|| {
                format!(
                    "{service} is done up to {floor} of {}; {pending} are to be delivered, \
                     {unacknowledged} to be acknowledged",
                    self.last
                )
            })
        };
        services.iter().filter_map(fault).collect()
    }
}

/// Waits until every service is at the end of the rapids, or nothing changes any more, or this
/// time has passed; answers with where things stand then.
pub(crate) async fn wait(wire: &Wire, services: &[String], patience: Duration) -> Standing {
    let begun = Instant::now();
    let (mut last, mut changed) = (Standing::default(), begun);
    loop {
        // A server that does not answer stands where it stood.
        if let Ok(standing) = wire.standing(services).await {
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
mod tests {
    use super::*;

    fn standing(floor: u64, pending: u64, unacknowledged: u64) -> Standing {
        let service = "payment".to_owned();
        Standing { last: 9, positions: vec![Position { service, floor, pending, unacknowledged }] }
    }

    #[test]
    fn rest_is_the_end_of_the_rapids_with_nothing_left_to_do() {
        let services = ["payment".to_owned()];
        assert_eq!(standing(9, 0, 0).faults(&services), [""; 0]);
        for restless in [standing(8, 0, 0), standing(9, 1, 0), standing(9, 0, 1)] {
            assert_eq!(restless.faults(&services).len(), 1, "{restless:?}");
        }
        let nobody = Standing::default().faults(&services);
        assert_eq!(nobody, ["payment has no position"]);
    }
}
