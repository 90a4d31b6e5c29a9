//! The end of a service: what runs is finished, the rest is handed back at once.

use std::time::Instant;

use futures::StreamExt;
use futures::future::join_all;
use tokio::time::{sleep_until, timeout};
use tracing::{error, warn};

use crate::delivery::engine::{Engine, LAST_WORDS};
use crate::delivery::held::AckAction;
use crate::delivery::in_flight::InHand;
use crate::error::with_causes;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::position::active_lease::kept;
use crate::position::renewal::Renewed;

impl Engine {
    /// Hands back what does not run, with notes of what has happened to it; finishes what runs,
    /// within the grace period.
    pub(crate) async fn close(&mut self) {
        self.is_closing = true;
        if self.held.is_deserted() {
            // It is needed once the position is taken up anew.
            self.handling.desk.clear();
        } else {
            self.handling.desk.close();
        }
        self.announcement.withdraw().await;
        let clearing = async {
            while let Some((turn, clearance)) = self.clearing.next().await {
                self.cleared(turn, clearance);
            }
        };
        if timeout(LAST_WORDS, clearing).await.is_err() {
            warn!("a suspect is not decided on; it will come again");
        }
        // One that was cleared and has not begun is handed back like any other.
        self.alone.take_if(|lone| !lone.has_begun);
        // Nothing is known of these yet: they are handed back with what else is held, at the end.
        self.recalling.clear();
        let noted = self.last_in_hand(InHand::has_begun);
        let places: Vec<_> = self.in_hand.keys().copied().collect();
        for place in places {
            self.leave(place, None);
        }
        let (packets, replays) = (self.intake.close().await, self.replays.close().await);
        for delivered in packets.into_iter().chain(replays) {
            if self.held.add(&delivered) {
                self.held.settle(delivered.place, AckAction::Release).await;
            }
        }
        self.finish_up().await;
        if timeout(LAST_WORDS, self.give_up_rest()).await.is_err() {
            warn!("it is not written down what became of packets in hand; they begin anew");
        }
        self.held.release_all().await;
        let progress = self.intake.progress();
        // Of the others nothing was begun, or it has ended.
        let begun = self.last_in_hand(|_| true).max(noted);
        if let Some(tenure) = &mut self.tenure {
            tenure.keeper.hand_over(progress, begun).await;
        }
        self.held.flush().await;
        if !self.held.is_deserted() {
            // What is done may be handled again otherwise, if the position is lost meanwhile.
            let _ = timeout(LAST_WORDS, self.chores.noting()).await;
        }
        if let Some(memories) = &self.handling.memories {
            // What is left noted would be published again with a redelivery that will not come.
            let _ = timeout(LAST_WORDS, memories.tidy()).await;
        }
    }

    /// The last sequence of the rapids in hand of which this is true; 0 if there is none.
    fn last_in_hand(&self, is_one: impl Fn(&InHand) -> bool) -> u64 {
        let of_rapids = |place: &StreamPlace| place.stream == StreamName::Rapids;
        let one = |(place, in_hand): &(&StreamPlace, &InHand)| of_rapids(place) && is_one(in_hand);
        self.in_hand.iter().rfind(one).map_or(0, |(place, _)| place.sequence)
    }

    async fn finish_up(&mut self) {
        let deadline = Instant::now() + self.service.config().grace;
        let mut keep_alive = self.keep_alive();
        let progress = self.intake.progress();
        // Nothing is gained by waiting for room among the dead letters.
        while !(self.running.is_empty()
            && self.unmarking.is_empty()
            && self.finishing.len() <= self.burials.waiting()
            && self.leaving.is_empty())
        {
            self.handling.desk.collect();
            tokio::select! {
                () = self.handling.desk.answered() => {}
                Some(unmarked) = self.unmarking.next() => self.unmarked(unmarked),
                Some(()) = self.freeing.next() => {}
                Some((place, wait)) = self.leaving.next() => self.left(place, wait).await,
                Some(ran) = self.running.next() => if let Err(error) = self.ran(ran) {
                    error!("{}", with_causes(&error));
                },
                Some(finished) = self.finishing.next() => {
                    if let Err(error) = self.finished(finished).await {
                        error!("{}", with_causes(&error));
                    }
                }
                kept = kept(&mut self.tenure, progress) => match kept {
                    Ok(Renewed::To(_)) => {}
                    Ok(Renewed::Replaced) => {
                        return warn!("another instance has taken over; it finishes the rest");
                    }
                    Err(error) => return error!("{}", with_causes(&error)),
                },
                _ = keep_alive.tick() => self.held.keep_alive().await,
                () = sleep_until(deadline.into()) => {
                    return warn!("the grace period ends with packets unfinished; they come again");
                }
            }
        }
    }

    /// ProgressStore what has happened to the packets that are still worked on, or whose letters are not
    /// stored. The suspect among them came to no end, but did not end the process either.
    async fn give_up_rest(&mut self) {
        let suspects = &self.suspects;
        let noting = self.in_hand.iter().map(async |(place, in_hand)| {
            if let Err(error) = suspects.note(*place, in_hand.unnoted(&self.service)).await {
                warn!(
                    sequence = place.packet(),
                    replay = place.replay(),
                    "its attempts are forgotten: {}",
                    with_causes(&error)
                );
            }
        });
        join_all(noting).await;
        suspects.alone.free().await;
    }
}
