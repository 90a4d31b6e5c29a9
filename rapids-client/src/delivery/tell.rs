//! A turn in which a river only tells the others how it has come to an end with a packet: that it has given
//! it up, or has handled it after all. Its dead letter is stored by then, or its outputs are.
//!
//! It is a turn of its own for the sake of suspects. What tells is the user's code, which may end the process
//! like a reaction: so it takes a slot, and never runs while the mark of another suspect is up. For a packet
//! that is delivered again it runs alone, behind a mark of its own, and no more once it has ended the process
//! too often. There is no second try after a failure: the letter stands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::error;

use super::context::Context;
use super::quarantine::Decision;
use super::reaction::{Reaction, ReactionError};
use super::schedule::Health;
use super::slot::Turn;
use super::turn::TurnEnd;
use crate::error::chain;
use crate::river::Telling;

pub(super) async fn run(turn: &mut Turn, context: &Context, telling: &Arc<Telling>) -> TurnEnd {
    if turn.is_suspect {
        match context.quarantine.decide(turn, context).await {
            Decision::Run => {}
            Decision::Later(wait) => return TurnEnd::Later(wait),
            // Neither is looked for here.
            Decision::HasDeadLetter(_) | Decision::Handled => return TurnEnd::Done,
            Decision::GiveUp(cause) => {
                failed(turn, context, telling, &cause.in_one_line());
                turn.slot.free(Health::Neutral, Duration::ZERO);
                return TurnEnd::Done;
            }
        }
    }
    let asking = context.tell_others(turn, telling);
    let told = match turn.is_suspect {
        true => {
            let told = context.quarantine.mark.run_renewed(asking).await;
            // Before its slot is free: no other packet may run behind its mark.
            context.save_and_release(&turn.packet).await;
            told
        }
        false => asking.await,
    };
    let reaction = match told {
        Ok(reaction) => reaction,
        Err(ReactionError::Failed(error)) => {
            let took = turn.took.get().unwrap_or_default();
            failed(turn, context, telling, &chain(error.chain()).join(": "));
            turn.slot.free(Health::Neutral, took);
            return TurnEnd::Done;
        }
        Err(ReactionError::Later(wait)) => return TurnEnd::Later(wait),
        Err(ReactionError::NotPermitted(error)) => return TurnEnd::NotPermitted(error),
        // It has no memory.
        Err(ReactionError::NoRoom(_) | ReactionError::Unreadable { .. }) => return TurnEnd::Done,
    };
    publish(turn, context, reaction).await
}

/// Publishes what is told, in its turn. The slot is free while the server stores it.
async fn publish(turn: &mut Turn, context: &Context, mut reaction: Reaction) -> TurnEnd {
    if let Some(ticket) = &turn.publish_ticket {
        ticket.wait().await;
    }
    turn.slot.free(Health::Neutral, reaction.took);
    let begun = Instant::now();
    let mut sent = context.outputs.send(&mut reaction.outgoing).await;
    turn.publish_ticket = None;
    let stored = context.stored(&turn.packet.packet, &reaction.effects, &mut sent).await;
    let published = turn.published(context, &reaction.effects, (&sent, stored), begun);
    published.err().unwrap_or(TurnEnd::Done)
}

/// Counts and logs that the others are not told.
fn failed(turn: &Turn, context: &Context, telling: &Telling, reason: &str) {
    let metrics = context.metrics.river(turn.id.river);
    metrics.failed.increment();
    metrics.error(reason);
    error!(
        river = turn.river.name(),
        packet = turn.packet.packet.id(),
        sequence = turn.packet.place.packet(),
        replay = turn.packet.place.replay(),
        letter = %telling.letter(),
        "the others are not told what became of a packet: {reason}"
    );
}
