//! Memories that end, and packets that come after that.

use std::time::Duration;

use rapids_client::{AfterEnd, Outputs, Packet, River};

use super::{Scenario, given};

fn counts(name: &'static str, late: AfterEnd) -> River {
    River::new(name).event("opened").memory(name, "@.order").after_end(late).react(
        move |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("counted").with("by", name).with("n", *count))
        },
    )
}

fn ends(river: &'static str, memory: &'static str) -> River {
    River::new(river).event("closed").memory(memory, "@.order").react(
        move |count: &mut u64, _: &Packet| {
            let ended = Packet::event("ended").with("of", memory).with("n", *count);
            anyhow::Ok(Outputs::new().publish(ended).end_memory())
        },
    )
}

#[tokio::test]
async fn a_late_packet_is_ignored_begins_anew_or_is_rejected() {
    let rivers = vec![
        counts("old", AfterEnd::Ignore),
        counts("new", AfterEnd::New),
        counts("strict", AfterEnd::Reject),
        ends("end_old", "old"),
        ends("end_new", "new"),
        ends("end_strict", "strict"),
    ];
    Scenario {
        services: vec![("orders", rivers)],
        bodies: given(&[
            r#"{"event":"opened","order":1}"#,
            r#"{"event":"closed","order":1}"#,
            r#"{"event":"opened","order":1}"#,
            r#"{"event":"closed","order":1}"#,
        ]),
        passes: Duration::ZERO,
        expected: vec![
            r#"orders: {"event":"counted","by":"old","n":1}"#,
            r#"orders: {"event":"counted","by":"new","n":1}"#,
            r#"orders: {"event":"counted","by":"strict","n":1}"#,
            r#"orders: {"event":"ended","of":"old","n":1}"#,
            r#"orders: {"event":"ended","of":"new","n":1}"#,
            r#"orders: {"event":"ended","of":"strict","n":1}"#,
            r#"orders: {"event":"counted","by":"new","n":1}"#,
            r#"orders: {"event":"ended","of":"new","n":1}"#,
        ],
    }
    .agrees()
    .await;
}
