//! taster: tastes meals; a poisonous meal aborts its process.

use anyhow::Result;
use rapids_client::{Packet, River};
use serde::Deserialize;

pub(crate) const SERVED: &str = "meal_served";
pub(crate) const TASTED: &str = "meal_tasted";
pub(crate) const MEAL: &str = "meal";
pub(crate) const POISONOUS: &str = "poisonous";

pub(super) fn taste() -> River {
    River::new("taste").event(SERVED).require([MEAL, POISONOUS]).react(on_meal_served)
}

#[derive(Deserialize)]
struct Meal {
    meal: u64,
    poisonous: bool,
}

async fn on_meal_served(packet: Packet) -> Result<Packet> {
    let Meal { meal, poisonous } = packet.parse()?;
    if poisonous {
        // Stands for whatever ends a process: a stack overflow, memory that runs out.
        std::process::abort();
    }
    Ok(Packet::event(TASTED).with(MEAL, meal))
}
