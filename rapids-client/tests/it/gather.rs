//! Rivers that gather the answers to a need.

use std::time::Duration;

use rapids_client::{Gathered, GatheringRiver, Packet, River, Until, Verdict};
use rapids_test::TestRapids;
use serde_json::json;

use crate::harness::Bench;

const SOON: Duration = Duration::from_millis(400);
const HOUR: Duration = Duration::from_secs(3600);

fn need() -> Packet {
    Packet::need("offer").with("user", "ada")
}

fn answers(until: Until) -> GatheringRiver {
    River::new("best").need("offer").gather(until)
}

fn chosen(gathered: &Gathered) -> anyhow::Result<Packet> {
    let prices: Vec<u64> = gathered.solutions("offer")?;
    Ok(Packet::event("chosen")
        .with("of", prices)
        .with("complete", gathered.is_complete())
        .with("missing", gathered.missing()))
}

/// Answers a need at its price.
fn provider(name: &'static str, price: u64) -> River {
    River::new(name).need("offer").forbid("solutions").react(move |need: Packet| async move {
        Ok(need.with("solutions", json!({"offer": price})))
    })
}

fn facts(packet: &Packet) -> (Vec<u64>, bool) {
    let of = packet.get("of").unwrap().unwrap();
    (of, packet.get("complete").unwrap().unwrap())
}

#[tokio::test]
async fn it_reacts_once_when_all_answers_are_there_and_tells_of_late_ones() {
    let late = |packet: &Packet| {
        anyhow::Ok(Packet::event("late").with("answer", packet.get::<u64>("@.solutions.offer")?))
    };
    let best = answers(Until::answers(2).or_after(HOUR)).on_late(late).react(chosen);
    let providers = [provider("a", 7), provider("b", 5), provider("c", 6)];
    let mut rapids = TestRapids::new().service("best", [best]).service("market", providers);
    for user in ["ada", "alan"] {
        rapids.publish(Packet::need("offer").with("user", user)).await;
    }
    let chosen = rapids.events("chosen");
    assert_eq!(chosen.len(), 2, "{}", rapids.trail());
    assert!(chosen.iter().all(|it| facts(it) == (vec![7, 5], true)));
    assert_eq!(rapids.events("late").len(), 2);
    assert!(rapids.timers().is_empty());
    rapids.advance(HOUR).await;
    assert_eq!(rapids.events("chosen").len(), 2);
}

#[tokio::test]
async fn it_reacts_to_what_has_come_when_the_time_is_up() {
    for (until, of) in [(Until::answers(3).or_after(HOUR), 1), (Until::after(HOUR), 1)] {
        let providers = [provider("a", 7)];
        let service = [answers(until).react(chosen)];
        let mut rapids = TestRapids::new().service("best", service).service("market", providers);
        rapids.publish(need()).await;
        rapids.none("chosen");
        assert_eq!(rapids.timers()[0].0.owner(), "best");
        rapids.advance(HOUR).await;
        assert_eq!(facts(rapids.only("chosen")), (vec![7; of], false));
    }
    let mut rapids = TestRapids::new().service("best", [answers(Until::after(HOUR)).react(chosen)]);
    rapids.publish(need()).await;
    rapids.advance(HOUR).await;
    let chosen = rapids.only("chosen");
    assert_eq!(facts(chosen), (vec![], false));
    assert_eq!(chosen.get::<Vec<String>>("missing").unwrap().unwrap(), ["offer"]);
}

/// A need with several names, each of which somebody else answers: the last answer completes it, and one
/// that comes after that is stale.
#[tokio::test]
async fn the_last_answer_to_a_need_of_several_names_completes_it_and_a_stale_one_is_told() {
    let names = ["car", "hotel"];
    let merged = |gathered: &Gathered| {
        let car: Vec<u64> = gathered.solutions("car")?;
        let hotel: Vec<String> = gathered.solutions("hotel")?;
        anyhow::Ok(Packet::event("booked").with("car", car[0]).with("hotel", &hotel[0]))
    };
    let stale = |packet: &Packet| {
        anyhow::Ok(
            Packet::event("stale").with("solutions", packet.get::<serde_json::Value>("solutions")?),
        )
    };
    let trip = River::new("trip").need("car").need("hotel").gather(Until::all().or_after(HOUR));
    let trip = trip.by("@.trip.id").on_late(stale).react(merged);
    let answer = |name: &'static str, value: serde_json::Value| {
        River::new(name).need(name).forbid("solutions").react(move |need: Packet| {
            let answered = need.with("solutions", json!({name: value}));
            async move { Ok(answered) }
        })
    };
    let mut rapids = TestRapids::new()
        .service("trips", [trip])
        .service("cars", [answer("car", json!(7))])
        .service("hotels", [answer("hotel", json!("Ritz"))]);
    let asked = Packet::need(names).with("@.trip.id", 17);
    rapids.publish(asked.clone()).await;
    let booked = rapids.only("booked");
    assert_eq!(booked.get::<String>("hotel").unwrap().unwrap(), "Ritz");
    rapids.none("stale");
    rapids.publish(Packet::need(names).with("@.trip.id", 17).with("@.solutions.car", 9)).await;
    assert_eq!(rapids.only("stale").get::<u64>("@.solutions.car").unwrap(), Some(9));
    assert_eq!(rapids.events("booked").len(), 1);
}

