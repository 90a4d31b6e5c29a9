//! What lies beside letters goes with them.

use async_nats::jetstream;
use serde_json::json;

use super::{ADA, bodies, json_of, places};
use crate::letters::Letters;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_with_a_letter_and_said_of_it_goes_with_it() {
    let letters = Letters::start().await;
    let bench = &letters.bench;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let jetstream = jetstream::new(client);
    let ids = ["payment.charge.1", "payment.charge.2", "payment.charge.3"];
    for id in ids {
        letters.put(id, &[]).await;
        bench.said(&["dead-letters", "comment", id, "she has called"]).well(0);
    }
    bench.said(&["dead-letters", "discard", ids[2], "--reason", "it is Ada's"]);
    let begun = |sequence: u64| {
        // An edit that was broken off, of a letter that is there, and of one that has expired.
        let action = json!({"deed": "edit", "who": "bob", "at": "2026-11-21T09:30:00Z"});
        let packet = json!({"event": "x", "customer": "ada"});
        let record = json!({"state": "unfinished", "letter": "2026-11-21T09:30:00Z", "number": 3,
            "action": action, "packet": packet});
        let subject = format!("$KV.RAPIDS_LETTERS.payment.charge.{sequence}");
        jetstream.publish(subject, record.to_string().into())
    };
    for sequence in [1, 9] {
        begun(sequence).await.unwrap().await.unwrap();
    }

    let done = bench.said(&["erase", "--where", ADA, "--yes", "-o", "json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let removed = places(&json_of(&done.out)["removed"]);
    assert_eq!(removed, [("letters".to_owned(), "payment/charge".to_owned(), 2)]);
    assert_eq!(bodies(&jetstream, "DEAD_LETTERS").await.lines().count(), 2);
    let records = bodies(&jetstream, "KV_RAPIDS_LETTERS").await;
    assert!(!records.contains("ada"), "{records}");
    assert!(records.contains(r#""state":"discarded""#), "{records}");
    // Replays of a letter that comes again are counted on, so that none is taken for one of before.
    assert!(records.contains(r#""number":4"#), "{records}");
    let comments = bodies(&jetstream, "KV_RAPIDS_OPERATIONS").await;
    assert_eq!(comments.matches("she has called").count(), 2, "{comments}");
}
