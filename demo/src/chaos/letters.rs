//! The dead letters of the run, sorted into expected, explained and unexpected ones.

use std::collections::{HashMap, HashSet};

use rapids_client::{Config, DeadLetter, DeadLetters, Filter, Kind, Packet, Result};

use super::event_log::EventLog;
use super::extras::{ECHOES, Extra};
use super::load::Published;
use crate::rivers::{Program, process_of};

/// How often a process must end while it handles a packet until the packet counts as the cause.
const CRASHES: usize = 3;

/// The sorted letters.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// About poison: the number of letters by packet, and what is wrong with them.
    pub(crate) poison: HashMap<String, usize>,
    pub(crate) poison_faults: Vec<String>,
    /// About packets that made too many hops: the number of letters by packet and service, and what
    /// is wrong with them.
    pub(crate) looped: HashMap<(String, String), usize>,
    pub(crate) looped_faults: Vec<String>,
    /// About innocent packets that were handled alone each time the monkey ended the process.
    pub(crate) suspects: Vec<String>,
    /// The packets and conversations of `suspects`, which stay unfinished.
    pub(crate) excused: HashSet<String>,
    /// What nothing explains.
    pub(crate) unexpected: Vec<String>,
}

/// Reads every letter on the server.
///
/// # Errors
/// If the server does not answer.
pub(crate) async fn read(config: &Config) -> Result<Vec<DeadLetter>> {
    let mut letters = Vec::new();
    if let Some(all) = DeadLetters::open(config).await? {
        let mut listing = all.list(&Filter::new()).await?;
        while let Some(stored) = listing.next().await? {
            letters.push(stored.letter);
        }
    }
    Ok(letters)
}

/// Sorts the letters by what they are about.
pub(crate) fn sort(
    letters: &[DeadLetter],
    published: &Published,
    event_log: &EventLog,
    processes: &[Program],
) -> Sorted {
    let ids = |ids: &[String]| ids.iter().cloned().collect::<HashSet<_>>();
    let (poison, shouts) = (ids(&published.poison), ids(&published.shouts));
    let mut sorted = Sorted::default();
    for letter in letters {
        let DeadLetter { kind, packet_id, correlation_id, breadcrumbs, .. } = letter;
        let service = letter.id.service();
        let attacks = event_log.attacks_on(process_of(processes, service));
        if poison.contains(packet_id) && service == Extra::Taster.name() {
            *sorted.poison.entry(packet_id.clone()).or_default() += 1;
            if *kind != Kind::Crashed {
                sorted.poison_faults.push(described(letter));
            }
        } else if shouts.contains(correlation_id) && *kind == Kind::Looped {
            let key = (packet_id.clone(), service.to_owned());
            *sorted.looped.entry(key).or_default() += 1;
            if !ECHOES.iter().all(|echo| breadcrumbs.iter().any(|name| name == echo.name())) {
                let passed = breadcrumbs.join(" > ");
                sorted.looped_faults.push(format!("{}, by way of {passed}", described(letter)));
            }
        } else if *kind == Kind::Crashed && attacks.len() >= CRASHES {
            let attacks = attacks.join(", ");
            let described = described(letter);
            sorted.suspects.push(format!("{described}; {service} was attacked at {attacks} s"));
            sorted.excused.extend([packet_id.clone(), correlation_id.clone()]);
            // Customers answer offers in conversations of their own.
            let packet = Packet::from_bytes(letter.body.clone()).ok();
            sorted.excused.extend(packet.and_then(|it| it.get("order_id").ok().flatten()));
        } else {
            sorted.unexpected.push(described(letter));
        }
    }
    sorted
}

fn described(letter: &DeadLetter) -> String {
    let DeadLetter { id, kind, packet_id, reason, .. } = letter;
    format!("letter {id} about packet `{packet_id}` is `{kind}`: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::event_log::tests::kill;
    use rapids_client::Timestamp;

    fn letter(service: &str, kind: Kind, packet: &str) -> DeadLetter {
        DeadLetter {
            id: format!("{service}.river.1").parse().unwrap(),
            kind,
            reason: "it is so".to_owned(),
            causes: Vec::new(),
            attempts: 1,
            instance: "i-1".to_owned(),
            sequence: 1,
            stored: Timestamp::UNIX_EPOCH,
            first_failure: Timestamp::UNIX_EPOCH,
            last_failure: Timestamp::UNIX_EPOCH,
            packet_id: packet.to_owned(),
            name: None,
            correlation_id: packet.to_owned(),
            breadcrumbs: ECHOES.map(|echo| echo.name().to_owned()).to_vec(),
            publisher: None,
            first: None,
            epoch: 0,
            former: None,
            trace: None,
            body: [].as_slice().into(),
        }
    }

    fn sorted(letters: &[DeadLetter], kills: usize) -> Sorted {
        let poison = vec!["p-1".to_owned()];
        let published =
            Published { poison, shouts: vec!["s-1".to_owned()], ..Published::default() };
        let mut event_log = EventLog::new();
        for _ in 0..kills {
            event_log.record(kill("payment"));
        }
        sort(letters, &published, &event_log, &[])
    }

    #[test]
    fn letters_about_poison_and_loops_are_expected() {
        let letters =
            [letter("taster", Kind::Crashed, "p-1"), letter("monitor", Kind::Looped, "s-1")];
        let sorted = sorted(&letters, 0);
        assert_eq!(sorted.poison["p-1"], 1);
        assert_eq!(sorted.looped.len(), 1);
        assert_eq!((sorted.unexpected.len(), sorted.suspects.len()), (0, 0));
    }

    #[test]
    fn letters_of_another_kind_or_without_the_services_passed_are_faults() {
        let mut pathless = letter("echo_a", Kind::Looped, "s-1");
        pathless.breadcrumbs.pop();
        let sorted = sorted(&[letter("taster", Kind::Exhausted, "p-1"), pathless], 0);
        assert_eq!(
            sorted.poison_faults,
            ["letter taster.river.1 about packet `p-1` is `exhausted`: it is so"]
        );
        assert_eq!(sorted.looped_faults.len(), 1);
    }

    #[test]
    fn innocent_packet_is_excused_only_where_the_monkey_attacked_often_enough() {
        let innocent = [letter("payment", Kind::Crashed, "o-1")];
        assert_eq!(sorted(&innocent, 2).unexpected.len(), 1);
        let excused = sorted(&innocent, 3);
        assert_eq!((excused.unexpected.len(), excused.suspects.len()), (0, 1));
        assert!(excused.excused.contains("o-1"));
        let mut answer = letter("payment", Kind::Crashed, "outside-o-1");
        answer.body = br#"{"command":"accept_delivery_date","order_id":"o-2"}"#.as_slice().into();
        assert!(sorted(&[answer], 3).excused.contains("o-2"));
        let other = [letter("payment", Kind::Exhausted, "o-1")];
        assert_eq!(sorted(&other, 3).unexpected.len(), 1);
    }
}
