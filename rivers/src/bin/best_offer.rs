//! best_offer: gathers the offers for a need, and picks the one that is worth most.
//!
//! Listens for the need `car_rental_offer` with `user_id`; offers are its `solutions.car_rental_offer`, with
//! `provider`, `value` and `likelihood`.
//! Publishes, once for each need, `best_offer_selected`: as soon as three have come, and else with what has
//! come within two seconds; or `no_offer_made`.
//! Run: `just river best_offer`

use std::time::Duration;

use anyhow::Result;
use rapids_client::{Gathered, Packet, River, Service, Until, telemetry};
use serde::Deserialize;

/// As many as can come: of two providers, and of `join_offer` to who is no member. Nobody knows who is there
/// and will answer, therefore there is a time, too.
const OFFERS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(2);

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
        .require("user_id")
        // So an offer that is none is a dead letter by itself, and does not spoil the others.
        .require_that(&format!(
            "!{offer} || {offer} == null || length({offer}.provider) > 0 && {offer}.value >= 0 \
             && {offer}.likelihood >= 0"
        ))
        .publishes(["best_offer_selected", "no_offer_made"])
        .gather(Until::answers(OFFERS).or_after(PATIENCE))
        .react(on_offers)
}

#[derive(Deserialize)]
struct Offer {
    provider: String,
    value: f64,
    likelihood: f64,
}

impl Offer {
    fn expected(&self) -> f64 {
        self.value * self.likelihood
    }
}

fn on_offers(gathered: &Gathered) -> Result<Packet> {
    let user = gathered.need().get::<String>("user_id")?;
    let offers: Vec<Offer> = gathered.solutions("car_rental_offer")?;
    let best = offers.iter().max_by(|one, other| one.expected().total_cmp(&other.expected()));
    let Some(best) = best else {
        return Ok(Packet::event("no_offer_made").with("user_id", user));
    };
    Ok(Packet::event("best_offer_selected")
        .with("user_id", user)
        .with("provider", &best.provider)
        .with("value", best.value)
        .with("likelihood", best.likelihood)
        .with("expected", best.expected())
        .with("offers", offers.len())
        .with("complete", gathered.is_complete()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::{Kind, Verdict};
    use rapids_test::TestRapids;
    use serde_json::{Value, json};

    type Offered = (&'static str, f64, f64);

    /// A packet of the need as it stands on the rapids, with this solution.
    fn need(conversation: &str, offer: &Value) -> String {
        json!({
            "need": "car_rental_offer",
            "user_id": "ada",
            "solutions": {"car_rental_offer": offer},
            "rapids": {"correlation_id": conversation},
        })
        .to_string()
    }

    fn offer((provider, value, likelihood): Offered) -> Value {
        json!({"provider": provider, "value": value, "likelihood": likelihood})
    }

    /// Rapids on which a user has asked, and these offers have come.
    async fn after(offers: &[Offered]) -> TestRapids {
        let mut rapids = TestRapids::new().service("best_offer", [select()]);
        rapids.publish_bytes(need("c-1", &Value::Null)).await;
        for offered in offers {
            rapids.publish_bytes(need("c-1", &offer(*offered))).await;
        }
        rapids
    }

    fn selected(rapids: &TestRapids) -> (String, f64, usize, bool) {
        let selected = rapids.only("best_offer_selected");
        (
            selected.get("provider").unwrap().unwrap(),
            selected.get("expected").unwrap().unwrap(),
            selected.get("offers").unwrap().unwrap(),
            selected.get("complete").unwrap().unwrap(),
        )
    }

    #[tokio::test]
    async fn the_best_of_three_is_selected_as_soon_as_they_are_there_and_once() {
        let offers = [("A", 3.0, 0.1), ("JOIN", 500.0, 0.3), ("B", 3.0, 0.1)];
        let mut rapids = after(&offers).await;
        assert_eq!(selected(&rapids), ("JOIN".to_owned(), 150.0, 3, true));
        assert!(rapids.timers().is_empty());
        rapids.publish_bytes(need("c-1", &offer(("C", 900.0, 1.0)))).await;
        rapids.advance(PATIENCE).await;
        rapids.only("best_offer_selected");
    }

    #[tokio::test]
    async fn the_best_of_what_has_come_is_selected_when_the_time_is_up() {
        for offers in [[("A", 12.0, 0.5), ("B", 30.0, 0.25)], [("B", 30.0, 0.25), ("A", 12.0, 0.5)]]
        {
            let mut rapids = after(&offers).await;
            rapids.none("best_offer_selected");
            rapids.advance(PATIENCE).await;
            assert_eq!(selected(&rapids), ("B".to_owned(), 7.5, 2, false));
        }
    }

    #[tokio::test]
    async fn who_gets_no_offer_hears_that() {
        let mut rapids = after(&[]).await;
        rapids.advance(PATIENCE).await;
        let none = rapids.only("no_offer_made");
        assert_eq!(none.get::<String>("user_id").unwrap().as_deref(), Some("ada"));
    }

    #[tokio::test]
    async fn each_need_has_its_own_best() {
        let mut rapids = after(&[("B", 30.0, 0.4)]).await;
        rapids.publish_bytes(need("c-2", &offer(("A", 6.0, 0.5)))).await;
        rapids.advance(PATIENCE).await;
        assert_eq!(rapids.events("best_offer_selected").len(), 2, "{}", rapids.trail());
    }

    #[tokio::test]
    async fn an_offer_that_is_none_spoils_no_other() {
        let mut rapids = after(&[("A", 6.0, 0.5)]).await;
        for bad in [json!("cheap"), json!({"provider": "B", "value": "much", "likelihood": 1})] {
            rapids.publish_bytes(need("c-1", &bad)).await;
        }
        assert!(rapids.problems().iter().all(|problem| problem.kind == Kind::Invalid));
        assert_eq!(rapids.problems().len(), 2);
        rapids.advance(PATIENCE).await;
        assert_eq!(selected(&rapids), ("A".to_owned(), 3.0, 1, false));
    }

    #[test]
    fn a_need_is_for_it_with_an_offer_and_without() {
        let bare = Packet::need("car_rental_offer").with("user_id", "ada");
        assert_eq!(select().judge(&bare), Verdict::Matches);
        for solutions in [json!(null), json!({}), json!({"car_rental_offer": null})] {
            let judged = select().judge(&bare.clone().with("solutions", solutions));
            assert_eq!(judged, Verdict::Matches);
        }
        assert_eq!(select().judge(&Packet::need("hotel")), Verdict::NotForMe);
    }
}
