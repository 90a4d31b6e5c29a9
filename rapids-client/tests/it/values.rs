//! What reasons tell of values that nobody is to read there.

use rapids_client::{Packet, River};
use serde::Deserialize;

use crate::harness::Bench;

#[derive(Deserialize)]
struct Person {
    #[serde(rename = "ssn")]
    _ssn: u64,
}

#[tokio::test]
async fn reasons_leave_values_out_where_they_are_not_to_be_shown() {
    let bench = Bench::start().await;
    let checks = || River::new("checks").event("joined").require_that("@.ssn > 0");
    let checks = checks().react(|_: Packet| async { Ok(()) });
    let reads = River::new("reads").event("joined").react(|packet: Packet| async move {
        packet.parse::<Person>()?;
        Ok(())
    });
    let config = bench.config().show_values(false);
    let service = bench.run(Bench::service_of(config, "people", [checks, reads])).await;
    bench.rapids.publish(Packet::event("joined").with("ssn", "SECRET-12345")).await.unwrap();

    let checked = bench.letter("people.checks.1").await.letter;
    assert_eq!(
        checked.reason,
        "requires `@.ssn > 0`, but @.ssn = a text of 12 characters (a text, not a number)"
    );
    let read = bench.letter("people.reads.1").await.letter;
    assert!(read.reason.contains("does not parse"), "{}", read.reason);
    let causes = read.causes.join(": ");
    assert!(causes.starts_with("invalid type: string, expected u64 at line 1 column "), "{causes}");
    assert!(String::from_utf8_lossy(&read.body).contains("SECRET-12345"));
    service.stop().await;
}
