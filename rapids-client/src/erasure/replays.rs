//! What was sent once more to one river: what waits, and what is handled and kept for as long as letters are.

use crate::Result;
use crate::connection::Connection;
use crate::erasable::{HeldIn, Judged, Meant, Tally};
use crate::jetstream::delete::delete;
use crate::jetstream::scan::Scan;
use crate::names::{REPLAY_SUBJECTS, REPLAYS, replay_subject};

pub(super) async fn erase(
    connection: &Connection,
    meant: &Meant,
    removes: bool,
    tally: &mut Tally,
) -> Result<()> {
    let prefix = replay_subject("");
    let mut replays = Scan::new(connection, REPLAYS, REPLAY_SUBJECTS.to_owned());
    while let Some(message) = replays.next().await? {
        match meant.body(&message.payload) {
            Judged::Meant => {
                tally.found(HeldIn::Replays, message.subject.trim_start_matches(&prefix));
                if removes {
                    delete(connection, REPLAYS, message.sequence).await?;
                }
            }
            Judged::Unknown => tally.unjudged(),
            Judged::Other => {}
        }
    }
    Ok(())
}
