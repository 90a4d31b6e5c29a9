//! membership: says which level of membership a user has who asks for a rental car.
//!
//! Listens for the need `car_rental_offer` with `user_id` and without `level`.
//! Publishes the need again, with `level`: platinum, gold, silver or none.
//! Run: `just river membership`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("membership")?.river(look_up()))
}

fn look_up() -> River {
    River::new("look_up")
        .need("car_rental_offer")
        .forbid("level")
        .require("user_id")
        .publishes_needs("car_rental_offer")
        .react(on_need)
}

#[derive(Deserialize)]
struct Need {
    user_id: String,
}

async fn on_need(packet: Packet) -> Result<Packet> {
    let Need { user_id } = packet.parse()?;
    let level = match user_id.as_str() {
        "ada" => "platinum",
        "grace" => "gold",
        "alan" => "silver",
        _ => "none",
    };
    Ok(packet.with("level", level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;

    fn need(user: &str) -> Packet {
        Packet::need("car_rental_offer").with("user_id", user)
    }

    #[test]
    fn a_known_level_is_not_looked_up_again_and_a_null_is_none() {
        assert_eq!(look_up().judge(&need("ada")), Verdict::Matches);
        assert_eq!(look_up().judge(&need("ada").with("level", None::<String>)), Verdict::Matches);
        let known = look_up().explain(&need("ada").with("level", "gold"));
        assert_eq!(known.verdict, Verdict::NotForMe);
        assert!(known.to_string().contains(r#"@.level = "gold""#), "{known}");
    }

    #[test]
    fn a_need_without_a_user_is_malformed() {
        let verdict = look_up().judge(&Packet::need("car_rental_offer"));
        assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
        assert_eq!(look_up().judge(&Packet::need("hotel_offer")), Verdict::NotForMe);
    }

    #[tokio::test]
    async fn each_user_has_a_level() {
        for (user, expected) in
            [("ada", "platinum"), ("grace", "gold"), ("alan", "silver"), ("bob", "none")]
        {
            let answer = on_need(need(user)).await.unwrap();
            assert_eq!(answer.get::<String>("level").unwrap().as_deref(), Some(expected));
        }
    }

    #[tokio::test]
    async fn the_need_goes_on_once_with_all_that_it_said() {
        let mut rapids = TestRapids::new().service("membership", [look_up()]);
        rapids.publish(need("grace").with("days", 3)).await;
        let [asked, answered] = rapids.packets() else { panic!("{}", rapids.trail()) };
        assert_eq!(answered.need_names(), ["car_rental_offer"]);
        assert_eq!(answered.get::<u8>("days").unwrap(), Some(3));
        assert_eq!(answered.causation_id(), Some(asked.id()));
    }
}
