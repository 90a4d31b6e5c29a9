//! A reaction that runs once: it is claimed before it runs, and the packets that it returns are saved
//! with the claim. If it has run before, these are published again.

use std::time::Duration;

use super::context::Context;
use super::reaction::{Reaction, ReactionError};
use super::slot::Turn;
use crate::jetstream::claims::{Claim, Claims, LOOK};
use crate::memory::encoded;

/// Runs a reaction unless it has run before: then the packets that it returned are published again.
pub(super) async fn react(
    turn: &Turn,
    context: &Context,
    claims: &Claims,
) -> Result<Reaction, ReactionError> {
    let failed = |error| ReactionError::of_store(error, &context.connection, &context.notices);
    let id = encoded(turn.packet.packet.id());
    let key = format!("{}.{}.{id}", context.service.name(), turn.river.name());
    let claim = claims.claim(key).await.map_err(failed)?;
    let claimed = match claim {
        Claim::Mine(claimed) => claimed,
        Claim::Done(packets) => return Ok(context.publish_again(&turn.packet.packet, packets)?),
        Claim::Taken => return Err(ReactionError::Later(LOOK)),
    };
    let reacting = context.react(turn);
    let reaction = match claims.run_renewed(&claimed, reacting).await {
        Ok(reaction) => reaction,
        Err(error) => {
            claims.release(claimed).await;
            return Err(error.after_effect());
        }
    };
    match claims.complete(&claimed, &reaction.packets).await.map_err(failed)? {
        true => Ok(reaction),
        // Another instance has taken the claim over, which contains its packets.
        false => Err(ReactionError::Later(Duration::ZERO)),
    }
}
