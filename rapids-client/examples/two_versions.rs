//! A service with everything that is written down somewhere: `just two-versions` builds it with this library and
//! with that of an earlier revision, and runs both beside each other (`tests/it/two_versions.rs`). So it uses only
//! what both have.
//!
//! Usage: `two_versions NAME FILE`, where the name tells which one it is, and the file is its outside effect.
//! `two_versions act` discards the first dead letter that waits, and sends the packets of the others again.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{
    Config, DeadLetters, Filter, Note, Outputs, Packet, River, Service, State, reject, retry_after,
    telemetry,
};
use serde::{Deserialize, Serialize};

/// So long each packet takes, so that some are in hand whenever an instance is killed.
const WORK: Duration = Duration::from_millis(3);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    let mut arguments = env::args().skip(1);
    let who = arguments.next().context("a name is missing")?;
    if who == "act" {
        return act().await;
    }
    let file = arguments.next().context("a file is missing")?;
    let service = Service::from_env("ledger")?.from_beginning().concurrency(8);
    let service = service.river(work(who.clone())).river(count(who)).river(send(file));
    Ok(service.river(refuse()).river(remind()).river(postpone()).run().await?)
}

/// A plain reaction that takes a while.
fn work(who: String) -> River {
    River::new("work").event("paid").require("n").react(move |packet: Packet| {
        let who = who.clone();
        async move {
            tokio::time::sleep(WORK).await;
            answer("worked", &packet).map(|answer| answer.with("who", who))
        }
    })
}

/// What is known of an account.
#[derive(Default, Serialize, Deserialize)]
struct Account {
    payments: u64,
    sum: u64,
}

/// A memory that each packet moves one step.
fn count(who: String) -> River {
    let river = River::new("count").event("paid").require(["n", "account"]);
    river.memory::<Account>("accounts", "@.account").react(
        move |account: &mut Account, packet: &Packet| -> Result<Packet> {
            account.payments += 1;
            account.sum += packet.get::<u64>("n")?.unwrap_or_default();
            let counted = answer("counted", packet)?;
            Ok(counted.with("payments", account.payments).with("who", who.as_str()))
        },
    )
}

/// An effect outside of the bus, which is to happen once.
fn send(file: String) -> River {
    River::new("send").event("paid").require("n").once().react(move |packet: Packet| {
        let file = file.clone();
        async move {
            let line = format!("{}\n", packet.get::<u64>("n")?.unwrap_or_default());
            let mut file = OpenOptions::new().create(true).append(true).open(file)?;
            file.write_all(line.as_bytes())?;
            answer("sent", &packet)
        }
    })
}

/// Each tenth packet becomes a dead letter, until somebody mends it.
fn refuse() -> River {
    River::new("refuse").event("paid").when("@.good == false || @.good == true").react(
        |packet: Packet| async move {
            match packet.get::<bool>("good")? {
                Some(true) => answer("mended", &packet),
                _ => Err(reject("it is not good")),
            }
        },
    )
}

/// A timer, by which the packet is told of again.
fn remind() -> River {
    River::new("remind").event("paid").require("n").react(|packet: Packet| async move {
        let key = packet.get::<u64>("n")?.unwrap_or_default().to_string();
        let reminder = answer("reminded", &packet)?;
        Ok(Outputs::new().later("reminder", &key, Duration::from_secs(1), reminder))
    })
}

/// An attempt that is handed back to the server with what is known of it.
fn postpone() -> River {
    let later = || retry_after(Duration::from_secs(600));
    River::new("postpone")
        .event("postponed")
        .react(move |_: Packet| async move { Err::<(), anyhow::Error>(later()) })
}

async fn act() -> Result<()> {
    let letters = DeadLetters::open(&Config::from_env()?).await?.context("there are no letters")?;
    let mut waiting = letters.list(&Filter::new().state(State::Waiting)).await?;
    let note = Note::new("ada").why("to see it done");
    let mut is_first = true;
    while let Some(stored) = waiting.next().await? {
        let id = stored.letter.id;
        if std::mem::take(&mut is_first) {
            letters.discard(&id, &note).await?;
        } else {
            letters.replay(&id, &note).await?;
        }
    }
    Ok(())
}

fn answer(name: &str, packet: &Packet) -> Result<Packet> {
    Ok(Packet::event(name).with("n", packet.get::<u64>("n")?))
}
