//! The facts that must hold after chaos, beside those of the demo.
//!
//! Compares what was counted with what was published. Reads neither the rapids nor processes.

use std::collections::HashMap;

use super::event_log::EventLog;
use super::extras::Extra;
use super::letters::Sorted;
use super::load::Published;
use super::packet_counts::PacketCounts;
use super::positions::Positions;
use crate::verify::Fact;

/// The limit of hops: a packet that has made this many counts as a loop.
pub(crate) const HOPS: u64 = 9;

/// Everything that is known at the end of a run.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    pub(crate) published: &'a Published,
    pub(crate) packet_counts: &'a PacketCounts,
    pub(crate) letters: &'a Sorted,
    pub(crate) positions: &'a Positions,
    pub(crate) services: &'a [String],
    pub(crate) event_log: &'a EventLog,
}

impl Findings<'_> {
    /// Every fact, whether it holds or not.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let facts = [
            self.idle(),
            self.observed(),
            self.published(),
            self.unique(),
            self.meals(),
            self.poison(),
            self.loops(),
            self.nothing_else(),
            self.processes(),
        ];
        facts.into_iter().chain(self.pulses()).collect()
    }

    /// `None` where there is no cluster that is felt by them.
    fn pulses(&self) -> Option<Fact> {
        let (pulses, wrong) = self.packet_counts.pulses();
        let fault = |(id, count)| format!("pulse `{id}` was answered {count} times");
        let faults = wrong.into_iter().map(fault).collect();
        (pulses > 0).then(|| fact(format!("each of {pulses} pulses was answered once"), faults))
    }

    fn idle(&self) -> Fact {
        fact(
            format!("every service is at the end of the rapids ({})", self.positions.last()),
            self.positions.faults(self.services),
        )
    }

    fn observed(&self) -> Fact {
        let mut faults = self.packet_counts.disordered.clone();
        let (seen, last) = (self.packet_counts.total(), self.positions.last());
        if seen != last {
            faults.push(format!("{seen} packets were seen, the last sequence is {last}"));
        }
        fact("the observer saw every packet once, in order".to_owned(), faults)
    }

    fn published(&self) -> Fact {
        let Published { ids, duplicates, malformed, .. } = self.published;
        let count = |id: &String| {
            let count = self.packet_counts.count(id);
            (count != 1).then(|| format!("packet `{id}` is on the rapids {count} times"))
        };
        let mut faults: Vec<_> = ids.iter().filter_map(count).collect();
        let seen = self.packet_counts.malformed;
        if seen != *malformed {
            faults.push(format!("{seen} malformed bodies are on the rapids"));
        }
        let claim = format!(
            "each of {} packets and {malformed} malformed bodies that were published is on the \
             rapids once; {duplicates} were published twice",
            ids.len()
        );
        fact(claim, faults)
    }

    fn unique(&self) -> Fact {
        let faults = self
            .packet_counts
            .repeated()
            .map(|(id, count)| format!("packet `{id}` is on the rapids {count} times"));
        let claim =
            format!("no id of {} packets is on the rapids twice", self.packet_counts.packets);
        fact(claim, faults.collect())
    }

    fn meals(&self) -> Fact {
        let meals = self.published.meals.iter().filter(|meal| !self.excuses(meal));
        let fault = |meal: &String| {
            let count = self.packet_counts.tasted(meal);
            (count != 1).then(|| format!("meal `{meal}` was tasted {count} times"))
        };
        let claim = format!("each of {} good meals was tasted once", self.published.meals.len());
        fact(claim, meals.filter_map(fault).collect())
    }

    fn poison(&self) -> Fact {
        let poison = &self.published.poison;
        let fault = |packet: &String| {
            let count = self.letters.poison.get(packet).copied().unwrap_or_default();
            (count != 1).then(|| format!("packet `{packet}` has {count} dead letters"))
        };
        let mut faults: Vec<_> = poison.iter().filter_map(fault).collect();
        faults.extend_from_slice(&self.letters.poison_faults);
        faults.extend(
            poison
                .iter()
                .filter(|packet| self.packet_counts.tasted(packet) > 0)
                .map(|packet| format!("packet `{packet}` was tasted")),
        );
        let claim = format!(
            "each of {} poisonous meals is in the dead letters once, as crashed",
            poison.len()
        );
        fact(claim, faults)
    }

    fn loops(&self) -> Fact {
        let mut faults = self.letters.looped_faults.clone();
        let mut sizes = HashMap::<_, u64>::new();
        let mut ended = 0;
        for shout in &self.packet_counts.shouts {
            *sizes.entry(shout.origin.as_str()).or_default() += 1;
            if shout.hops < HOPS || self.excuses(&shout.id) {
                continue;
            }
            ended += 1;
            let key = (shout.id.clone(), shout.at.clone());
            let count = self.letters.looped.get(&key).copied().unwrap_or_default();
            if count != 1 {
                let (id, at) = (&shout.id, &shout.at);
                faults.push(format!("packet `{id}`, looped at {at}, has {count} dead letters"));
            }
        }
        let whole = (1 << (HOPS + 1)) - 1;
        for origin in self.published.shouts.iter().filter(|origin| !self.excuses(origin)) {
            let size = sizes.get(origin.as_str()).copied().unwrap_or_default();
            if size != whole {
                faults.push(format!("loop `{origin}` has {size} packets instead of {whole}"));
            }
        }
        let claim = format!(
            "each of {ended} packets that made {HOPS} hops is in the dead letters once, as looped, \
             with the services it passed"
        );
        fact(claim, faults)
    }

    fn nothing_else(&self) -> Fact {
        let suspects = self.letters.suspects.len();
        let but = match suspects {
            0 => String::new(),
            _ => format!(", but {suspects} that the monkey brought under suspicion"),
        };
        fact(format!("nothing else is in the dead letters{but}"), self.letters.unexpected.clone())
    }

    fn processes(&self) -> Fact {
        let taster = Extra::Taster.name();
        let claim = format!("no process ended by itself, but {taster} of poison");
        fact(claim, self.event_log.unexpected_ends(taster))
    }

    /// Whether a dead letter that the monkey caused explains what is missing.
    fn excuses(&self, id: &str) -> bool {
        self.letters.excused.contains(id)
    }
}

