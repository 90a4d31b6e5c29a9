//! How rivers come to an end with packets on rapids in memory: what they publish, what they could not handle,
//! and what they tell of that.
//!
//! Dead letters are only numbered and remembered here, to be replayed.

use std::collections::BTreeMap;

use rapids_client::{Effects, GivenUp, Kind, LetterId, Packet, River, Service, Verdict, is_final};

use crate::{Problem, TestRapids};

/// The kind of the problem that a river publishes what it does not declare.
const UNDECLARED: &str = "undeclared";
/// The kind of the problem that a river tells what cannot be written.
const UNTOLD: &str = "untold";

/// The dead letters that there would be, with their packets.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    letters: BTreeMap<LetterId, Packet>,
    /// How many were replayed.
    replays: u64,
}

/// What is delivered to a river.
struct Delivery<'a> {
    service: &'a Service,
    river: &'a River,
    packet: &'a Packet,
    /// The last part of the id of a letter about it.
    token: String,
    /// The letter that is replayed.
    replayed: Option<&'a LetterId>,
}

/// Why a packet is given up.
struct Cause {
    kind: Kind,
    /// As the letter says it.
    reason: String,
    /// With the causes of the reason.
    reasons: String,
    attempts: u32,
}

impl Cause {
    /// An error, after so many attempts.
    fn of((error, attempts): (anyhow::Error, u32)) -> Self {
        Self {
            kind: if is_final(&error) { Kind::Rejected } else { Kind::Exhausted },
            reason: error.to_string(),
            reasons: format!("{error:#}"),
            attempts,
        }
    }
}

impl TestRapids {
    /// Replays a dead letter, such as `payment.charge.17`: delivers its packet to its river once more, as
    /// `rapids dead-letters replay` does, and lets the rivers react until no packet is left. If the river
    /// handles it, it [tells](River::on_recovered) that; if it fails again, that is a problem of its own, whose
    /// letter is `payment.charge.r1`.
    ///
    /// # Panics
    /// If there would be no such letter.
    pub async fn replay(&mut self, letter: &str) {
        let found = self.letters.letters.iter().find(|(id, _)| id.to_string() == letter);
        let Some((id, packet)) = found.map(|(id, packet)| (id.clone(), packet.clone())) else {
            panic!("no dead letter `{letter}` to replay:\n{}", self.trail());
        };
        self.letters.replays += 1;
        let token = format!("r{}", self.letters.replays);
        let of_letter = |service: &&Service| service.name() == id.service();
        let service = self.services.iter().find(of_letter).cloned();
        let Some(service) = service else { return };
        let packet = service.handled(packet);
        let mut published = Vec::new();
        for (river, verdict) in service.judge(&packet) {
            if river.name() == id.river() {
                let (token, replayed) = (token.clone(), Some(&id));
                let to = Delivery { service: &service, river, packet: &packet, token, replayed };
                published.extend(self.react_once(&to, verdict).await);
            }
        }
        self.deliver_published(published).await;
    }

    /// Has a service forget what it remembers, and read all past packets once more to remember it, as `rapids
    /// position SERVICE --to-beginning --forget` does: nothing that its reactions return is published, those
    /// that run once do not run, and a packet that was given up before is no problem again.
    ///
    /// ```
    /// use rapids_client::{Packet, River};
    /// use rapids_test::TestRapids;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let count = River::new("count").event("visitor_came").memory("visitors", "'all'").react(
    ///     |visitors: &mut u64, _: &Packet| {
    ///         *visitors += 1;
    ///         anyhow::Ok(Packet::event("visitor_counted").with("visitors", *visitors))
    ///     },
    /// );
    /// let mut rapids = TestRapids::new().service("counter", [count]);
    /// rapids.publish(Packet::event("visitor_came")).await;
    /// rapids.rebuild("counter").await;
    /// assert_eq!(rapids.events("visitor_counted").len(), 1);
    /// rapids.publish(Packet::event("visitor_came")).await;
    /// assert_eq!(rapids.events("visitor_counted")[1].get::<u64>("visitors").unwrap(), Some(2));
    /// # }
    /// ```
    ///
    /// # Panics
    /// If there is no such service.
    pub async fn rebuild(&mut self, service: &str) {
        let found = self.services.iter().find(|it| it.name() == service).cloned();
        let Some(service) = found else { panic!("no service `{service}` to rebuild") };
        self.records.retain(|(of, _), _| of != service.name());
        for packet in self.packets().to_vec() {
            let packet = service.handled(packet);
            let matches = service.judge(&packet).into_iter();
            let matches = matches.filter(|(_, verdict)| *verdict == Verdict::Matches);
            for (river, _) in matches.filter(|(river, _)| !river.is_once()) {
                let Err(error) = self.run(&service, river, &packet).await else { continue };
                let token = packet.arrival().map_or(0, |arrival| arrival.sequence).to_string();
                let to =
                    Delivery { service: &service, river, packet: &packet, token, replayed: None };
                if !self.was_given_up(&to) {
                    self.given_up(&to, Cause::of(error));
                }
            }
        }
    }

