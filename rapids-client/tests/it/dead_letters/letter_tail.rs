//! Following letters as they are written.

use rapids_client::LetterTail;
use tokio::time::timeout;

use super::{DeadLetters, Duration, Error, Filter, Office, State, ada, soon};

async fn follow(office: &Office, filter: Filter) -> LetterTail {
    DeadLetters::follow(&office.bench.config(), &filter).await.unwrap()
}

async fn next(tail: &mut LetterTail) -> String {
    let next = soon("the next letter", tail.next()).await;
    next.unwrap().expect("no limit is reached").letter.id.to_string()
}

#[tokio::test]
async fn a_letter_comes_once_and_with_what_has_become_of_it() {
    let office = Office::open().await;
    let letters = office.letters().await;
    let id = office.put("payment.charge.17", &[]).await;
    letters.replay(&id, &ada()).await.unwrap();
    let since = letters.get(&id).await.unwrap().unwrap().written;
    let mut all = follow(&office, Filter::new().since(since).limit(2)).await;
    let mut new = follow(&office, Filter::new()).await;
    let again = office.put("payment.charge.r1", &[]).await;

    let first = soon("the first letter", all.next()).await.unwrap().unwrap();
    assert_eq!((first.state, first.again.as_ref()), (State::FailedAgain, Some(&again)));
    assert_eq!(first.actions.len(), 1);
    letters.discard(&id, &ada()).await.unwrap_err();
    letters.discard(&again, &ada()).await.unwrap();
    for tail in [&mut all, &mut new] {
        let second = soon("the second letter", tail.next()).await.unwrap().unwrap();
        assert_eq!((second.letter.id, second.state), (again.clone(), State::Discarded));
    }
    assert_eq!(all.next().await.unwrap(), None);
}

#[tokio::test]
async fn who_gives_up_waiting_loses_no_letter() {
    let office = Office::open().await;
    let mut tail = follow(&office, Filter::new()).await;
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.push(office.put(&format!("payment.charge.{n}"), &[]).await.to_string());
    }
    let mut found = Vec::new();
    let mut patience = Duration::ZERO;
    soon("all letters", async {
        while found.len() < ids.len() {
            patience += Duration::from_micros(50);
            if let Ok(next) = timeout(patience, tail.next()).await {
                found.push(next.unwrap().unwrap().letter.id.to_string());
            }
        }
    })
    .await;
    assert_eq!(found, ids);
}

#[tokio::test]
async fn a_stream_of_letters_that_is_made_anew_is_followed_from_its_beginning() {
    let office = Office::open().await;
    let mut tail = follow(&office, Filter::new().service("payment")).await;
    for id in ["payment.charge.17", "stock.take.18"] {
        office.put(id, &[]).await;
    }
    assert_eq!(next(&mut tail).await, "payment.charge.17");
    office.jetstream.delete_stream("DEAD_LETTERS").await.unwrap();
    office.create_letters().await;
    for id in ["stock.take.1", "payment.charge.1"] {
        office.put(id, &[]).await;
    }
    assert_eq!(next(&mut tail).await, "payment.charge.1");
}

#[tokio::test]
async fn a_service_that_can_be_none_is_not_followed() {
    let office = Office::open().await;
    let filter = Filter::new().service("a.b");
    let error = DeadLetters::follow(&office.bench.config(), &filter).await.unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
}
