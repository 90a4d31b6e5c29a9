//! A turn: everything that happens to one packet for one river, from top to bottom.
//!
//! It sends the engine a message when its slot is free ([`slot`](super::slot), where its fields are),
//! and ends in one value, on which [`settle`](super::settle) acts. What few packets need are layers
//! around the reaction, each in a file of its own: [`quarantine`](super::quarantine),
//! [`memory_step`], [`run_once`]. What is told afterwards is a turn of its own ([`tell`]).

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{error, warn};

use super::context::Context;
use super::executor::TimedOut;
use super::in_flight::Cause;
use super::quarantine::Decision;
use super::reaction::{LATER, Reaction, ReactionError};
use super::schedule::Health;
use super::slot::Turn;
use super::{memory_step, run_once, tell};
use crate::Error;
use crate::dead_letters::Kind;
use crate::effects::Effects;
use crate::error::{chain, with_causes};
use crate::jetstream::output_sender::SentOutputs;
use crate::river::{Failure, Telling, failure};
use crate::timer::TimerChange;

/// The longest wait. A longer one could end outside of the range of an [`Instant`].
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// When a turn runs again whose outputs the stream does not take any more.
const OUTPUTS_REFUSED: Duration = Duration::from_secs(30);

/// For how long a packet may wait for its memory to have room, or to be readable, and the longest time between two tries.
const WITHOUT_MEMORY: Duration = Duration::from_secs(3600);
const LONGEST_LATER: Duration = Duration::from_secs(60);

/// How a turn ends.
#[derive(Debug)]
pub(super) enum TurnEnd {
    /// The river is done with the packet: it has handled it, or written a dead letter about it.
    Done,
    /// As above, but the others are to be told of it, in another turn.
    Tell,
    /// It failed, and is tried again after this time.
    Retry(Duration),
    /// It did not run to its end, through no fault of its own: it runs again after this time.
    Later(Duration),
    /// The server does not permit an operation, which ends the service.
    NotPermitted(Error),
}

/// What follows from a reaction without a result.
enum AfterError {
    Retry(Duration),
    GiveUp(Cause, Health),
    Later(Duration),
    NotPermitted(Error),
}

impl Turn {
    pub(super) async fn run(&mut self, context: &Context) -> TurnEnd {
        if let Some(telling) = self.packet.telling(self.id.river) {
            return Box::pin(tell::run(self, context, &telling)).await;
        }
        // It has run when the service was done with the packet, before it was made to forget.
        if self.river.is_once() && context.is_quiet(&self.packet.packet) {
            return TurnEnd::Done;
        }
        if context.is_doubtful(&self.packet.packet) {
            let finding =
                context.before.find_published(&context.connection, context.service.name());
            Box::pin(finding).await;
        }
        // A packet that may have ended a process runs alone, behind a mark that outlives this process.
        if self.is_suspect {
            match Box::pin(context.quarantine.decide(self, context)).await {
                Decision::Run => {}
                Decision::Later(wait) => return TurnEnd::Later(wait),
                Decision::HasDeadLetter(letter) => {
                    // The process may have ended before it was told of.
                    return context.after_letter(&self.packet, self.id.river, *letter);
                }
                Decision::Handled => return self.after_success(context),
                Decision::GiveUp(cause) => {
                    // Those behind it do not wait for its letter.
                    self.publish_ticket = None;
                    context.metrics.river(self.id.river).given_up(&cause.reason);
                    self.slot.free(Health::Neutral, Duration::ZERO);
                    return self.dead_letter(context, cause).await;
                }
            }
        }
        // Boxed, as are the other futures of what is rare: they would make every turn's as large.
        match self.react(context).await {
            Ok(mut reaction) => self.publish(context, &mut reaction).await,
            Err(error) => Box::pin(self.end_without_result(context, error)).await,
        }
    }

    /// Acts on what follows from a reaction without a result.
    async fn end_without_result(&mut self, context: &Context, error: ReactionError) -> TurnEnd {
        let error_type = error.error_type();
        // It publishes nothing, so the next one may.
        self.publish_ticket = None;
        let next = self.after_error(context, error);
        let took = self.took.get().unwrap_or_default();
        if matches!(next, AfterError::Retry(_) | AfterError::GiveUp(..)) {
            context.metrics.reacted(self.id.river, took, error_type);
        }
        if self.is_suspect {
            // Before its slot is free: no other packet may run behind its mark.
            context.save_and_release(&self.packet).await;
        }
        match next {
            AfterError::GiveUp(cause, health) => {
                self.slot.free(health, took);
                self.dead_letter(context, cause).await
            }
            AfterError::Retry(wait) => {
                self.slot.free(Health::Failure, took);
                TurnEnd::Retry(wait)
            }
            AfterError::Later(wait) => TurnEnd::Later(wait),
            AfterError::NotPermitted(error) => TurnEnd::NotPermitted(error),
        }
    }

