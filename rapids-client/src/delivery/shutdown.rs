//! The end of a service: what runs is finished within the grace period, and the rest is handed back in
//! the order of the stream.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use tokio::time::{interval, sleep_until, timeout};
use tracing::{error, warn};

use super::acks::AckAction;
use super::begun::Unfinished;
use super::blocked::ENDLESS;
use super::engine::Engine;
use super::in_flight::{InFlight, Row};
use crate::error::with_causes;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::position::lease::active::renewed;
use crate::position::lease::renewal::Renewed;

/// How long packets wait until those in front of them are done, so that the next instance gets them in
/// order.
const IN_ORDER: Duration = Duration::from_secs(2);
/// How long the server may take for each of the last writes, while it is there.
const LAST_WRITES: Duration = Duration::from_secs(2);

impl Engine {
    /// Begins nothing more; finishes what runs, within the grace period; saves the progress of the rest,
    /// and hands it back.
    pub(super) async fn shut_down(&mut self, unfinished: &Unfinished) {
        self.is_closing = true;
        let queue = &self.context.executor.queue;
        if self.acks.is_position_gone() {
            // The queue is used again once the position is acquired again.
            queue.clear();
        } else {
            queue.close();
        }
        self.announcement.withdraw().await;
        // These are in flight without turns, and are handed back like the others.
        self.pending_admissions.clear();
        let (packets, replays) = tokio::join!(self.source.close(), self.replays.close());
        for raw in packets.into_iter().chain(replays) {
            self.add_row(&raw);
        }
        let mut saved_to = last_begun(self.schedule.rows());
        self.finish_turns(&mut saved_to).await;
        unfinished.push(self.finish_claimed());
        if !self.context.connection.is_connected() {
            return warn!("the server is away; unacknowledged packets will be redelivered");
        }
        if timeout(LAST_WRITES * 2, self.give_up_rest(saved_to)).await.is_err() {
            warn!("shutdown timed out; unacknowledged packets will be redelivered");
        }
    }

    /// Runs what is under way to its end, and hands back what need not wait for it. Learns the last sequence of
    /// that which was begun.
    async fn finish_turns(&mut self, saved_to: &mut u64) {
        let begun = Instant::now();
        let deadline = begun + self.service.config().grace;
        let mut keep_alive = interval(self.keep_alive());
        let progress = self.source.progress();
        let mut waits_in_order = true;
        self.hand_back(waits_in_order, saved_to).await;
        // Turns whose letters cannot be stored are not waited for.
        while self.schedule.running() + self.schedule.finishing() > self.context.letters.waiting() {
            self.context.executor.queue.deliver_answers();
            tokio::select! {
                () = self.context.executor.queue.answered() => {}
                (turn, end) = self.turns.next_end(&self.context.executor) => {
                    if let Err(error) = self.on_turn_end(turn, end).await {
                        error!("{}", with_causes(&error));
                    }
                    self.hand_back(waits_in_order, saved_to).await;
                }
                Some(step) = self.steps.recv() => self.on_steps(step),
                Some(()) = self.background.next() => {}
                renewed = renewed(&mut self.active, progress) => match renewed {
                    Ok(Renewed::To(_)) => {}
                    Ok(Renewed::Replaced) => {
                        return warn!("another instance has taken over, and finishes the rest");
                    }
                    Err(error) => return error!("{}", with_causes(&error)),
                },
                _ = keep_alive.tick() => self.keep_packets_alive().await,
                () = sleep_until((begun + IN_ORDER).into()), if waits_in_order => {
                    waits_in_order = false;
                    self.hand_back(waits_in_order, saved_to).await;
                }
                () = sleep_until(deadline.into()) => {
                    return warn!("the grace period is over; unfinished packets will be redelivered");
                }
            }
        }
    }

