//! Packets that are given up, and what others make of that.

use std::time::Duration;

use rapids_client::{GivenUp, Packet, RetryPolicy, River, reject};

use super::{Scenario, given};

#[tokio::test]
async fn who_waits_for_a_packet_that_is_given_up_is_told() {
    let told = |packet: &Packet, cause: &GivenUp| {
        let n = packet.get::<u64>("n").ok().flatten();
        let failed = Packet::event("failed").with("n", n).with("kind", cause.kind().as_str());
        failed.with("why", cause.reason()).with("attempts", cause.attempts())
    };
    let quick = RetryPolicy::new().attempts(2).first(Duration::from_millis(10));
    let charge = River::new("charge").event("placed").require("n").retry(quick).on_give_up(told);
    let charge = charge.react(|packet: Packet| async move {
        match packet.get::<u64>("n")? {
            Some(1) => Err(reject("no card")),
            Some(2) => Err(anyhow::anyhow!("no answer").context("charging")),
            _ => Ok(Packet::event("paid")),
        }
    });
    let cancel = River::new("cancel")
        .event("failed")
        .when("@.rapids.dead_letter == 'payment.charge.1'")
        .react(|_: Packet| async { Ok(Packet::event("cancelled")) });
    Scenario {
        services: vec![("payment", vec![charge]), ("order", vec![cancel])],
        bodies: given(&[
            r#"{"event":"placed","n":1}"#,
            r#"{"event":"placed","n":2}"#,
            r#"{"event":"placed","n":3}"#,
            r#"{"event":"placed"}"#,
        ]),
        passes: Duration::ZERO,
        expected: vec![
            r#"payment: {"event":"failed","n":1,"kind":"rejected","why":"no card","attempts":1}"#,
            r#"order: {"event":"cancelled"}"#,
            r#"payment: {"event":"failed","n":2,"kind":"exhausted","why":"charging","attempts":2}"#,
            r#"payment: {"event":"paid"}"#,
            r#"payment: {"event":"failed","n":null,"kind":"invalid","why":"requires `@.n && @.n != null`, but @.n is missing","attempts":0}"#,
        ],
    }
    .agrees()
    .await;
}
