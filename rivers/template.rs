//! greeter: greets whoever asks for it.
//!
//! Listens for `greeter_wanted` with `name`, a text that is not empty.
//! Publishes `greeter_done`.
//! Run: `just river greeter`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("greeter")?.river(greet()))
}

fn greet() -> River {
    River::new("greet")
        .event("greeter_wanted")
        .require("name")
        .require_that("length(@.name) > 0")
        .publishes("greeter_done")
        .react(on_wanted)
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

async fn on_wanted(packet: Packet) -> Result<Packet> {
    let Wanted { name } = packet.parse()?;
    let text = format!("Hello, {name}!");
    Ok(Packet::event("greeter_done").with("text", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;

    fn wanted(name: &str) -> Packet {
        Packet::event("greeter_wanted").with("name", name)
    }

    #[test]
    fn a_name_is_required() {
        assert_eq!(greet().judge(&wanted("Ada")), Verdict::Matches);
        assert!(matches!(greet().judge(&wanted("")), Verdict::Invalid(_)));
        assert_eq!(greet().judge(&Packet::event("else")), Verdict::NotForMe);
    }

    #[tokio::test]
    async fn whoever_asks_is_greeted() {
        let done = on_wanted(wanted("Ada")).await.unwrap();
        assert_eq!(done.event_name().as_deref(), Some("greeter_done"));
        assert_eq!(done.get::<String>("text").unwrap().unwrap(), "Hello, Ada!");
    }
}
