//! Which rivers would react to packets, by the rules that services announce.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use rapids_client::map::AnnouncedRiver;
use rapids_client::{DeadLetters, LetterId, Verdict};

use crate::session::Session;
use crate::working::counted;

/// How long to wait for the answers of services.
pub(super) const WAIT: Duration = Duration::from_millis(500);

/// Prints which rivers would take the packets of these letters, and which would refuse them.
///
/// # Errors
/// The errors of the library.
pub(super) async fn report(
    session: &Session,
    letters: &DeadLetters,
    ids: &[LetterId],
) -> Result<()> {
    let Some(up) = session.services_if_known(&session.rapids().await?, WAIT).await? else {
        return Ok(());
    };
    let rivers = AnnouncedRiver::all(&up);
    let mut takes: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for id in ids {
        // A packet that cannot be read is reported when it is to be sent.
        let Some(packet) = letters.get(id).await?.and_then(|stored| stored.packet().ok()) else {
            continue;
        };
        let reactions = rivers.iter().filter_map(|river| {
            let verdict = match river.judge(&packet) {
                Verdict::Matches => "would take",
                Verdict::Invalid(_) | Verdict::TooCostly(_) => "would refuse",
                Verdict::NotForMe | Verdict::Looped => return None,
            };
            Some((format!("{}.{}", river.service(), river.name()), verdict))
        });
        // Instances that differ in their rules may make the same of it.
        for reaction in reactions.collect::<BTreeSet<_>>() {
            *takes.entry(reaction).or_default() += 1;
        }
    }
    let screen = &session.screen;
    if takes.is_empty() {
        screen.note("no running service would react");
    }
    for ((river, verdict), count) in takes {
        screen.note(format_args!("{river} {verdict} {}", counted(count)));
    }
    Ok(())
}
