//! What one pass has found, by where it lies.

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;

/// Where something lies that an erasure removes; see [`Held`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HeldIn {
    /// Timers that wait. Of whom: their owner, such as `order`, or `PUBLISHED` and `EVERY`.
    Timers,
    /// What timers have brought: the server keeps it for a day beside those that wait. Of whom: the stream.
    Fired,
    /// Dead letters, and the corrected packets of actions on them. Of whom: the river, such as `payment/charge`.
    Letters,
    /// Packets that were sent once more to one river, handled or not. Of whom: the service.
    Replays,
    /// Entries of a memory, by their values or their keys. Of whom: such as `payment/customers`.
    Memory,
    /// What reactions with a memory have returned, which their records hold until it is surely published. Of
    /// whom: such as `payment/customers`.
    Returned,
    /// What `once` reactions have returned. Of whom: the river, such as `payment/charge`.
    Outcomes,
}

impl HeldIn {
    /// A word for it, such as `letters`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timers => "timers",
            Self::Fired => "fired_timers",
            Self::Letters => "letters",
            Self::Replays => "replays",
            Self::Memory => "memory",
            Self::Returned => "returned",
            Self::Outcomes => "outcomes",
        }
    }
}

/// How much of what is meant lies in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// What holds it.
    pub kind: HeldIn,
    /// Of whom, as [`HeldIn`] says.
    pub of: String,
    /// How many.
    pub count: u64,
    /// How many of them cannot be removed yet: a service has their packet in hand, and would lose what it is to
    /// publish.
    pub in_hand: u64,
}

/// What a pass has found.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    held: BTreeMap<(HeldIn, String), (u64, u64)>,
    unjudged: u64,
    unread: BTreeSet<String>,
}

impl Tally {
    /// Counts one that can be removed.
    pub(crate) fn found(&mut self, kind: HeldIn, of: impl Into<String>) {
        self.held.entry((kind, of.into())).or_default().0 += 1;
    }

    /// Counts one that cannot be removed yet.
    pub(crate) fn in_hand(&mut self, kind: HeldIn, of: impl Into<String>) {
        let (count, in_hand) = self.held.entry((kind, of.into())).or_default();
        (*count, *in_hand) = (*count + 1, *in_hand + 1);
    }

    /// Counts one of which the expression cannot say whether it is meant.
    pub(crate) fn unjudged(&mut self) {
        self.unjudged += 1;
    }

    /// Notes what cannot be read, and why.
    pub(crate) fn unread(&mut self, why: &Error) {
        self.unread.insert(why.to_string());
    }

    /// How many were found that can be removed.
    pub(crate) fn removable(&self) -> u64 {
        self.held.values().map(|(count, in_hand)| count - in_hand).sum()
    }

    /// Adds what can be removed of another pass.
    pub(crate) fn add_removable(&mut self, other: &Self) {
        for (place, (count, in_hand)) in &other.held {
            if count > in_hand {
                self.held.entry(place.clone()).or_default().0 += count - in_hand;
            }
        }
    }

    /// By place: what was found, how many could not be judged, and what could not be read.
    pub(crate) fn parts(self) -> (Vec<Held>, u64, Vec<String>) {
        let held = |((kind, of), (count, in_hand))| Held { kind, of, count, in_hand };
        let Self { held: found, unjudged, unread } = self;
        (found.into_iter().map(held).collect(), unjudged, unread.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_removed_is_counted_apart_from_what_is_in_hand() {
        let mut first = Tally::default();
        first.found(HeldIn::Letters, "payment/charge");
        first.found(HeldIn::Letters, "payment/charge");
        first.in_hand(HeldIn::Letters, "payment/charge");
        first.in_hand(HeldIn::Outcomes, "payment/charge");
        assert_eq!(first.removable(), 2);
        let mut all = Tally::default();
        all.add_removable(&first);
        all.add_removable(&first);
        let (held, ..) = all.parts();
        let expected =
            Held { kind: HeldIn::Letters, of: "payment/charge".to_owned(), count: 4, in_hand: 0 };
        assert_eq!(held, [expected]);
        let (held, ..) = first.parts();
        assert_eq!(
            held.iter().map(|it| (it.count, it.in_hand)).collect::<Vec<_>>(),
            [(3, 1), (1, 1)]
        );
    }
}
