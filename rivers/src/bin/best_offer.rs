//! best_offer: picks the offer that is worth most, as the offers come in.
//!
//! Listens for the need `car_rental_offer` with `solutions.car_rental_offer`.
//! Publishes `best_offer_selected` whenever the best offer of a need rises; the last one counts.
//! Run: `just river best_offer`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("best_offer")?.river(select()))
}

fn select() -> River {
    let offer = "@.solutions.car_rental_offer";
    River::new("select")
        .need("car_rental_offer")
        .when(&format!("{offer} && {offer} != null"))
        .require("user_id")
        .publishes("best_offer_selected")
        .memory("best", "@.rapids.correlation_id")
        .react(on_solution)
}

#[derive(Deserialize)]
struct Solved {
    user_id: String,
    solutions: Solutions,
}

#[derive(Deserialize)]
struct Solutions {
    car_rental_offer: Offer,
}

#[derive(Deserialize)]
struct Offer {
    provider: String,
    value: f64,
    likelihood: f64,
}

fn on_solution(best: &mut f64, packet: &Packet) -> Result<Option<Packet>> {
    let Solved { user_id, solutions: Solutions { car_rental_offer: offer } } = packet.parse()?;
    let expected = offer.value * offer.likelihood;
    if expected <= *best {
        return Ok(None);
    }
    *best = expected;
    let selected = Packet::event("best_offer_selected")
        .with("user_id", user_id)
        .with("provider", offer.provider)
        .with("value", offer.value)
        .with("likelihood", offer.likelihood)
        .with("expected", expected);
    Ok(Some(selected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::{Value, json};

    type Offered = (&'static str, f64, f64);

    /// A solution as it stands on the rapids, within the conversation of the need.
    fn solution(conversation: &str, (provider, value, likelihood): Offered) -> Value {
        json!({
            "need": "car_rental_offer",
            "user_id": "ada",
            "solutions": {"car_rental_offer":
                {"provider": provider, "value": value, "likelihood": likelihood}},
            "rapids": {"correlation_id": conversation},
        })
    }

    fn packet(offer: Offered) -> Packet {
        Packet::from_bytes(solution("c-1", offer).to_string()).unwrap()
    }

    async fn last_selected(offers: impl IntoIterator<Item = Offered>) -> (String, f64) {
        let mut rapids = TestRapids::new().service("best_offer", [select()]);
        for offer in offers {
            rapids.publish_bytes(solution("c-1", offer).to_string()).await;
        }
        let selected = rapids.events("best_offer_selected");
        let last = selected.last().unwrap();
        let expected = last.get("expected").unwrap().unwrap();
        (last.get("provider").unwrap().unwrap(), expected)
    }

    #[tokio::test]
    async fn the_best_offer_comes_last_in_whatever_order_they_arrive() {
        let join = ("JOIN", 500.0, 0.3);
        for (a, b, provider, expected) in [
            (("A", 12.0, 0.8), ("B", 30.0, 0.4), "B", 12.0),
            (("A", 6.0, 0.8), ("B", 10.0, 0.3), "A", 4.8),
            (("A", 6.0, 0.5), ("B", 10.0, 0.2), "A", 3.0),
        ] {
            for offers in [[a, b], [b, a]] {
                let (selected, worth) = last_selected(offers).await;
                assert_eq!(selected, provider);
                assert!((worth - expected).abs() < 1e-9, "{selected} is worth {worth}");
            }
        }
        let (a, b) = (("A", 3.0, 0.1), ("B", 3.0, 0.1));
        for offers in [[a, b, join], [a, join, b], [join, a, b], [b, join, a]] {
            let (selected, worth) = last_selected(offers).await;
            assert_eq!(selected, "JOIN");
            assert!((worth - 150.0).abs() < 1e-9, "{worth}");
        }
    }

    #[tokio::test]
    async fn each_need_has_its_own_best() {
        let mut rapids = TestRapids::new().service("best_offer", [select()]);
        rapids.publish_bytes(solution("c-1", ("B", 30.0, 0.4)).to_string()).await;
        rapids.publish_bytes(solution("c-2", ("A", 6.0, 0.5)).to_string()).await;
        assert_eq!(rapids.events("best_offer_selected").len(), 2, "{}", rapids.trail());
    }

    #[test]
    fn an_offer_that_does_not_raise_the_best_is_passed_over() {
        let mut best = 0.0;
        let selected = on_solution(&mut best, &packet(("A", 6.0, 0.5))).unwrap().unwrap();
        assert_eq!(selected.get::<String>("user_id").unwrap().as_deref(), Some("ada"));
        assert_eq!(selected.get::<f64>("value").unwrap(), Some(6.0));
        assert_eq!(selected.get::<f64>("likelihood").unwrap(), Some(0.5));
        assert!(on_solution(&mut best, &packet(("B", 6.0, 0.5))).unwrap().is_none());
        assert!(on_solution(&mut best, &packet(("B", 1.0, 0.5))).unwrap().is_none());
        assert!((best - 3.0).abs() < 1e-9, "{best}");
    }

    #[test]
    fn a_need_without_an_offer_passes_by() {
        assert_eq!(select().judge(&packet(("A", 6.0, 0.5))), Verdict::Matches);
        let bare = Packet::need("car_rental_offer").with("user_id", "ada");
        let explained = select().explain(&bare).to_string();
        assert!(explained.contains("@.solutions.car_rental_offer is missing"), "{explained}");
        for solutions in [json!(null), json!({}), json!({"car_rental_offer": null})] {
            let verdict = select().judge(&bare.clone().with("solutions", solutions));
            assert_eq!(verdict, Verdict::NotForMe);
        }
    }
}
