//! provider_a: offers rental cars, better ones to better members.
//!
//! Listens for the need `car_rental_offer` with `level` and without `solutions`.
//! Publishes the need again, with `solutions.car_rental_offer`.
//! Run: `just river provider_a`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::Deserialize;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("provider_a")?.river(offer()))
}

fn offer() -> River {
    River::new("offer")
        .need("car_rental_offer")
        .when("@.level && @.level != null")
        .forbid("solutions")
        .publishes_needs("car_rental_offer")
        .react(on_need)
}

#[derive(Deserialize)]
struct Need {
    level: String,
}

async fn on_need(packet: Packet) -> Result<Packet> {
    let Need { level } = packet.parse()?;
    let (value, likelihood) = match level.as_str() {
        "platinum" => (12, 0.8),
        "gold" => (6, 0.8),
        "silver" => (6, 0.5),
        _ => (3, 0.1),
    };
    let offer = json!({"provider": "A", "value": value, "likelihood": likelihood});
    Ok(packet.with("solutions", json!({"car_rental_offer": offer})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::Value;

    fn need(level: &str) -> Packet {
        Packet::need("car_rental_offer").with("level", level)
    }

    #[test]
    fn a_need_without_a_level_or_with_a_solution_passes_by() {
        let null = None::<Value>;
        assert_eq!(offer().judge(&need("gold")), Verdict::Matches);
        assert_eq!(offer().judge(&need("gold").with("solutions", null.clone())), Verdict::Matches);
        assert_eq!(offer().judge(&need("gold").with("level", null)), Verdict::NotForMe);
        let solved = offer().judge(&need("gold").with("solutions", json!({})));
        assert_eq!(solved, Verdict::NotForMe);
        let bare = offer().explain(&Packet::need("car_rental_offer")).to_string();
        assert!(bare.contains("@.level is missing"), "{bare}");
    }

    #[tokio::test]
    async fn each_level_has_its_offer() {
        for (level, value, likelihood) in
            [("platinum", 12, 0.8), ("gold", 6, 0.8), ("silver", 6, 0.5), ("none", 3, 0.1)]
        {
            let answer = on_need(need(level)).await.unwrap();
            assert_eq!(
                answer.get::<Value>("@.solutions.car_rental_offer").unwrap().unwrap(),
                json!({"provider": "A", "value": value, "likelihood": likelihood})
            );
        }
    }

    #[tokio::test]
    async fn an_answered_need_is_not_answered_again() {
        let mut rapids = TestRapids::new().service("provider_a", [offer()]);
        rapids.publish(need("gold").with("solutions", None::<Value>)).await;
        let [_, answered] = rapids.packets() else { panic!("{}", rapids.trail()) };
        assert_eq!(answered.need_names(), ["car_rental_offer"]);
        assert_eq!(answered.get::<String>("level").unwrap().as_deref(), Some("gold"));
    }
}
