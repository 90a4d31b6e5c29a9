//! Watching letters and what becomes of them.

use rapids_client::{LetterChange, LetterWatch};

use super::{DeadLetters, Duration, Error, Office, ada, soon};
use crate::harness::until;

async fn watch(office: &Office) -> LetterWatch {
    DeadLetters::watch(&office.bench.config()).await.unwrap()
}

async fn next(watch: &mut LetterWatch) -> LetterChange {
    soon("the next change", watch.next()).await.unwrap()
}

/// What is told, in a line, such as `payment.charge.17: waiting`.
fn told(change: &LetterChange) -> String {
    match change {
        LetterChange::Letter(stored) => {
            assert!(stored.letter.body.is_empty());
            format!("{}: {}", stored.letter.id, stored.state)
        }
        LetterChange::Settled { id, state, actions, again, .. } => {
            let again = again.as_ref().map_or(String::new(), |again| format!(", see {again}"));
            format!("{id} is {state} by {}{again}", actions.len())
        }
        LetterChange::CaughtUp => "caught up".to_owned(),
        LetterChange::ExpiredBefore(sequence) => format!("expired before {sequence}"),
        LetterChange::Anew => "anew".to_owned(),
        other => format!("{other:?}"),
    }
}

async fn expect(watch: &mut LetterWatch, lines: &[&str]) {
    for line in lines {
        assert_eq!(told(&next(watch).await), *line);
    }
}

impl Office {
    /// Without the streams of letters.
    async fn without_letters() -> Self {
        let office = Self::open().await;
        office.jetstream.delete_stream("DEAD_LETTERS").await.unwrap();
        office
    }
}

#[tokio::test]
async fn letters_come_with_their_states_and_then_what_becomes_of_them() {
    let office = Office::open().await;
    let letters = office.letters().await;
    let mut ids = Vec::new();
    for n in 1..=4 {
        ids.push(office.put(&format!("payment.charge.{n}"), &[]).await);
    }
    letters.discard(&ids[1], &ada()).await.unwrap();
    letters.replay(&ids[2], &ada()).await.unwrap();
    office.put("payment.charge.r1", &[]).await;
    let mut watch = watch(&office).await;
    expect(
        &mut watch,
        &[
            "payment.charge.1: waiting",
            "payment.charge.2: discarded",
            "payment.charge.3: replayed",
            "payment.charge.4: waiting",
            "payment.charge.r1: waiting",
            "payment.charge.3 is failed_again by 1, see payment.charge.r1",
            "caught up",
        ],
    )
    .await;

    office.put("stock.take.5", &[]).await;
    expect(&mut watch, &["stock.take.5: waiting"]).await;
    letters.discard(&ids[0], &ada()).await.unwrap();
    expect(&mut watch, &["payment.charge.1 is discarded by 1"]).await;
    letters.edit(&ids[3], "{}", &ada()).await.unwrap();
    // Of changes to one letter that come fast some may be left out.
    let mut last = next(&mut watch).await;
    if told(&last) == "payment.charge.4 is unfinished by 1" {
        last = next(&mut watch).await;
    }
    assert_eq!(told(&last), "payment.charge.4 is edited by 1");
    let LetterChange::Settled { sequence, actions, .. } = &last else { panic!("{last:?}") };
    assert_eq!((*sequence, &*actions[0].who), (4, "ada"));
    let edited = actions[0].packet_id.clone().unwrap();
    // Something else lies where the letter about its replay would be.
    office.put("payment.charge.r2", &[]).await;
    expect(&mut watch, &["payment.charge.r2: waiting"]).await;
    office.put("payment.charge.r2-2", &[("Rapids-Packet-Id", &edited)]).await;
    expect(
        &mut watch,
        &[
            "payment.charge.r2-2: waiting",
            "payment.charge.4 is failed_again by 1, see payment.charge.r2-2",
        ],
    )
    .await;
    office.interrupt(&ids[0]).await;
    expect(&mut watch, &["payment.charge.1 is unfinished by 1"]).await;
}

#[tokio::test]
async fn what_is_no_letter_or_no_record_hides_no_other() {
    let office = Office::open().await;
    let letters = office.letters().await;
    let id = office.put("payment.charge.1", &[]).await;
    letters.discard(&id, &ada()).await.unwrap();
    office.jetstream.publish("dead_letters.a.b.1", "x".into()).await.unwrap().await.unwrap();
    office.put("payment.charge.2", &[]).await;
    let store = office.jetstream.get_key_value("RAPIDS_LETTERS").await.unwrap();
    store.put("payment.charge.2", "7".into()).await.unwrap();
    let mut watch = watch(&office).await;
    let error = soon("the record", watch.next()).await.unwrap_err();
    assert!(matches!(&error, Error::Record { key, .. } if key == "payment.charge.2"), "{error}");
    expect(&mut watch, &["payment.charge.1: discarded"]).await;
    let error = soon("the message", watch.next()).await.unwrap_err();
    assert!(matches!(error, Error::Stream { .. }), "{error}");
    expect(&mut watch, &["payment.charge.2: waiting", "caught up"]).await;
    store.delete("payment.charge.1").await.unwrap();
    expect(&mut watch, &["payment.charge.1 is waiting by 0"]).await;
}