    fn was_given_up(&self, to: &Delivery<'_>) -> bool {
        let of = (to.service.name(), to.river.name(), to.packet.id());
        self.problems.iter().any(|it| (&*it.service, &*it.river, &*it.packet_id) == of)
    }

    /// What the rivers of a service publish about a packet.
    pub(crate) async fn react(&mut self, service: &Service, packet: &Packet) -> Vec<Packet> {
        let mut published = Vec::new();
        let packet = &service.handled(packet.clone());
        let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
        for (river, verdict) in service.judge(packet) {
            let to =
                Delivery { service, river, packet, token: sequence.to_string(), replayed: None };
            published.extend(self.react_once(&to, verdict).await);
        }
        published
    }

    async fn react_once(&mut self, to: &Delivery<'_>, verdict: Verdict) -> Vec<Packet> {
        let without =
            |kind, reason: String| Cause { kind, reasons: reason.clone(), reason, attempts: 0 };
        let cause = match verdict {
            Verdict::NotForMe => return Vec::new(),
            Verdict::Matches => match self.run(to.service, to.river, to.packet).await {
                Ok(effects) => return self.ended(to, effects),
                Err(error) => Cause::of(error),
            },
            Verdict::Invalid(problems) => without(Kind::Invalid, problems.join("; ")),
            Verdict::TooCostly(problem) => without(Kind::TooCostly, problem),
            Verdict::Looped => {
                let services = to.packet.breadcrumbs().join(" > ");
                without(Kind::Looped, format!("looped, by way of {services}"))
            }
        };
        self.given_up(to, cause).into_iter().collect()
    }

    /// A reaction has succeeded.
    fn ended(&mut self, to: &Delivery<'_>, effects: Effects) -> Vec<Packet> {
        if let Some(reason) = undeclared(to.river, effects.all_packets()) {
            // As after any other problem, nothing of it is stored.
            self.problem(to, Kind::Other(UNDECLARED.into()), reason);
            return Vec::new();
        }
        effects.timers.iter().for_each(|change| self.timers.apply(change));
        let mut published = effects.packets;
        if let Some(letter) = to.replayed {
            let told = to.river.recovered(to.service.name(), to.packet, letter);
            published.extend(self.told(to, told));
        }
        published
    }

    /// A river has given the packet up. Returns what it tells of that.
    fn given_up(&mut self, to: &Delivery<'_>, cause: Cause) -> Option<Packet> {
        let Cause { kind, reason, reasons, attempts } = cause;
        let service = to.service.name();
        self.problem(to, kind.clone(), reasons);
        let letter: LetterId = format!("{service}.{}.{}", to.river.name(), to.token)
            .parse()
            .expect("names of services and rivers were checked");
        self.letters.letters.insert(letter.clone(), to.packet.clone());
        let cause = GivenUp::new(letter, kind, reason, attempts);
        let told = to.river.given_up(service, to.packet, &cause);
        self.told(to, told)
    }

    /// What a river tells, unless it cannot be written, or is not declared.
    fn told(
        &mut self,
        to: &Delivery<'_>,
        told: rapids_client::Result<Option<Packet>>,
    ) -> Option<Packet> {
        let (kind, reason) = match told {
            Ok(told) => match undeclared(to.river, &told) {
                None => return told,
                Some(reason) => (UNDECLARED, reason),
            },
            Err(error) => (UNTOLD, error.to_string()),
        };
        self.problem(to, Kind::Other(kind.into()), reason);
        None
    }

    fn problem(&mut self, to: &Delivery<'_>, kind: Kind, reason: String) {
        self.problems.push(Problem {
            service: to.service.name().to_owned(),
            river: to.river.name().to_owned(),
            packet_id: to.packet.id().to_owned(),
            kind,
            reason,
        });
    }
}

/// What of these packets the river does not declare to publish.
fn undeclared<'a>(river: &River, packets: impl IntoIterator<Item = &'a Packet>) -> Option<String> {
    let undeclared = packets.into_iter().find_map(|packet| river.undeclared(packet))?;
    Some(format!("published {undeclared}, which the river does not declare"))
}

#[cfg(test)]
mod tests {
    use rapids_client::reject;

    use super::*;

    /// Never succeeds.
    fn charge() -> River {
        River::new("charge")
            .event("placed")
            .require("order")
            .publishes(["paid", "failed", "recovered"])
            .on_give_up(|_: &Packet, cause: &GivenUp| {
                Packet::event("failed")
                    .with("letter", cause.letter().to_string())
                    .with("kind", cause.kind().as_str())
                    .with("attempts", cause.attempts())
            })
            .on_recovered(|_: &Packet| Packet::event("recovered"))
            .react(|_| async { Err::<(), _>(reject("no")) })
    }

