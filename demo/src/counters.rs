//! What services say that they have published, against what is on the rapids.

use std::collections::{BTreeMap, BTreeSet};

use rapids_client::{Packet, ServiceStats};

use crate::verify::Fact;

/// How many packets of each name each service has published.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Counters(BTreeMap<(String, String), u64>);

impl Counters {
    /// Counts a packet on the rapids, if a service has published it. What a timer brings is published by the
    /// server.
    pub(crate) fn take(&mut self, packet: &Packet) {
        let Some(service) = packet.breadcrumbs().last().filter(|_| packet.timer().is_none()) else {
            return;
        };
        let name = packet.names().into_iter().next().map(|first| first.name).unwrap_or_default();
        *self.0.entry((service.to_owned(), name)).or_default() += 1;
    }

    /// What these instances have counted.
    pub(crate) fn told<'a>(instances: impl IntoIterator<Item = &'a ServiceStats>) -> Self {
        let mut told = Self::default();
        for instance in instances {
            for (name, figures) in &instance.all.published {
                let key = (instance.name.clone(), name.clone());
                *told.0.entry(key).or_default() += figures.packets;
            }
        }
        told
    }

    /// That services have counted what these counters of the rapids say. What a killed process has counted
    /// is gone: then they have counted no more than that.
    pub(crate) fn fact(&self, told: &Self, kills: bool) -> Fact {
        let keys: BTreeSet<_> = self.0.keys().chain(told.0.keys()).collect();
        let faults = keys.into_iter().filter_map(|key| {
            let [published, counted] =
                [self, told].map(|it| it.0.get(key).copied().unwrap_or_default());
            let is_fault = if kills { counted > published } else { counted != published };
            let (service, name) = key;
            is_fault.then(|| {
                format!("{service} has counted {counted} {name}, on the rapids are {published}")
            })
        });
        let (counted, published) = (told.sum(), self.sum());
        let claim = if kills {
            format!("services have counted no more than they published: {counted} of {published}")
        } else {
            format!("services have counted what they published, {published} packets, by event")
        };
        Fact { claim, faults: faults.collect() }
    }

    fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(count: u64) -> Counters {
        Counters(BTreeMap::from([(("payment".to_owned(), "paid".to_owned()), count)]))
    }

    #[test]
    fn a_count_that_differs_is_a_fault_and_after_kills_one_that_is_too_high() {
        let published = counters(2);
        for (counted, kills, is_fault) in [
            (2, false, false),
            (1, false, true),
            (3, false, true),
            (2, true, false),
            (1, true, false),
            (3, true, true),
        ] {
            let fact = published.fact(&counters(counted), kills);
            assert_eq!(!fact.holds(), is_fault, "{counted} {kills}");
        }
        let fact = published.fact(&Counters::default(), false);
        assert_eq!(fact.faults, ["payment has counted 0 paid, on the rapids are 2"]);
    }
}