fn fact(claim: String, faults: Vec<String>) -> Fact {
    Fact { claim, faults }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::event_log::tests::kill;
    use crate::chaos::extras::{ECHOES, TASTED, meal};
    use crate::chaos::positions::tests::positions;
    use rapids_client::Packet;

    /// The indices of the facts that do not hold after these packets.
    fn broken(packets: &[Packet], published: &Published, letters: &Sorted) -> Vec<usize> {
        let mut packet_counts = PacketCounts::default();
        for packet in packets {
            packet_counts.take(packet);
        }
        packet_counts.disordered.clear();
        let last = packet_counts.total();
        let mut event_log = EventLog::new();
        event_log.record(kill("payment"));
        let findings = Findings {
            published,
            packet_counts: &packet_counts,
            letters,
            positions: &positions(last),
            services: &["payment".to_owned()],
            event_log: &event_log,
        };
        let facts = findings.facts().into_iter().enumerate();
        facts.filter(|(_, fact)| !fact.holds()).map(|(place, _)| place).collect()
    }

    fn run() -> (Vec<Packet>, Published, Sorted) {
        let (good, bad) = (meal(1, false), meal(2, true));
        let tasted = format!(
            r#"{{"event":"{TASTED}","rapids":{{"id":"t-1","causation_id":"{}"}}}}"#,
            good.id()
        );
        let published = Published {
            ids: vec![good.id().to_owned(), bad.id().to_owned()],
            meals: vec![good.id().to_owned()],
            poison: vec![bad.id().to_owned()],
            ..Published::default()
        };
        let mut letters = Sorted::default();
        letters.poison.insert(bad.id().to_owned(), 1);
        (vec![good, bad, Packet::from_bytes(tasted).unwrap()], published, letters)
    }

    #[test]
    fn facts_hold_when_everything_came_once() {
        let (packets, published, letters) = run();
        assert_eq!(broken(&packets, &published, &letters), [0; 0]);
    }

    #[test]
    fn packet_that_is_lost_or_stored_twice_is_found() {
        let (mut packets, published, letters) = run();
        packets.push(packets[1].clone());
        assert_eq!(broken(&packets, &published, &letters), [2, 3]);
        packets.truncate(1);
        assert_eq!(broken(&packets, &published, &letters), [2, 4]);
    }

    #[test]
    fn poison_without_a_letter_or_with_two_is_found() {
        let (packets, published, mut letters) = run();
        *letters.poison.values_mut().next().unwrap() = 2;
        assert_eq!(broken(&packets, &published, &letters), [5]);
        letters.poison.clear();
        assert_eq!(broken(&packets, &published, &letters), [5]);
    }

    #[test]
    fn loop_that_is_cut_short_or_leaves_no_letter_is_found() {
        let (mut packets, mut published, letters) = run();
        let shout = |id: &str, hops: u64| {
            let at = ECHOES[0].name();
            let text = format!(
                r#"{{"event":"shouted","at":"{at}",
                    "rapids":{{"id":"{id}","correlation_id":"s-0","read_count":{hops}}}}}"#
            );
            Packet::from_bytes(text).unwrap()
        };
        published.shouts.push("s-0".to_owned());
        packets.push(shout("s-0", 0));
        assert_eq!(broken(&packets, &published, &letters), [6]);
        let excused = Sorted { excused: [String::from("s-0")].into(), ..run_letters(&letters) };
        assert_eq!(broken(&packets, &published, &excused), [0; 0]);
        packets.push(shout("s-1", HOPS));
        assert_eq!(broken(&packets, &published, &excused), [6]);
    }

    fn run_letters(letters: &Sorted) -> Sorted {
        Sorted { poison: letters.poison.clone(), ..Sorted::default() }
    }

    #[test]
    fn unexpected_letter_is_found() {
        let (packets, published, mut letters) = run();
        letters.unexpected.push("letter payment.charge.17 is `exhausted`".to_owned());
        assert_eq!(broken(&packets, &published, &letters), [7]);
    }
}