    /// Runs the reaction; renews the mark of a suspect meanwhile.
    async fn react(&self, context: &Context) -> Result<Reaction, ReactionError> {
        if self.is_suspect {
            Box::pin(context.quarantine.mark.run_renewed(self.react_in_layers(context))).await
        } else {
            self.react_in_layers(context).await
        }
    }

    /// Runs the reaction, with its memory, or only if it has not run before.
    async fn react_in_layers(&self, context: &Context) -> Result<Reaction, ReactionError> {
        if let (true, Some(claims)) = (self.river.is_once(), &context.claims) {
            Box::pin(run_once::react(self, context, claims)).await
        } else if let Some(memories) = &context.memories
            && let Some(key) = self.river.memory_key(&self.packet.packet)
        {
            Box::pin(memory_step::react(self, context, (memories, key))).await
        } else {
            context.react(self).await
        }
    }

    /// Publishes what the reaction returned. The slot is free while the server stores it.
    async fn publish(&mut self, context: &Context, reaction: &mut Reaction) -> TurnEnd {
        if let Some(ticket) = &self.publish_ticket {
            ticket.wait().await;
        }
        if self.is_suspect {
            // Its mark stays until the next suspect's replaces it, or the engine releases it.
            self.packet.update(self.id.river, |progress| progress.starts = 0);
        }
        self.slot.free(Health::Success, reaction.took);
        context.metrics.reacted(self.id.river, reaction.took, None);
        let timers = &reaction.effects.timers;
        if !timers.is_empty()
            && let Some(end) = Box::pin(self.set_timers(context, timers)).await
        {
            return end;
        }
        let begun = Instant::now();
        let mut sent = context.outputs.send(&mut reaction.outgoing).await;
        self.publish_ticket = None;
        let stored = context.stored(&self.packet.packet, &reaction.effects, &mut sent).await;
        if let Err(end) = self.published(context, &reaction.effects, (&sent, stored), begun) {
            return end;
        }
        context.metrics.river(self.id.river).handled.increment();
        if let (Some(memories), Some(step)) = (&context.memories, reaction.remembered.take()) {
            memories.published(step);
        }
        self.after_success(context)
    }

    /// Counts what is stored since this time, of which the stream had some already; or ends the turn.
    pub(super) fn published(
        &self,
        context: &Context,
        effects: &Effects,
        (sent, stored): (&SentOutputs, crate::Result<Vec<usize>>),
        begun: Instant,
    ) -> Result<(), TurnEnd> {
        let repeated = stored.map_err(unpublished)?;
        let size = |position| sent.size(position);
        context.metrics.published(&effects.packets, &repeated, (size, begun.elapsed()));
        if self.river.declares_outputs() {
            context.check_declared(&self.river, effects, &repeated);
        }
        Ok(())
    }

    /// A packet that was given up and replayed is handled after all.
    fn after_success(&self, context: &Context) -> TurnEnd {
        let Some(letters) = self.packet.letters() else { return TurnEnd::Done };
        let recovered = || Telling::Recovered(letters.letter.clone());
        context.tell(&self.packet, self.id.river, recovered)
    }

    /// Stores what the reaction did to timers. A packet of which one cannot be set, whatever is tried, is given
    /// up, which ends the turn: no packet that the reaction returned is published; others of its timers may be
    /// set.
    async fn set_timers(&mut self, context: &Context, changes: &[TimerChange]) -> Option<TurnEnd> {
        let error = match context.store_timers(changes).await {
            Ok(()) => return None,
            Err(error @ Error::NotPermitted { .. }) => return Some(TurnEnd::NotPermitted(error)),
            Err(error) => error,
        };
        self.publish_ticket = None;
        let kind =
            if matches!(error, Error::Refused { .. }) { Kind::Rejected } else { Kind::Exhausted };
        let words = "it ran, but a timer that it set cannot be stored, so no packet that it returned is \
                     published";
        let error = anyhow::Error::from(error).context(words);
        context.metrics.river(self.id.river).error(&error.to_string());
        Some(self.dead_letter(context, Cause::of_error(kind, &error)).await)
    }

