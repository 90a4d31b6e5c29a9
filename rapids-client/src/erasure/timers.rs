//! Timers, and what they have brought.

use crate::Result;
use crate::connection::Connection;
use crate::erasable::{HeldIn, Judged, Meant, Tally};
use crate::jetstream::delete::delete;
use crate::jetstream::ensure::info_of;
use crate::jetstream::scan::Scan;
use crate::jetstream::stream;
use crate::jetstream::timers::TimerPlace;
use crate::rapids::Rapids;
use crate::timer::TimerId;

pub(super) async fn erase(
    rapids: &Rapids,
    meant: &Meant,
    removes: bool,
    tally: &mut Tally,
) -> Result<()> {
    let connection = rapids.connection();
    for place in TimerPlace::all(&stream::present(connection).await?.config) {
        if info_of(connection, &place.stream).await?.is_some() {
            waiting(rapids, &place, (meant, removes), tally).await?;
            // After that, so that one that has fired meanwhile is found here.
            fired(connection, &place, (meant, removes), tally).await?;
        }
    }
    Ok(())
}

async fn waiting(
    rapids: &Rapids,
    TimerPlace { stream, timers, .. }: &TimerPlace,
    (meant, removes): (&Meant, bool),
    tally: &mut Tally,
) -> Result<()> {
    for subjects in timers {
        let mut scan = Scan::new(rapids.connection(), stream, subjects.clone());
        while let Some(message) = scan.next().await? {
            // A cancellation has no body.
            let Some(timer) = TimerId::of_subject(&message.subject) else { continue };
            let judged = match meant.body(&message.payload) {
                _ if message.payload.is_empty() => Judged::Other,
                _ if meant.timer(&timer) => Judged::Meant,
                judged => judged,
            };
            match judged {
                Judged::Meant => {
                    tally.found(HeldIn::Timers, timer.owner());
                    if removes {
                        // What a cancellation replaces is not overwritten on disk.
                        delete(rapids.connection(), stream, message.sequence).await?;
                        rapids.cancel_timer(&timer).await?;
                    }
                }
                Judged::Unknown => tally.unjudged(),
                Judged::Other => {}
            }
        }
    }
    Ok(())
}

async fn fired(
    connection: &Connection,
    TimerPlace { stream, due, .. }: &TimerPlace,
    (meant, removes): (&Meant, bool),
    tally: &mut Tally,
) -> Result<()> {
    let mut scan = Scan::new(connection, stream, due.clone());
    while let Some(message) = scan.next().await? {
        match meant.body(&message.payload) {
            Judged::Meant => {
                tally.found(HeldIn::Fired, stream);
                if removes {
                    delete(connection, stream, message.sequence).await?;
                }
            }
            Judged::Unknown => tally.unjudged(),
            Judged::Other => {}
        }
    }
    Ok(())
}