#[tokio::test]
async fn who_is_asked_by_a_path_is_asked_again_by_the_timer_at_the_same_path() {
    let best = answers(Until::answers(2).or_after(HOUR)).by("@.booking.id").react(chosen);
    let mut rapids = TestRapids::new().service("best", [best]);
    for (booking, price) in [(json!(7), 1), (json!("7"), 2), (json!("x y"), 3)] {
        let answer = need().with("@.booking.id", booking).with("@.solutions.offer", price);
        rapids.publish(answer).await;
    }
    rapids.advance(HOUR).await;
    let of: Vec<_> = rapids.events("chosen").into_iter().map(|it| facts(it).0).collect();
    assert_eq!(of.len(), 3, "{}", rapids.trail());
}

/// What a need asks for beside what the river takes is no part of it.
#[tokio::test]
async fn only_the_names_that_the_river_takes_have_to_be_answered() {
    let service = [answers(Until::all()).react(chosen)];
    let mut rapids = TestRapids::new().service("best", service);
    let need = Packet::need(["offer", "hotel"]);
    rapids.publish(need.clone()).await;
    rapids.publish(answer_to(&need, 7)).await;
    let chosen = rapids.only("chosen");
    assert_eq!(facts(chosen), (vec![7], true));
    assert_eq!(chosen.get::<Vec<String>>("missing").unwrap(), Some(vec![]));
}

#[test]
fn what_cannot_be_gathered_is_a_fault_of_the_declaration() {
    let faults = |river: GatheringRiver| river.react(chosen).check().unwrap_err().to_string();
    let river = || River::new("r").need("offer");
    for (river, words) in [
        (River::new("r").gather(Until::after(HOUR)), "it gathers answers to no need"),
        (river().gather(Until::answers(0)), "it gathers no answers"),
        (river().gather(Until::all()).by("@.items[0]"), "is no path of names such as"),
        (river().gather(Until::all()).by("@.river"), "begins with one of"),
        (river().gather(Until::all()).by("@.rapids.id"), "begins with one of"),
        (
            River::new("x".repeat(30)).need("offer").gather(Until::all()),
            "its name is too long for a river that gathers",
        ),
    ] {
        let said = faults(river);
        assert!(said.contains(words), "{said}");
    }
    let river = river().gather(Until::all()).react(chosen);
    assert_eq!(river.judge(&need()), Verdict::Matches);
    assert_eq!(river.judge(&Packet::event("gathering_due")), Verdict::NotForMe);
}

#[tokio::test]
async fn what_was_gathered_outlasts_the_service_and_its_timer_fires_meanwhile() {
    let bench = Bench::start().await;
    let best = || answers(Until::answers(2).or_after(SOON)).react(chosen);
    let service = bench.run(bench.service("best", [best()])).await;
    // Of another service, with a river of the same name.
    let other = bench.run(bench.service("other", [best()])).await;
    let mut tail = bench.tail().await;
    let asked = need();
    bench.rapids.publish(asked.clone()).await.unwrap();
    bench.rapids.publish(answer_to(&asked, 7)).await.unwrap();
    bench.quiet(&["best", "other"]).await;
    service.stop().await;
    tail.event("gathering_due").await;
    let service = bench.run(bench.service("best", [best()])).await;
    for _ in ["best", "other"] {
        assert_eq!(facts(&tail.event("chosen").await), (vec![7], false));
    }
    bench.rapids.publish(answer_to(&asked, 8)).await.unwrap();
    bench.quiet(&["best", "other"]).await;
    assert_eq!(bench.rapids.stats(SOON).await.unwrap()[0].rivers["best"].late_packets, 1);
    assert!(bench.letters().await.is_empty());
    service.stop().await;
    other.stop().await;
}

fn answer_to(need: &Packet, price: u64) -> Packet {
    let json = json!({"need": "offer", "solutions": {"offer": price},
        "rapids": {"correlation_id": need.id()}});
    Packet::from_bytes(json.to_string()).unwrap()
}