    async fn dead_letter(&self, context: &Context, cause: Cause) -> TurnEnd {
        Box::pin(context.dead_letter(&self.packet, self.id.river, cause)).await
    }

    fn after_error(&self, context: &Context, error: ReactionError) -> AfterError {
        match error {
            ReactionError::Failed(error) => {
                if self.is_suspect {
                    self.packet.update(self.id.river, |progress| progress.starts = 0);
                }
                self.after_failure(context, &error)
            }
            ReactionError::Later(wait) => AfterError::Later(wait),
            ReactionError::NoRoom(reason) => {
                let holds_up_others = context.service.order_key(&self.packet.packet).is_some();
                self.without_memory(context, reason, (holds_up_others, false))
            }
            ReactionError::Unreadable { is_newer: true, .. } => AfterError::Later(LATER),
            ReactionError::Unreadable { reason, .. } => {
                self.without_memory(context, reason, (false, true))
            }
            ReactionError::NotPermitted(error) => AfterError::NotPermitted(error),
        }
    }

    /// Later packets of the memory may make room, so this is no attempt; unless they wait for this one. Nor
    /// is it one if the value cannot be read, which another program may be able to; that is told by then.
    fn without_memory(
        &self,
        context: &Context,
        reason: String,
        (gives_up, is_told): (bool, bool),
    ) -> AfterError {
        let now = Timestamp::now();
        let since = self.packet.update(self.id.river, |progress| {
            progress.starts = 0;
            *progress.first_failure.get_or_insert(now)
        });
        let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        if gives_up || waited >= WITHOUT_MEMORY {
            context.metrics.river(self.id.river).error(&reason);
            return AfterError::GiveUp(Cause::new(Kind::Exhausted, reason), Health::Neutral);
        }
        if !is_told {
            warn!(
                river = self.river.name(),
                packet = self.packet.packet.id(),
                sequence = self.packet.place.packet(),
                replay = self.packet.place.replay(),
                "to be tried again: {reason}"
            );
        }
        // Ever more seldom, so that others get their turn however many packets are without room.
        AfterError::Later(waited.clamp(LATER, LONGEST_LATER))
    }

    fn after_failure(&self, context: &Context, error: &anyhow::Error) -> AfterError {
        let attempt = self.packet.update(self.id.river, |progress| {
            progress.attempts += 1;
            progress.first_failure.get_or_insert_with(Timestamp::now);
            progress.attempts
        });
        context.metrics.river(self.id.river).error(&error.to_string());
        let Failure::Retry(asked) = failure(error) else {
            return AfterError::GiveUp(Cause::of_error(Kind::Rejected, error), Health::Neutral);
        };
        context.metrics.river(self.id.river).failed.increment();
        let policy = self.river.retry_policy();
        if policy.is_exhausted(attempt) {
            let kind = if error.is::<TimedOut>() { Kind::TimedOut } else { Kind::Exhausted };
            return AfterError::GiveUp(Cause::of_error(kind, error), Health::Failure);
        }
        let wait = asked.unwrap_or_else(|| policy.wait(attempt, fastrand::f64()));
        let wait = wait.min(LONGEST_WAIT);
        warn!(
            river = self.river.name(),
            packet = self.packet.packet.id(),
            sequence = self.packet.place.packet(),
            replay = self.packet.place.replay(),
            attempt,
            ?wait,
            "failed, and is tried again: {}",
            chain(error.chain()).join(": ")
        );
        AfterError::Retry(wait)
    }
}

/// The end of a turn of whose reaction something cannot be stored.
fn unpublished(error: Error) -> TurnEnd {
    if matches!(error, Error::NotPermitted { .. }) {
        return TurnEnd::NotPermitted(error);
    }
    // Its size was checked before, against the limits at that time.
    error!("the stream takes less than it did: {}", with_causes(&error));
    TurnEnd::Later(OUTPUTS_REFUSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<'a, F: Future>(_: impl FnOnce(&'a mut Turn, &'a Context) -> F) -> usize {
        size_of::<F>()
    }

    /// There is one for each packet, and glibc keeps no more than this at hand for each thread.
    #[test]
    fn what_a_turn_takes_is_freed_and_taken_again_without_a_search() {
        let bytes = size(Turn::run) + size_of::<Turn>() + 2 * size_of::<usize>();
        assert!(bytes <= 1_032, "{bytes} bytes: what is rare is to be boxed");
    }
}