    /// Hands back what does not run, in the order of the stream. Packets that must not overtake one that
    /// runs stay, if they are to wait in order.
    async fn hand_back(&mut self, waits_in_order: bool, saved_to: &mut u64) {
        let places: BTreeSet<_> = self.schedule.rows().map(|(place, _)| place).collect();
        let busy: Vec<_> =
            places.iter().copied().filter(|&place| self.schedule.is_busy(place)).collect();
        let is_behind =
            |place: StreamPlace| busy.iter().any(|&other| self.schedule.is_behind(place, other));
        let may_go = |place: &StreamPlace| {
            !busy.contains(place)
                && (self.active.is_some() || !waits_in_order || !is_behind(*place))
        };
        let places: Vec<_> = places.into_iter().filter(may_go).collect();
        let rows =
            places.into_iter().filter_map(|place| Some((place, self.schedule.remove_idle(place)?)));
        let rows: Vec<(StreamPlace, Row)> = rows.collect();
        // Of these, too, the next active instance has to load what is saved, such as that a letter is stored.
        *saved_to = last_begun(rows.iter().map(|(place, row)| (*place, row))).max(*saved_to);
        self.release(rows).await;
    }

    /// Saves the progress of packets, and then hands them back one after the other.
    async fn release(&self, rows: Vec<(StreamPlace, Row)>) {
        let packets = rows.iter().filter_map(|(_, row)| row.packet.as_ref());
        let saving = packets.map(|packet| self.context.save_progress(packet));
        if timeout(LAST_WRITES, join_all(saving)).await.is_err() {
            warn!(
                "the progress of packets in flight is not saved in time; they are handled from the start again"
            );
        }
        for (place, row) in rows {
            self.acks.answer(place, row.answer, AckAction::HandBack).await;
        }
    }

    /// Hands back what is left: packets that still run, or whose letters are not stored. Releases the
    /// mark of a suspect among them.
    async fn give_up_rest(&mut self, saved_to: u64) {
        self.count_endless();
        // Behind these, nothing was begun that has not ended.
        let begun = last_in_flight(self.schedule.rows(), |_| true).max(saved_to);
        let mut places: Vec<_> = self.schedule.rows().map(|(place, _)| place).collect();
        places.sort_unstable();
        let rows: Vec<_> = places
            .into_iter()
            .filter_map(|place| Some((place, self.schedule.remove(place)?)))
            .collect();
        self.release(rows).await;
        self.context.quarantine.mark.release().await;
        if let Some(active) = &mut self.active {
            active.renewal.hand_over(self.source.progress(), begun).await;
        }
        self.acks.flush().await;
        if !self.acks.is_position_gone() {
            // If the position is lost meanwhile, packets behind the entry are handled again.
            let _ = timeout(LAST_WRITES, self.maintenance.save_entry()).await;
        }
        if let Some(memories) = &self.context.memories {
            // Later nothing removes the published packets from their records: no redelivery comes.
            let _ = timeout(LAST_WRITES, memories.clean_up(Duration::ZERO)).await;
        }
    }

    /// Counts each reaction that keeps the process from ending as one that has ended it: else its packet
    /// would do so again and again.
    fn count_endless(&self) {
        let polled = self.context.executor.queue.polled().into_iter();
        for (turn, _) in polled.filter(|(_, time)| *time >= ENDLESS) {
            if let Some(packet) = self.schedule.row(turn.place).and_then(|row| row.packet.as_ref())
            {
                packet.update_starts(turn.river, |starts| *starts += 1);
            }
        }
    }
}

/// The last sequence of the rapids among these that has begun; 0 if there is none.
fn last_begun<'a>(rows: impl Iterator<Item = (StreamPlace, &'a Row)>) -> u64 {
    last_in_flight(rows, InFlight::has_begun)
}

/// The last sequence of the rapids among these that is admitted, and of which this is true; 0 if there is
/// none.
fn last_in_flight<'a>(
    rows: impl Iterator<Item = (StreamPlace, &'a Row)>,
    is_one: impl Fn(&InFlight) -> bool,
) -> u64 {
    let of_rapids = |(place, row): (StreamPlace, &Row)| {
        let is_one = row.packet.as_deref().is_some_and(&is_one);
        (place.stream == StreamName::Rapids && is_one).then_some(place.sequence)
    };
    rows.filter_map(of_rapids).max().unwrap_or_default()
}
