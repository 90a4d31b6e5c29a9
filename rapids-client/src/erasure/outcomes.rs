//! What `once` reactions have returned.

use super::done::Done;
use crate::erasable::{HeldIn, Judged, Meant, Tally};
use crate::jetstream::claims::Outcomes;
use crate::{Error, Result};

pub(super) async fn erase(
    done: &mut Done<'_>,
    meant: &Meant,
    removes: bool,
    tally: &mut Tally,
) -> Result<()> {
    let Some(mut outcomes) = Outcomes::open(done.connection).await? else { return Ok(()) };
    loop {
        let outcome = match outcomes.next().await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => return Ok(()),
            Err(error @ Error::Record { .. }) => {
                tally.unread(&error);
                continue;
            }
            Err(error) => return Err(error),
        };
        match meant.effects(&outcome.effects) {
            Judged::Meant => {}
            Judged::Unknown => {
                tally.unjudged();
                continue;
            }
            Judged::Other => continue,
        }
        let (service, river) = outcome.river();
        let of = format!("{service}/{river}");
        if !done.up_to(service, outcome.at).await? {
            tally.in_hand(HeldIn::Outcomes, of);
            continue;
        }
        tally.found(HeldIn::Outcomes, of);
        if removes {
            outcomes.drop_effects(&outcome).await?;
        }
    }
}