    fn lines(rapids: &TestRapids, event: &str) -> Vec<String> {
        let shown = |packet: &&Packet| {
            let facts = packet.to_string();
            facts.split(r#","rapids""#).next().unwrap_or_default().to_owned()
        };
        rapids.events(event).iter().map(shown).collect()
    }

    #[tokio::test]
    async fn what_is_given_up_is_told_once_for_each_letter() {
        let mut rapids = TestRapids::new().service("payment", [charge()]);
        let packet = Packet::event("placed").with("order", "o-1");
        rapids.publish(packet.clone()).await;
        rapids.redeliver(packet.id()).await;
        rapids.publish(Packet::event("placed")).await;
        rapids.replay("payment.charge.1").await;
        let told = [
            ("payment.charge.1", "rejected", 1),
            ("payment.charge.3", "invalid", 0),
            ("payment.charge.r1", "rejected", 1),
        ];
        let told = told.map(|(letter, kind, attempts)| {
            format!(
                r#"{{"event":"failed","letter":"{letter}","kind":"{kind}","attempts":{attempts}"#
            )
        });
        assert_eq!(lines(&rapids, "failed"), told, "{}", rapids.trail());
        rapids.none("recovered");
    }

    #[tokio::test]
    async fn a_replay_that_is_handled_is_told_behind_what_it_publishes() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};

        let is_well = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_well);
        let river = River::new("charge")
            .event("placed")
            .on_recovered(|packet: &Packet| Packet::event("recovered").with("of", packet.id()))
            .react(move |_| {
                let is_well = asked.load(Ordering::Relaxed);
                async move {
                    anyhow::ensure!(is_well, "down");
                    Ok(Packet::event("paid"))
                }
            });
        let mut rapids = TestRapids::new().service("payment", [river]);
        rapids.publish(Packet::event("placed")).await;
        is_well.store(true, Ordering::Relaxed);
        rapids.replay("payment.charge.1").await;
        let names: Vec<_> = rapids.packets().iter().filter_map(Packet::event_name).collect();
        assert_eq!(names, ["placed", "paid", "recovered"]);
        assert_eq!(rapids.only("recovered").dead_letter().as_deref(), Some("payment.charge.1"));
    }

    #[tokio::test]
    async fn what_is_told_must_be_declared_and_written() {
        let river = |told: Packet| {
            let river = River::new("charge").event("placed").publishes("paid");
            river
                .on_give_up(move |_: &Packet, _: &GivenUp| told.clone())
                .react(|_| async { Err::<(), _>(reject("no")) })
        };
        for (told, kind) in [
            (Packet::event("failed"), "undeclared"),
            (Packet::event("paid").with("rate", f64::NAN), "untold"),
        ] {
            let mut rapids = TestRapids::new().service("payment", [river(told)]);
            rapids.publish(Packet::event("placed")).await;
            let kinds: Vec<_> = rapids.problems().iter().map(|it| it.kind.as_str()).collect();
            assert_eq!((kinds, rapids.packets().len()), (vec!["rejected", kind], 1));
        }
    }

    #[tokio::test]
    #[should_panic(expected = "no dead letter `payment.charge.1` to replay")]
    async fn a_letter_that_is_not_there_cannot_be_replayed() {
        TestRapids::new().replay("payment.charge.1").await;
    }

    #[tokio::test]
    async fn a_service_that_is_rebuilt_remembers_the_past_without_a_word() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};

        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let mail = River::new("mail").event("placed").once().react(move |_: Packet| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(Packet::event("mailed")) }
        });
        let sum = River::new("sum").event("placed").memory("sums", "'all'").react(
            |sum: &mut u64, packet: &Packet| {
                let total: u64 = packet.get("total")?.ok_or_else(|| reject("no total"))?;
                *sum += total;
                anyhow::Ok(Packet::event("summed").with("sum", *sum))
            },
        );
        let mut rapids = TestRapids::new().service("sums", [sum, mail]);
        let placed = |total: u64| Packet::event("placed").with("total", total);
        rapids.publish(placed(2)).await;
        rapids.publish(Packet::event("placed")).await;
        rapids.rebuild("sums").await;
        rapids.publish(placed(5)).await;
        let (sums, mails) = (rapids.events("summed"), rapids.events("mailed").len());
        let sums: Vec<u64> = sums.iter().filter_map(|packet| packet.get("sum").unwrap()).collect();
        assert_eq!((sums, mails, runs.load(Ordering::Relaxed)), (vec![2, 7], 3, 3));
        assert_eq!(rapids.problems().len(), 1, "{}", rapids.trail());
    }

    #[tokio::test]
    #[should_panic(expected = "no service `other` to rebuild")]
    async fn only_a_service_that_is_there_is_rebuilt() {
        TestRapids::new().rebuild("other").await;
    }
}
