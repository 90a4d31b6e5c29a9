//! Fred George's rental offers: four users ask for one, and each must get a certain answer.

use rapids_client::Packet;

/// How far an expected value may be off.
const TOLERANCE: f64 = 1e-9;

/// A user, the provider of the best offer, and its value x likelihood.
const EXPECTED: [(&str, &str, f64); 4] =
    [("ada", "B", 12.0), ("grace", "A", 4.8), ("alan", "A", 3.0), ("zoe", "JOIN", 150.0)];

/// One user's question and the last answer to it.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) user: &'static str,
    /// The id of the need, which is also the correlation id of the answers.
    id: String,
    pub(crate) selected: Option<Selected>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selected {
    pub(crate) provider: String,
    pub(crate) expected: f64,
}

/// The questions and their packets.
pub(crate) fn ask() -> (Vec<Offer>, Vec<Packet>) {
    let ask = |(user, ..): (&'static str, &str, f64)| {
        let need = Packet::need("car_rental_offer").with("user_id", user);
        (Offer { user, id: need.id().to_owned(), selected: None }, need)
    };
    EXPECTED.into_iter().map(ask).unzip()
}

impl Offer {
    /// Keeps the packet's offer if it answers this question.
    pub(crate) fn take(&mut self, packet: &Packet) {
        let is_answer = packet.event_name().as_deref() == Some("best_offer_selected");
        if is_answer && packet.correlation_id() == self.id {
            let provider = packet.get("provider").ok().flatten().unwrap_or_default();
            let expected = packet.get("expected").ok().flatten().unwrap_or(f64::NAN);
            self.selected = Some(Selected { provider, expected });
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What is wrong with the last answer, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        let user = self.user;
        let (_, provider, expected) = EXPECTED.into_iter().find(|(name, ..)| *name == user)?;
        match &self.selected {
            None => Some(format!("{user} got no offer instead of {provider} {expected}")),
            Some(got)
                if got.provider == provider && (got.expected - expected).abs() <= TOLERANCE =>
            {
                None
            }
            Some(got) => Some(format!(
                "{user} got {} {} instead of {provider} {expected}",
                got.provider, got.expected
            )),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Each user's question with the right answer.
    pub(crate) fn answered() -> Vec<Offer> {
        let (mut offers, _) = ask();
        for (offer, (_, provider, expected)) in offers.iter_mut().zip(EXPECTED) {
            offer.selected = Some(Selected { provider: provider.to_owned(), expected });
        }
        offers
    }

    fn answer(packet: &Packet, provider: &str, expected: f64) -> Packet {
        let text = format!(
            r#"{{"event":"best_offer_selected","provider":"{provider}","expected":{expected},
                "rapids":{{"id":"x","correlation_id":"{}"}}}}"#,
            packet.id()
        );
        Packet::from_bytes(text).unwrap()
    }

    #[test]
    fn last_answer_counts() {
        let (mut offers, needs) = ask();
        for (provider, expected) in [("A", 4.0), ("B", 12.000_000_000_1)] {
            offers[0].take(&answer(&needs[0], provider, expected));
        }
        assert_eq!(offers[0].fault(), None);
        offers[0].take(&answer(&needs[0], "A", 4.0));
        assert_eq!(offers[0].fault().as_deref(), Some("ada got A 4 instead of B 12"));
    }

    #[test]
    fn answer_to_another_question_does_not_count() {
        let (mut offers, needs) = ask();
        offers[3].take(&answer(&needs[0], "JOIN", 150.0));
        assert_eq!(offers[3].fault().as_deref(), Some("zoe got no offer instead of JOIN 150"));
    }

    #[test]
    fn right_answers_have_no_fault() {
        assert!(answered().iter().all(|offer| offer.fault().is_none()));
    }
}
