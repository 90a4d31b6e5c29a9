//! Timers, and what they have brought.

use crate::Result;
use crate::erasable::{HeldIn, Judged, Meant, Tally};
use crate::jetstream::delete::delete;
use crate::jetstream::ensure::info_of;
use crate::jetstream::scan::Scan;
use crate::jetstream::stream;
use crate::jetstream::timers::TimerPlace;
use crate::rapids::Rapids;

pub(super) async fn erase(
    rapids: &Rapids,
    meant: &Meant,
    removes: bool,
    tally: &mut Tally,
) -> Result<()> {
    let mut waiting = rapids.timers(None).await?;
    while let Some(timer) = waiting.next().await? {
        let judged = match meant.timer(&timer.id) {
            true => Judged::Meant,
            false => meant.body(&timer.body),
        };
        match judged {
            Judged::Meant => {
                tally.found(HeldIn::Timers, timer.id.owner());
                if removes {
                    rapids.cancel_timer(&timer.id).await?;
                }
            }
            Judged::Unknown => tally.unjudged(),
            Judged::Other => {}
        }
    }
    // After that, so that one that has fired meanwhile is found here.
    let connection = rapids.connection();
    for TimerPlace { stream, due, .. } in
        TimerPlace::all(&stream::present(connection).await?.config)
    {
        if info_of(connection, &stream).await?.is_none() {
            continue;
        }
        let mut fired = Scan::new(connection, &stream, due);
        while let Some(message) = fired.next().await? {
            match meant.body(&message.payload) {
                Judged::Meant => {
                    tally.found(HeldIn::Fired, &stream);
                    if removes {
                        delete(connection, &stream, message.sequence).await?;
                    }
                }
                Judged::Unknown => tally.unjudged(),
                Judged::Other => {}
            }
        }
    }
    Ok(())
}
