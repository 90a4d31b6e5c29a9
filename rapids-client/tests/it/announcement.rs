//! What a service shows of itself: the NATS service API, and its position.

use std::time::Duration;

use rapids_client::{Config, Packet, Position, Rapids, River, Service, ServiceInfo};
use rapids_test::NatsServer;
use serde_json::Value;

use crate::harness::{Bench, Running, soon, until};
use crate::log;

fn charge() -> River {
    River::new("charge")
        .event("order_placed")
        .when("@.customer || @.guest == true")
        .require(["order_id", "total"])
        .require_that("@.total > 0")
        .react(|_: Packet| async { Ok(()) })
}

fn refund() -> River {
    River::new("refund")
        .event("order_cancelled")
        .require("order_id")
        .ignore_invalid()
        .react(|_: Packet| async { Ok(()) })
}

async fn only(bench: &Bench) -> ServiceInfo {
    let up = bench.rapids.services(Duration::from_millis(200)).await.unwrap();
    let [service] = up.as_slice() else { panic!("{up:?}") };
    service.clone()
}

async fn ask(bench: &Bench, subject: String) -> Value {
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let answer = soon(&subject, client.request(subject.clone(), "".into())).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

#[tokio::test]
async fn a_service_answers_questions_to_all_to_its_name_and_to_its_id() {
    let bench = Bench::start().await;
    let service = bench.service("payment", [charge()]).version("1.2.3-rc.1");
    let service = bench.run(service).await;
    let id = only(&bench).await.id;
    for verb in ["PING", "INFO", "STATS"] {
        for whom in [String::new(), ".payment".to_owned(), format!(".payment.{id}")] {
            let answer = ask(&bench, format!("$SRV.{verb}{whom}")).await;
            let kind = format!("io.nats.micro.v1.{}_response", verb.to_lowercase());
            assert_eq!(answer["type"], kind);
            assert_eq!(answer["name"], "payment");
            assert_eq!(answer["id"], id);
            assert_eq!(answer["version"], "1.2.3-rc.1");
        }
    }
    service.stop().await;
    let up = bench.rapids.services(Duration::from_millis(200)).await.unwrap();
    assert_eq!(up, [], "who has stopped answers no more");
}

#[tokio::test]
async fn the_announced_rules_explain_a_packet_as_the_river_itself_does() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("payment", [charge(), refund()])).await;
    let announced = only(&bench).await;
    let shown: Vec<_> = announced.rivers.keys().map(String::as_str).collect();
    assert_eq!(shown, ["charge", "charge.requires", "refund", "refund.requires"]);
    let facts: Vec<_> = announced.facts.keys().filter(|fact| *fact != "delivery").collect();
    assert!(facts.is_empty(), "{facts:?}");
    for river in [charge(), refund()] {
        let told = announced.river(river.name()).unwrap();
        assert_eq!(told.rules(), river.rules());
        for body in [
            r#"{"event":"order_placed","customer":"ada","order_id":"o-1","total":-1}"#,
            r#"{"event":"order_placed","order_id":"o-1","total":1}"#,
            r#"{"event":"order_cancelled"}"#,
        ] {
            let packet = Packet::from_bytes(body).unwrap();
            assert_eq!(told.explain(&packet).to_string(), river.explain(&packet).to_string());
        }
    }
    assert!(announced.river("charge.requires").is_none());
    service.stop().await;
}

#[tokio::test]
async fn who_may_not_announce_itself_is_told_so_and_works() {
    log::keep();
    let server = NatsServer::with_config(
        r#"authorization { users: [
            {user: hidden, password: h, permissions: {subscribe: {deny: ["$SRV.>"]}}}
        ]}"#,
    )
    .unwrap();
    let url = server.url().replace("//", "//hidden:h@");
    let service = Running::spawn(Service::new("unannounced", Config::new(&url)).river(charge()));
    let rapids = Rapids::connect(&Config::new(url)).await.unwrap();
    let handled =
        async || rapids.position("unannounced").await.unwrap().is_some_and(|it| it.is_read);
    until("it works", handled).await;
    service.stop().await;
    let logged = log::of("unannounced");
    let words = "the service cannot be asked how it is, so `rapids services` does not show it: the server does \
                 not permit subscription to `$SRV.";
    assert!(logged.iter().any(|line| line.contains("WARN") && line.contains(words)), "{logged:?}");
}

#[tokio::test]
async fn positions_tell_how_far_each_service_is_whether_it_is_up_or_not() {
    let bench = Bench::start().await;
    assert_eq!(bench.rapids.positions().await.unwrap(), []);
    let payment = bench.run(bench.service("payment", [charge()])).await;
    let refunds = bench.run(bench.service("refunds", [refund()])).await;
    // What watches has a consumer too, and is no service.
    let _tail = bench.tail().await;
    let packets = (0..3).map(|_| Packet::event("visitor_came"));
    bench.rapids.publish_all(packets).await.unwrap();
    bench.quiet(&["payment", "refunds"]).await;
    payment.stop().await;
    bench.rapids.publish(Packet::event("visitor_came")).await.unwrap();
    bench.quiet(&["refunds"]).await;

    let positions = bench.rapids.positions().await.unwrap();
    let told: Vec<_> = positions.iter().map(told).collect();
    assert_eq!(told, [("payment", 3, 3, 1, 0), ("refunds", 4, 4, 0, 0)]);
    let one = bench.rapids.position("payment").await.unwrap();
    assert_eq!(one.as_ref(), positions.first());
    assert_eq!(bench.rapids.position("nobody").await.unwrap(), None);
    assert_eq!(bench.rapids.position("no body.>").await.unwrap(), None);
    refunds.stop().await;
}

fn told(position: &Position) -> (&str, u64, u64, u64, u64) {
    let Position { service, delivered, acknowledged, pending, unacknowledged, .. } = position;
    (service, *delivered, *acknowledged, *pending, *unacknowledged)
}
