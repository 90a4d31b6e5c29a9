//! echo_a, echo_b, echo_c: each answers a shout with two shouts at the next one.

use anyhow::Result;
use rapids_client::{Packet, River};

pub(crate) const SHOUTED: &str = "shouted";
pub(crate) const AT: &str = "at";

pub(super) fn answer(own: &str, next: &'static str) -> River {
    let river = River::new("answer").event(SHOUTED).when(&format!("@.{AT} == '{own}'"));
    river.react(move |_: Packet| async move { on_shouted(next) })
}

fn on_shouted(next: &str) -> Result<[Packet; 2]> {
    let shout = || Packet::event(SHOUTED).with(AT, next);
    Ok([shout(), shout()])
}
