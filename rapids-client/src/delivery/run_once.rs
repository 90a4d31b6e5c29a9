//! A reaction that runs once: it is claimed before it runs, and what it leads to is saved with
//! the claim. If it has run before, that is published again.

use std::time::Duration;

use super::context::Context;
use super::reaction::{Reaction, ReactionError};
use super::slot::Turn;
use crate::jetstream::claims::{Claim, Claims, LOOK};
use crate::names::encoded;

/// Runs a reaction unless it has run before: then what it led to is published again.
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
        Claim::Done(effects) => return Ok(context.publish_again(&turn.packet.packet, effects)?),
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
    match claims.complete(&claimed, &reaction.effects).await.map_err(failed)? {
        true => Ok(reaction),
        // Another instance has taken the claim over, which contains what it led to.
        false => Err(ReactionError::Later(Duration::ZERO)),
    }
}
