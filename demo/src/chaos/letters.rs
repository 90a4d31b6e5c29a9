//! The dead letters of the run, and what each of them is: expected, explained or stray.

use std::collections::{HashMap, HashSet};

use super::diary::Diary;
use super::extras::{ECHOES, Extra};
use super::load::Published;

/// How often a packet's handling must end a process until the packet is taken for the cause.
const CRASHES: usize = 3;

/// What a letter says, as far as it is judged here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Such as `payment.charge.17`.
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) kind: String,
    pub(crate) packet: String,
    /// The first packet of the conversation.
    pub(crate) origin: String,
    pub(crate) breadcrumbs: Vec<String>,
}

/// The letters, sorted.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// About poison: how many there are of each packet, and what is wrong with one of them.
    pub(crate) poison: HashMap<String, usize>,
    pub(crate) poison_faults: Vec<String>,
    /// About packets that made too many hops, by packet and service.
    pub(crate) looped: HashMap<(String, String), usize>,
    pub(crate) looped_faults: Vec<String>,
    /// Innocent, but at work alone each time the monkey brought the service down.
    pub(crate) suspects: Vec<String>,
    /// The conversations and packets that suspects leave unfinished.
    pub(crate) excused: HashSet<String>,
    /// What no packet of this run explains.
    pub(crate) strays: Vec<String>,
}

/// Sorts the letters by what they are about.
pub(crate) fn sort(letters: &[Letter], published: &Published, diary: &Diary) -> Sorted {
    let ids = |ids: &[String]| ids.iter().cloned().collect::<HashSet<_>>();
    let (poison, shouts) = (ids(&published.poison), ids(&published.shouts));
    let mut sorted = Sorted::default();
    for letter in letters {
        let Letter { service, kind, packet, origin, .. } = letter;
        let attacks = diary.attacks_on(service);
        if poison.contains(packet) && service == Extra::Taster.name() {
            *sorted.poison.entry(packet.clone()).or_default() += 1;
            if kind != "crashed" {
                sorted.poison_faults.push(format!("{} is `{kind}`", named(letter)));
            }
        } else if shouts.contains(origin) && kind == "looped" {
            *sorted.looped.entry((packet.clone(), service.clone())).or_default() += 1;
            if !ECHOES.iter().all(|echo| letter.breadcrumbs.iter().any(|name| name == echo.name()))
            {
                let way = letter.breadcrumbs.join(" > ");
                sorted.looped_faults.push(format!("{} came by way of {way}", named(letter)));
            }
        } else if kind == "crashed" && attacks.len() >= CRASHES {
            let attacks = attacks.join(", ");
            sorted.suspects.push(format!("{}; {service} was attacked at {attacks}", named(letter)));
            sorted.excused.extend([packet.clone(), origin.clone()]);
        } else {
            sorted.strays.push(format!("{} is `{kind}`", named(letter)));
        }
    }
    sorted
}

fn named(letter: &Letter) -> String {
    format!("letter {} about packet `{}`", letter.id, letter.packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::diary::tests::kill;

    fn letter(service: &str, kind: &str, packet: &str) -> Letter {
        Letter {
            id: format!("{service}.river.1"),
            service: service.to_owned(),
            kind: kind.to_owned(),
            packet: packet.to_owned(),
            origin: packet.to_owned(),
            breadcrumbs: ECHOES.map(|echo| echo.name().to_owned()).to_vec(),
        }
    }

    fn sorted(letters: &[Letter], kills: usize) -> Sorted {
        let poison = vec!["p-1".to_owned()];
        let published =
            Published { poison, shouts: vec!["s-1".to_owned()], ..Published::default() };
        let mut diary = Diary::new();
        for _ in 0..kills {
            diary.note(kill("payment"));
        }
        sort(letters, &published, &diary)
    }

    #[test]
    fn letters_about_poison_and_loops_are_expected() {
        let letters = [letter("taster", "crashed", "p-1"), letter("monitor", "looped", "s-1")];
        let sorted = sorted(&letters, 0);
        assert_eq!(sorted.poison["p-1"], 1);
        assert_eq!(sorted.looped.len(), 1);
        assert_eq!((sorted.strays.len(), sorted.suspects.len()), (0, 0));
    }

    #[test]
    fn letters_of_another_kind_or_without_the_way_are_faults() {
        let mut pathless = letter("echo_a", "looped", "s-1");
        pathless.breadcrumbs.pop();
        let sorted = sorted(&[letter("taster", "exhausted", "p-1"), pathless], 0);
        assert_eq!(
            sorted.poison_faults,
            ["letter taster.river.1 about packet `p-1` is `exhausted`"]
        );
        assert_eq!(sorted.looped_faults.len(), 1);
    }

    #[test]
    fn innocent_packet_is_excused_only_where_the_monkey_attacked_often_enough() {
        let innocent = [letter("payment", "crashed", "o-1")];
        assert_eq!(sorted(&innocent, 2).strays.len(), 1);
        let excused = sorted(&innocent, 3);
        assert_eq!((excused.strays.len(), excused.suspects.len()), (0, 1));
        assert!(excused.excused.contains("o-1"));
        let other = [letter("payment", "exhausted", "o-1")];
        assert_eq!(sorted(&other, 3).strays.len(), 1);
    }
}
