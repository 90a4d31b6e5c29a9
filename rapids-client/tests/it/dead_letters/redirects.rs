//! Letters of a river that was renamed or retired go to its successor, for as long as the rule stands.

use rapids_client::{Action, LetterChange, NewJob, RiverName};

use super::*;

fn river(name: &str) -> RiverName {
    name.parse().unwrap()
}

/// A service that fails on every packet until it is told not to.
async fn billing(bench: &Bench) -> (crate::harness::Running, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let is_well = is_mended.clone();
    let collect = River::new("collect").event("order_placed").react(move |_: Packet| {
        let is_well = is_well.load(Ordering::SeqCst);
        async move {
            match is_well {
                true => Ok(Packet::event("collected")),
                false => Err(reject("billing is broken, too")),
            }
        }
    });
    (bench.run(bench.service("billing", [collect])).await, is_mended)
}

async fn is_done(letters: &DeadLetters, id: &LetterId, action: &Action) {
    crate::harness::until("the outcome", async || letters.is_done(id, action).await.unwrap()).await;
}

#[tokio::test]
async fn a_letter_goes_to_the_successor_and_what_comes_of_it_is_known() {
    let office = Office::open().await;
    let (service, is_mended) = billing(&office.bench).await;
    let (id, later) = (office.put("payment.charge.17", &[]).await, "payment.charge.18");
    let later = office.put(later, &[("Rapids-Packet-Id", "p-18")]).await;
    let letters = office.letters().await;
    let (charge, collect) = (river("payment/charge"), river("billing/collect"));
    letters.redirect(&charge, &collect, &ada()).await.unwrap();
    let plan = letters.jobs().plan(&NewJob::replay(Filter::new())).await.unwrap();
    assert_eq!(plan.rivers, [(charge.clone(), 2)].into());
    assert_eq!(plan.redirected, [(charge.clone(), collect.clone())].into());
    let discarding = letters.jobs().plan(&NewJob::discard(Filter::new())).await.unwrap();
    assert!(discarding.redirected.is_empty(), "nothing is sent");

    let action = letters.replay(&id, &ada()).await.unwrap();
    assert_eq!(action.to.as_ref(), Some(&collect));
    is_done(&letters, &id, &action).await;
    let again: LetterId = "billing.collect.r1".parse().unwrap();
    let failed = letters.get(&id).await.unwrap().unwrap();
    assert_eq!((failed.state, failed.again.as_ref()), (State::FailedAgain, Some(&again)));
    // The letter that tells of it is of another service than the one that is listed.
    for filter in [Filter::new(), Filter::new().service("payment")] {
        let failed = listed(&letters, filter.state(State::FailedAgain)).await;
        assert_eq!(failed, [id.to_string()]);
    }
    let history = letters.history(&again).await.unwrap();
    let history: Vec<_> = history.iter().map(|stored| stored.letter.id.clone()).collect();
    assert_eq!(history, [id.clone(), again.clone()]);
    assert_eq!(watched(&office, &id).await, (State::FailedAgain, Some(again.clone())));

    is_mended.store(true, Ordering::SeqCst);
    let (body, note) = (r#"{"event":"order_placed","total":1}"#, ada());
    let edited = letters.edit(&later, body, &note).await.unwrap();
    assert_eq!(edited.to.as_ref(), Some(&collect));
    office.bench.tail().await.event("collected").await;
    is_done(&letters, &later, &edited).await;
    assert_eq!(state(&letters, &later).await, State::Edited);
    service.stop().await;
}

/// What a watch tells of a letter.
async fn watched(office: &Office, id: &LetterId) -> (State, Option<LetterId>) {
    let mut watch = DeadLetters::watch(&office.bench.config()).await.unwrap();
    let mut found = None;
    loop {
        match soon("a change", watch.next()).await.unwrap() {
            LetterChange::Letter(stored) if stored.letter.id == *id => {
                found = Some((stored.state, stored.again));
            }
            LetterChange::Settled { id: of, state, again, .. } if of == *id => {
                found = Some((state, again));
            }
            LetterChange::CaughtUp => return found.unwrap(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_redirect_is_shown_replaced_and_withdrawn() {
    let office = Office::open().await;
    let (service, _) = billing(&office.bench).await;
    let letters = office.letters().await;
    let (charge, collect) = (river("payment/charge"), river("billing/collect"));
    let (old, other) = (river("pay/charge"), river("billing/other"));
    letters.redirect(&charge, &other, &ada()).await.unwrap();
    letters.redirect(&charge, &collect, &Note::new("bob")).await.unwrap();
    letters.redirect(&other, &collect, &ada()).await.unwrap();
    let rules = letters.redirects().await.unwrap();
    let told: Vec<_> = rules.iter().map(|it| (&it.from, &it.to, it.who.as_str())).collect();
    assert_eq!(told, [(&other, &collect, "ada"), (&charge, &collect, "bob")]);
    // One that is redirected in turn is followed.
    letters.redirect(&old, &other, &ada()).await.unwrap();
    assert_eq!(letters.successor(&old).await.unwrap(), Some(collect.clone()));

    let circle = letters.redirect(&collect, &old, &ada()).await.unwrap_err().to_string();
    assert!(circle.contains("come back to `billing/collect`"), "{circle}");
    let itself = letters.redirect(&collect, &collect, &ada()).await.unwrap_err().to_string();
    assert!(itself.contains("come back to `billing/collect`"), "{itself}");
    let unknown = letters.redirect(&charge, &river("nobody/charge"), &ada()).await;
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.contains("`nobody/charge`") && unknown.contains("has run here"), "{unknown}");

    assert!(letters.withdraw_redirect(&charge, &ada()).await.unwrap());
    assert!(!letters.withdraw_redirect(&charge, &ada()).await.unwrap());
    assert_eq!(letters.successor(&charge).await.unwrap(), None);
    let id = office.put("payment.charge.17", &[]).await;
    let action = letters.replay(&id, &ada()).await.unwrap();
    assert_eq!(action.to, None);
    assert_eq!(&*office.replay(action.replay.unwrap()).await.subject, "replays.payment");
    service.stop().await;
}

#[tokio::test]
async fn an_interrupted_action_is_finished_where_it_was_begun() {
    let office = Office::open().await;
    let (service, is_mended) = billing(&office.bench).await;
    is_mended.store(true, Ordering::SeqCst);
    let id = office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    let (charge, collect) = (river("payment/charge"), river("billing/collect"));
    letters.redirect(&charge, &collect, &ada()).await.unwrap();
    let sent = letters.replay(&id, &ada()).await.unwrap();
    office.interrupt(&id).await;
    letters.withdraw_redirect(&charge, &ada()).await.unwrap();
    let action = letters.resume(&id, &ada()).await.unwrap();
    assert_eq!((action.to, action.replay), (Some(collect), sent.replay));
    assert_eq!(office.count("REPLAYS").await, 1);
    service.stop().await;
}
