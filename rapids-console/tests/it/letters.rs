//! Dead letters: groups, the letter, and what is searched.

use rapids_client::{DeadLetters, LetterId, Note, Packet, River, reject};

use crate::bench::Bench;

async fn bench_with_letters() -> Bench {
    let bench = Bench::start().await;
    let river = River::new("charge").event("order_placed").react(
        async |packet: Packet| -> anyhow::Result<()> {
            let order = packet.get::<String>("order_id")?.unwrap_or_default();
            Err(reject(format!("order {order} is unknown")))
        },
    );
    bench.serve("payment", vec![river]).await;
    for order in ["o-1", "o-2", "o-3"] {
        bench.publish(Packet::event("order_placed").with("order_id", order)).await;
    }
    bench
}

#[tokio::test]
async fn letters_are_grouped_by_cause_and_each_is_reached() {
    let bench = bench_with_letters().await;
    let console = bench.console(&[]).await;
    let groups = console.get_with("/dead-letters", "order &#60;id&#62; is unknown").await.body;
    assert!(groups.contains(">3<") || groups.contains("3</a>"), "{groups}");
    let letter = console.get("/dead-letters/payment.charge.1").await;
    assert!(letter.status.starts_with("200"), "{letter:?}");
    for text in ["rejected", "order o-1 is unknown", "/packets/1", "/conversations/"] {
        assert!(letter.body.contains(text), "{text} in {letter:?}");
    }
    let found = console.get("/dead-letters?q=o-2").await.body;
    assert!(found.contains("payment.charge.2") && !found.contains("payment.charge.3"), "{found}");
    let overview = console.get_with("/", "wait for a decision").await.body;
    assert!(overview.contains("href=\"/dead-letters?service=payment\""), "{overview}");
}

#[tokio::test]
async fn what_becomes_of_a_letter_is_shown_and_it_is_still_found() {
    let bench = bench_with_letters().await;
    let console = bench.console(&[]).await;
    console.get_with("/dead-letters", "order &#60;id&#62; is unknown").await;
    let letters = DeadLetters::open(&bench.config()).await.unwrap().unwrap();
    let id: LetterId = "payment.charge.2".parse().unwrap();
    letters.discard(&id, &Note::new("ada").why("a test order")).await.unwrap();
    let page = console.get_with("/dead-letters/payment.charge.2", "discarded").await.body;
    assert!(page.contains("a test order") && page.contains("ada"), "{page}");
    console
        .get_until("/dead-letters?q=payment.charge.2", |page| page.body.contains("discarded"))
        .await;
}

#[tokio::test]
async fn the_order_of_the_groups_is_remembered() {
    let bench = bench_with_letters().await;
    let console = bench.console(&[]).await;
    console.get_with("/dead-letters", "order &#60;id&#62; is unknown").await;
    let sorted = console.get("/dead-letters?sort=last&order=asc").await;
    let cookie = sorted.header("set-cookie").unwrap();
    let pair = cookie.split(';').next().unwrap().to_owned();
    let again = console.ask("GET /dead-letters", &[("Cookie", &pair)], "").await;
    assert!(again.body.contains("aria-sort=\"ascending\""), "{again:?}");
}