#[tokio::test]
async fn letters_that_are_gone_are_told_of() {
    let office = Office::open().await;
    for n in 1..=4 {
        office.put(&format!("payment.charge.{n}"), &[]).await;
    }
    let mut watch = watch(&office).await;
    while next(&mut watch).await != LetterChange::CaughtUp {}
    let stream = office.jetstream.get_stream("DEAD_LETTERS").await.unwrap();
    stream.purge().sequence(3).await.unwrap();
    expect(&mut watch, &["expired before 3"]).await;
    let letters = office.letters().await;
    letters.discard(&"payment.charge.4".parse().unwrap(), &ada()).await.unwrap();
    expect(&mut watch, &["payment.charge.4 is discarded by 1"]).await;
}

#[tokio::test]
async fn a_last_letter_that_was_deleted_keeps_nobody_waiting() {
    let office = Office::open().await;
    for n in 1..=2 {
        office.put(&format!("payment.charge.{n}"), &[]).await;
    }
    let stream = office.jetstream.get_stream("DEAD_LETTERS").await.unwrap();
    assert!(stream.delete_message(2).await.unwrap());
    let mut watch = watch(&office).await;
    expect(&mut watch, &["payment.charge.1: waiting", "caught up"]).await;
    office.put("payment.charge.3", &[]).await;
    expect(&mut watch, &["payment.charge.3: waiting"]).await;
}

#[tokio::test]
async fn a_stream_of_letters_may_appear_and_be_made_anew() {
    let office = Office::without_letters().await;
    let mut watch = watch(&office).await;
    expect(&mut watch, &["caught up"]).await;
    office.create_letters().await;
    let id = office.put("payment.charge.17", &[]).await;
    expect(&mut watch, &["payment.charge.17: waiting"]).await;
    office.letters().await.discard(&id, &ada()).await.unwrap();
    expect(&mut watch, &["payment.charge.17 is discarded by 1"]).await;

    office.jetstream.delete_stream("DEAD_LETTERS").await.unwrap();
    office.create_letters().await;
    office.put("payment.charge.17", &[]).await;
    expect(&mut watch, &["anew", "payment.charge.17: waiting", "caught up"]).await;
    office.jetstream.delete_stream("DEAD_LETTERS").await.unwrap();
    expect(&mut watch, &["anew", "caught up"]).await;
}

#[tokio::test]
async fn states_that_are_lost_are_waiting_ones() {
    let office = Office::open().await;
    let id = office.put("payment.charge.17", &[]).await;
    office.letters().await.discard(&id, &ada()).await.unwrap();
    let mut watch = watch(&office).await;
    expect(&mut watch, &["payment.charge.17: discarded", "caught up"]).await;
    office.jetstream.delete_stream("KV_RAPIDS_LETTERS").await.unwrap();
    expect(&mut watch, &["payment.charge.17 is waiting by 0"]).await;
    office.letters().await.discard(&id, &ada()).await.unwrap();
    expect(&mut watch, &["payment.charge.17 is discarded by 1"]).await;
}

#[tokio::test]
async fn it_goes_on_behind_an_outage() {
    let mut office = Office::open().await;
    let id = office.put("payment.charge.1", &[]).await;
    let first = office.put("payment.charge.2", &[]).await;
    office.letters().await.discard(&first, &ada()).await.unwrap();
    let mut watch = watch(&office).await;
    let all = ["payment.charge.1: waiting", "payment.charge.2: discarded", "caught up"];
    expect(&mut watch, &all).await;
    office.bench.server.kill();
    let waiting = tokio::time::timeout(Duration::from_millis(200), watch.next()).await;
    assert!(waiting.is_err(), "{waiting:?}");
    office.bench.server.restart().unwrap();
    until("the server is back", async || office.jetstream.get_stream("DEAD_LETTERS").await.is_ok())
        .await;
    office.put("payment.charge.3", &[]).await;
    expect(&mut watch, &["payment.charge.3: waiting"]).await;
    office.letters().await.discard(&id, &ada()).await.unwrap();
    expect(&mut watch, &["payment.charge.1 is discarded by 1"]).await;
}
