//! Fred George's rental offers: four users ask for one, and each is given the best of those that came.

use rapids_client::Packet;

/// How far an expected value may be off.
const TOLERANCE: f64 = 1e-9;

const USERS: [&str; 4] = ["ada", "grace", "alan", "zoe"];

const NEED: &str = "car_rental_offer";

/// After this many offers nothing more is waited for.
const ALL: usize = 3;

/// One user's question and what was selected.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) user: &'static str,
    /// The id of the need, which is also the correlation id of the answers.
    id: String,
    /// The expected values of the offers that came.
    made: Vec<f64>,
    pub(crate) selected: Option<Selected>,
    /// What is wrong with the selections so far.
    wrong: Option<String>,
}

/// What was selected; of no offer if there was none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selected {
    pub(crate) provider: String,
    pub(crate) expected: f64,
    /// How many offers there were.
    pub(crate) offers: usize,
}

/// The questions and their packets.
pub(crate) fn ask() -> (Vec<Offer>, Vec<Packet>) {
    let ask = |user: &'static str| {
        let need = Packet::need(NEED).with("user_id", user);
        let id = need.id().to_owned();
        (Offer { user, id, made: Vec::new(), selected: None, wrong: None }, need)
    };
    USERS.into_iter().map(ask).unzip()
}

impl Offer {
    /// Adds a packet of this question: an offer, or what was selected.
    pub(crate) fn take(&mut self, packet: &Packet) {
        if packet.correlation_id() != self.id {
            return;
        }
        let number = |path: &str| packet.get::<f64>(path).ok().flatten();
        let of = |key: &str| number(&format!("@.solutions.{NEED}.{key}"));
        if let (Some(value), Some(likelihood)) = (of("value"), of("likelihood")) {
            self.made.push(value * likelihood);
        }
        match packet.event_name().as_deref() {
            Some("best_offer_selected" | "no_offer_made") => {}
            _ => return,
        }
        let selected = Selected {
            provider: packet.get("provider").ok().flatten().unwrap_or_default(),
            expected: number("expected").unwrap_or_default(),
            offers: packet.get("offers").ok().flatten().unwrap_or_default(),
        };
        let complete = packet.get::<bool>("complete").ok().flatten().unwrap_or_default();
        let fault = self.fault_of(&selected, complete);
        self.wrong = self.wrong.take().or(fault);
        self.selected = Some(selected);
    }

    /// What is wrong with a selection. How many offers had come to who selects, it says itself, since they
    /// may come to it late; so that many must have been made, and be no better.
    fn fault_of(&self, selected: &Selected, complete: bool) -> Option<String> {
        let Self { user, made, .. } = self;
        let Selected { provider, expected, offers } = selected;
        if self.selected.is_some() {
            return Some(format!("{user} got a second answer, {provider}"));
        }
        let no_better = made.iter().filter(|value| **value <= expected + TOLERANCE).count();
        let is_one = made.iter().any(|value| (value - expected).abs() <= TOLERANCE);
        let is_best = *offers == 0 || (is_one && no_better >= *offers);
        let is_right = is_best && complete == (*offers == ALL);
        (!is_right).then(|| {
            format!("{user} got {provider} {expected} of {offers} (complete: {complete}), made were {made:?}")
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What is wrong with the selection, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        let missing = || self.selected.is_none().then(|| format!("{} got no answer", self.user));
        self.wrong.clone().or_else(missing)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Each user's question with a right answer.
    pub(crate) fn answered() -> Vec<Offer> {
        let (mut offers, needs) = ask();
        for (offer, need) in offers.iter_mut().zip(needs) {
            offer.take(&made(&need, 150.0));
            offer.take(&selected(&need, 150.0, 1, false));
        }
        offers
    }

    fn of(need: &Packet, mut fields: Value) -> Packet {
        fields["rapids"] = json!({"id": "x", "correlation_id": need.id()});
        Packet::from_bytes(fields.to_string()).unwrap()
    }

    fn made(need: &Packet, value: f64) -> Packet {
        let offer = json!({"provider": "A", "value": value, "likelihood": 1});
        of(need, json!({"need": NEED, "solutions": {NEED: offer}}))
    }

    fn selected(need: &Packet, expected: f64, offers: usize, complete: bool) -> Packet {
        let event = if offers == 0 { "no_offer_made" } else { "best_offer_selected" };
        let fields = json!({"event": event, "provider": "A", "expected": expected,
                            "offers": offers, "complete": complete});
        of(need, fields)
    }

    #[test]
    fn selection_of_another_offer_than_the_best_is_found() {
        for (expected, offers, complete, is_fault) in [
            (4.8, 2, false, false),
            (3.0, 1, false, false),
            (3.0, 2, false, true),
            (4.0, 2, false, true),
            (4.8, 3, true, true),
            (4.8, 2, true, true),
            (0.0, 0, false, false),
        ] {
            let (mut asked, needs) = ask();
            for value in [3.0, 4.8] {
                asked[0].take(&made(&needs[0], value));
            }
            asked[0].take(&selected(&needs[0], expected, offers, complete));
            let fault = asked[0].fault();
            assert_eq!(fault.is_some(), is_fault, "{expected} of {offers}: {fault:?}");
        }
    }

    #[test]
    fn second_selection_is_found_and_one_for_another_question_does_not_count() {
        let mut offers = answered();
        assert!(offers.iter().all(|offer| offer.fault().is_none()));
        let (mut others, needs) = ask();
        others[3].take(&selected(&needs[0], 150.0, 0, false));
        assert_eq!(others[3].fault().as_deref(), Some("zoe got no answer"));
        let again = Packet::need(NEED);
        offers[0].id = again.id().to_owned();
        offers[0].take(&selected(&again, 150.0, 1, false));
        assert_eq!(offers[0].fault().as_deref(), Some("ada got a second answer, A"));
    }
}
