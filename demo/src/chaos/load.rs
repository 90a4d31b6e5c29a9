//! What is published: orders and questions as in the demo, and packets that disturb the services.
//!
//! Follows from a seed. When it is published is left to `script`, what must come of it to `facts`.

use std::collections::VecDeque;
use std::vec::IntoIter;

use fastrand::Rng;
use rapids_client::Packet;

use super::{extras, malformed};
use crate::offers::{self, Offer};
use crate::orders::{self, Order};

/// Duplicates are copies of one of this many packets, whose ids the stream still knows.
const REMEMBERED: usize = 500;

/// One thing to publish.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Packet(Box<Packet>),
    /// A body that is no packet.
    Malformed(&'static [u8]),
}

/// Everything to publish, in order, and what is known about it.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) items: Vec<Item>,
    pub(crate) orders: Vec<(String, Order)>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) published: Published,
}

/// The ids of what is published.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    /// The ids of all packets.
    pub(crate) ids: Vec<String>,
    pub(crate) meals: Vec<String>,
    pub(crate) poison: Vec<String>,
    pub(crate) shouts: Vec<String>,
    pub(crate) malformed: usize,
    /// How many packets are published a second time.
    pub(crate) duplicates: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Order,
    Question,
    Meal,
    Poison,
    Shout,
    Malformed,
    Duplicate,
}

/// As many orders as asked for, with a share of everything else.
pub(crate) fn load(orders: usize, seed: u64) -> Load {
    let mut random = Rng::with_seed(seed);
    let wanted = orders::orders(orders, seed);
    let commands: Vec<_> = wanted.iter().map(Order::command).collect();
    let ids = commands.iter().map(|command| command.id().to_owned());
    let (offers, questions) = offers::ask();
    let kinds = kinds(orders, questions.len(), &mut random);
    let load = Load {
        items: Vec::with_capacity(kinds.len()),
        orders: ids.zip(wanted).collect(),
        offers,
        published: Published::default(),
    };
    let (commands, questions) = (commands.into_iter(), questions.into_iter());
    let mut builder = Builder { load, commands, questions, recent: VecDeque::new() };
    for (number, kind) in kinds.into_iter().enumerate() {
        builder.add(number, kind, &mut random);
    }
    builder.load
}

/// The kinds of all items, in random order.
fn kinds(orders: usize, questions: usize, random: &mut Rng) -> Vec<Kind> {
    let shares = [
        // Each takes the service that tastes it down for a while.
        (Kind::Poison, (2 + orders / 1_000).min(12)),
        // Each leads to a thousand packets.
        (Kind::Shout, (1 + orders / 2_500).min(5)),
        (Kind::Question, questions),
        (Kind::Meal, 10 + orders / 2),
        (Kind::Malformed, malformed::BODIES.len() + orders / 50),
        (Kind::Duplicate, 5 + orders / 20),
        (Kind::Order, orders - 1),
    ];
    let mut kinds: Vec<_> =
        shares.into_iter().flat_map(|(kind, share)| std::iter::repeat_n(kind, share)).collect();
    random.shuffle(&mut kinds);
    // The first item cannot be a duplicate.
    kinds.insert(0, Kind::Order);
    kinds
}

/// A load, while it is built.
struct Builder {
    load: Load,
    commands: IntoIter<Packet>,
    questions: IntoIter<Packet>,
    /// Packets that can be published again.
    recent: VecDeque<Packet>,
}

impl Builder {
    fn add(&mut self, number: usize, kind: Kind, random: &mut Rng) {
        let published = &mut self.load.published;
        let packet = match kind {
            Kind::Order => self.commands.next().expect("there is a command for each order"),
            Kind::Question => self.questions.next().expect("there is a packet for each question"),
            Kind::Meal => recorded(extras::meal(number, false), &mut published.meals),
            Kind::Poison => recorded(extras::meal(number, true), &mut published.poison),
            Kind::Shout => recorded(extras::shout(), &mut published.shouts),
            Kind::Malformed => {
                let body = malformed::BODIES[published.malformed % malformed::BODIES.len()];
                published.malformed += 1;
                return self.load.items.push(Item::Malformed(body));
            }
            Kind::Duplicate => {
                published.duplicates += 1;
                let packet = self.recent[random.usize(..self.recent.len())].clone();
                return self.load.items.push(Item::Packet(Box::new(packet)));
            }
        };
        published.ids.push(packet.id().to_owned());
        self.recent.push_back(packet.clone());
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        self.load.items.push(Item::Packet(Box::new(packet)));
    }
}

/// Records the packet's id.
fn recorded(packet: Packet, ids: &mut Vec<String>) -> Packet {
    ids.push(packet.id().to_owned());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// What can be compared, since ids differ from run to run.
    fn name(item: &Item) -> String {
        match item {
            Item::Packet(packet) => {
                packet.event_name().or(packet.command_name()).unwrap_or_default()
            }
            Item::Malformed(body) => format!("{body:?}"),
        }
    }

    #[test]
    fn there_is_some_of_everything_and_each_id_is_recorded_once() {
        for orders in [1, 100, 10_000] {
            let Load { items, orders: placed, published, .. } = load(orders, 3);
            assert_eq!(placed.len(), orders);
            let others = published.malformed + published.duplicates;
            assert_eq!(items.len(), published.ids.len() + others);
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
