//! What is published: orders and questions as in the demo, and whatever else may come along.
//!
//! Made from a seed; when it is published is left to `script`, what must come of it to `facts`.

use std::collections::VecDeque;

use fastrand::Rng;
use rapids_client::Packet;

use super::{extras, malformed};
use crate::offers::{self, Offer};
use crate::orders::{self, Order};

/// Packets are published again while the stream still knows their ids.
const REMEMBERED: usize = 500;

/// One thing to publish.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Packet(Box<Packet>),
    /// A body that is no packet.
    Malformed(&'static [u8]),
}

/// Everything to publish, in order.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) items: Vec<Item>,
    pub(crate) orders: Vec<(String, Order)>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) published: Published,
}

/// What there is beside orders and questions, by packet id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    /// Of every packet.
    pub(crate) ids: Vec<String>,
    pub(crate) meals: Vec<String>,
    pub(crate) poison: Vec<String>,
    pub(crate) shouts: Vec<String>,
    pub(crate) malformed: usize,
    /// How often something was published that had been published before.
    pub(crate) again: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Order,
    Question,
    Meal,
    Poison,
    Shout,
    Malformed,
    Again,
}

/// As many orders as asked for, with a share of everything else.
pub(crate) fn load(orders: usize, seed: u64) -> Load {
    let mut random = Rng::with_seed(seed);
    let wanted = orders::orders(orders, seed);
    let commands: Vec<_> = wanted.iter().map(Order::command).collect();
    let ids = commands.iter().map(|command| command.id().to_owned());
    let (offers, questions) = offers::ask();
    let shares = [
        // Poison takes a service down for a while each time it is tried.
        (Kind::Poison, (2 + orders / 1_000).min(12)),
        // Each of these becomes a thousand.
        (Kind::Shout, (1 + orders / 2_500).min(5)),
        (Kind::Question, questions.len()),
        (Kind::Meal, 10 + orders / 2),
        (Kind::Malformed, malformed::BODIES.len() + orders / 50),
        (Kind::Again, 5 + orders / 20),
        (Kind::Order, orders - 1),
    ];
    let mut kinds: Vec<_> =
        shares.into_iter().flat_map(|(kind, share)| std::iter::repeat_n(kind, share)).collect();
    random.shuffle(&mut kinds);
    // Something has to be there before anything can come again.
    kinds.insert(0, Kind::Order);

    let mut load = Load {
        items: Vec::new(),
        orders: ids.zip(wanted).collect(),
        offers,
        published: Published::default(),
    };
    let (mut commands, mut questions) = (commands.into_iter(), questions.into_iter());
    let mut recent = VecDeque::new();
    for (number, kind) in kinds.into_iter().enumerate() {
        let published = &mut load.published;
        let packet = match kind {
            Kind::Order => commands.next().expect("there is one for each of this kind"),
            Kind::Question => questions.next().expect("there is one for each of this kind"),
            Kind::Meal => told(extras::meal(number, false), &mut published.meals),
            Kind::Poison => told(extras::meal(number, true), &mut published.poison),
            Kind::Shout => told(extras::shout(), &mut published.shouts),
            Kind::Malformed => {
                let body = malformed::BODIES[published.malformed % malformed::BODIES.len()];
                published.malformed += 1;
                load.items.push(Item::Malformed(body));
                continue;
            }
            Kind::Again => {
                published.again += 1;
                let packet: &Packet = &recent[random.usize(..recent.len())];
                load.items.push(Item::Packet(Box::new(packet.clone())));
                continue;
            }
        };
        published.ids.push(packet.id().to_owned());
        recent.push_back(packet.clone());
        if recent.len() > REMEMBERED {
            recent.pop_front();
        }
        load.items.push(Item::Packet(Box::new(packet)));
    }
    load
}

fn told(packet: Packet, ids: &mut Vec<String>) -> Packet {
    ids.push(packet.id().to_owned());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// What can be compared of an item: ids differ from run to run.
    fn name(item: &Item) -> String {
        match item {
            Item::Packet(packet) => {
                packet.event_name().or(packet.command_name()).unwrap_or_default()
            }
            Item::Malformed(body) => format!("{body:?}"),
        }
    }

    #[test]
    fn there_is_some_of_everything_and_each_id_is_told_once() {
        for orders in [1, 100, 10_000] {
            let Load { items, orders: told, published, .. } = load(orders, 3);
            assert_eq!(told.len(), orders);
            assert_eq!(items.len(), published.ids.len() + published.malformed + published.again);
            let ids: HashSet<_> = published.ids.iter().collect();
            assert_eq!(ids.len(), published.ids.len());
            let some = [published.meals.len(), published.poison.len(), published.shouts.len()];
            assert!(some.iter().all(|count| *count > 0), "{some:?}");
        }
    }

    #[test]
    fn same_seed_publishes_the_same_in_the_same_order() {
        let names = |seed| load(50, seed).items.iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(7), names(7));
        assert_ne!(names(7), names(8));
    }
}
