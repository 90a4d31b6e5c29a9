//! join_offer: invites users without membership to join.
//!
//! Listens for the need `car_rental_offer` with the `level` none and without `solutions`.
//! Publishes the need again, with `solutions.car_rental_offer`.
//! Run: `just river join_offer`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("join_offer")?.river(invite()))
}

fn invite() -> River {
    River::new("invite")
        .need("car_rental_offer")
        .when("@.level == 'none'")
        .forbid("solutions")
        .publishes_needs("car_rental_offer")
        .react(on_need)
}

async fn on_need(packet: Packet) -> Result<Packet> {
    let offer = json!({"provider": "JOIN", "value": 500, "likelihood": 0.3});
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
    fn members_are_not_invited_to_join() {
        assert_eq!(invite().judge(&need("none")), Verdict::Matches);
        let null = need("none").with("solutions", None::<Value>);
        assert_eq!(invite().judge(&null), Verdict::Matches);
        let member = invite().explain(&need("gold")).to_string();
        assert!(member.contains(r#"@.level = "gold""#), "{member}");
        assert_eq!(invite().judge(&Packet::need("car_rental_offer")), Verdict::NotForMe);
    }

    #[tokio::test]
    async fn the_invitation_replaces_solutions_that_are_null() {
        let answer = on_need(need("none").with("solutions", None::<Value>)).await.unwrap();
        assert_eq!(
            answer.get::<Value>("solutions").unwrap().unwrap(),
            json!({"car_rental_offer": {"provider": "JOIN", "value": 500, "likelihood": 0.3}})
        );
    }

    #[tokio::test]
    async fn an_answered_need_is_not_answered_again() {
        let mut rapids = TestRapids::new().service("join_offer", [invite()]);
        rapids.publish(need("none")).await;
        let [_, answered] = rapids.packets() else { panic!("{}", rapids.trail()) };
        assert_eq!(answered.need_names(), ["car_rental_offer"]);
    }
}
