//! Reactions that block their thread: an endless loop, or a blocking call.
//!
//! Nobody can interrupt them, so they are named in the log and in the announcement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::{process, thread};

use tracing::{error, warn};

use super::executor::JobQueue;
use super::in_flight::Row;
use super::schedule::Schedule;
use crate::delivery::turn_id::TurnId;
use crate::service::Service;

/// After how long a reaction that blocks its thread is named in a warning.
const WARNINGS: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(300)];

/// A reaction that has occupied its thread for as long keeps the process from ending.
pub(super) const ENDLESS: Duration = Duration::from_secs(1);
/// How often that is checked, once the services have ended.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// The exit code of a process that a reaction keeps from ending: an internal fault, by the convention of
/// `sysexits.h`.
const EXIT_CODE: i32 = 70;

/// How many warnings there were about each reaction that blocks its thread.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    warned: BTreeMap<TurnId, usize>,
}

impl Blocked {
    /// Warns of reactions that block their threads for long, and returns what to announce of them.
    pub(super) fn check(
        &mut self,
        polled: &[(TurnId, Duration)],
        (service, schedule): (&Service, &Schedule<Row>),
    ) -> Option<String> {
        self.warned.retain(|turn, _| polled.iter().any(|(polled, _)| polled == turn));
        let mut shown = Vec::new();
        for &(turn, time) in polled.iter().filter(|(_, time)| *time >= WARNINGS[0]) {
            let due = WARNINGS.iter().filter(|after| time >= **after).count();
            let warned = self.warned.insert(turn, due).unwrap_or_default();
            let (river, seconds) = (river(service, turn), time.as_secs());
            if due > warned {
                let packet = schedule.row(turn.place).and_then(|row| row.packet.as_ref());
                warn!(
                    river,
                    packet = packet.map(|packet| packet.packet.id()),
                    sequence = turn.place.packet(),
                    replay = turn.place.replay(),
                    seconds,
                    "a reaction blocks its thread: it computes, or waits without `await`"
                );
            }
            shown.push(format!("{river} on packet {} for {seconds} s", turn.place));
        }
        (!shown.is_empty()).then(|| shown.join(", "))
    }
}

/// For how many seconds the reaction of a river has blocked its thread that does so longest; 0 if none has
/// for long.
pub(super) fn seconds(polled: &[(TurnId, Duration)], river: usize) -> u64 {
    let of_river = polled.iter().filter(|(turn, time)| turn.river == river && *time >= WARNINGS[0]);
    of_river.map(|(_, time)| time.as_secs()).max().unwrap_or_default()
}

/// Exits the process if a reaction keeps it from ending although the services have ended.
pub(super) fn exit_if_blocked(services: &[(&Service, Arc<JobQueue>)]) {
    loop {
        let polled: Vec<_> = services
            .iter()
            .flat_map(|(service, jobs)| {
                jobs.polled().into_iter().map(move |polled| (service, polled))
            })
            .collect();
        if polled.is_empty() {
            return;
        }
        if let Some((service, (turn, time))) =
            polled.into_iter().find(|(_, (_, time))| *time >= ENDLESS)
        {
            error!(
                service = service.name(),
                river = river(service, turn),
                sequence = turn.place.packet(),
                replay = turn.place.replay(),
                seconds = time.as_secs(),
                "a reaction blocks its thread: the process exits without it, with code {EXIT_CODE}"
            );
            process::exit(EXIT_CODE);
        }
        thread::sleep(CHECK_EVERY);
    }
}

/// The name of a turn's river.
fn river(service: &Service, turn: TurnId) -> &str {
    service.rivers().get(turn.river).map_or("", |river| river.name())
}
