//! Dead letters as an operator finds them, and what becomes of each.

mod comments;
mod jobs;
mod letter_tail;
mod letter_watch;
mod redirects;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy};
use async_nats::{ConnectOptions, HeaderMap};
use rapids_client::{
    ActionKind, Config, DeadLetters, Error, Filter, Kind, LetterId, Note, Packet, Rapids, Refusal,
    River, Start, State, StoredLetter, reject,
};
use rapids_test::NatsServer;
use tokio::sync::mpsc;

use crate::harness::{Bench, soon};

const BODY: &str = r#"{ "event":"order_placed", "total":9007199254740993, "price":1.10, "n":{"b":1.50,"a":[1e2]} }"#;

/// The streams of letters and replays, with letters written in the format of the services.
struct Office {
    bench: Bench,
    jetstream: Context,
}

impl Office {
    async fn open() -> Self {
        let bench = Bench::start().await;
        let client = async_nats::connect(bench.server.url()).await.unwrap();
        Self::over(bench, client).await
    }

    async fn over(bench: Bench, client: async_nats::Client) -> Self {
        let office = Self { bench, jetstream: async_nats::jetstream::new(client) };
        office.create_letters().await;
        office.create_replays().await;
        office
    }

    async fn create_letters(&self) {
        let letters = StreamConfig {
            name: "DEAD_LETTERS".to_owned(),
            subjects: vec!["dead_letters.*.*.*".to_owned()],
            discard: DiscardPolicy::New,
            allow_direct: true,
            ..StreamConfig::default()
        };
        self.jetstream.create_stream(letters).await.unwrap();
    }

    async fn create_replays(&self) {
        let replays = StreamConfig {
            name: "REPLAYS".to_owned(),
            subjects: vec!["replays.*".to_owned()],
            discard: DiscardPolicy::New,
            allow_direct: true,
            duplicate_window: Duration::from_secs(86_400),
            ..StreamConfig::default()
        };
        self.jetstream.create_stream(replays).await.unwrap();
    }

    async fn letters(&self) -> DeadLetters {
        DeadLetters::open(&self.bench.config()).await.unwrap().unwrap()
    }

    async fn put(&self, id: &str, changes: &[(&str, &str)]) -> LetterId {
        let id: LetterId = id.parse().unwrap();
        let mut headers = HeaderMap::new();
        let usual = [
            ("Rapids-Kind", "exhausted"),
            ("Rapids-Reason", r"no answer\nfrom the bank"),
            ("Rapids-Attempts", "5"),
            ("Rapids-Instance", "Xa81"),
            ("Rapids-Sequence", "17"),
            ("Rapids-Stored", "2026-11-21T09:30:00.123456Z"),
            ("Rapids-First-Failure", "2026-11-21T09:30:01Z"),
            ("Rapids-Last-Failure", "2026-11-21T09:31:00Z"),
            ("Rapids-Packet-Id", "p-17"),
            ("Rapids-Name", "order_placed"),
            ("Rapids-Correlation-Id", "c-1"),
        ];
        for (name, value) in usual.iter().chain(changes) {
            headers.insert(*name, *value);
        }
        for cause in ["connection refused", r"os error 111 \\o/"] {
            headers.append("Rapids-Cause", cause);
        }
        let subject = format!("dead_letters.{id}");
        let sent = self.jetstream.publish_with_headers(subject, headers, BODY.into());
        sent.await.unwrap().await.unwrap();
        id
    }

    /// How many messages a stream holds.
    async fn count(&self, stream: &str) -> u64 {
        self.jetstream.get_stream(stream).await.unwrap().cached_info().state.messages
    }

    async fn replay(&self, sequence: u64) -> StreamMessage {
        let stream = self.jetstream.get_stream("REPLAYS").await.unwrap();
        stream.direct_get(sequence).await.unwrap()
    }

    /// Makes it look as if the operator's process had died after sending, some days ago.
    async fn interrupt(&self, id: &LetterId) {
        let store = self.jetstream.get_key_value("RAPIDS_LETTERS").await.unwrap();
        let value = store.get(id.to_string()).await.unwrap().unwrap();
        let mut record: serde_json::Value = serde_json::from_slice(&value).unwrap();
        record["state"] = "unfinished".into();
        record["action"]["at"] = "2026-11-01T00:00:00Z".into();
        record["action"].as_object_mut().unwrap().remove("replay");
        store.put(id.to_string(), record.to_string().into()).await.unwrap();
    }
}

fn ada() -> Note {
    Note::new("ada").why("the bank is back")
}

fn header<'a>(message: &'a StreamMessage, name: &str) -> &'a str {
    message.headers.get(name).map_or("", |value| value.as_str())
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Letter { refusal, .. } => refusal,
        other => panic!("{other}"),
    }
}

async fn state(letters: &DeadLetters, id: &LetterId) -> State {
    letters.get(id).await.unwrap().unwrap().state
}

async fn listed(letters: &DeadLetters, filter: Filter) -> Vec<String> {
    let mut listing = letters.list(&filter).await.unwrap();
    let mut ids = Vec::new();
    while let Some(stored) = soon("the next letter", listing.next()).await.unwrap() {
        assert!(stored.letter.body.is_empty());
        assert_eq!(stored.size, BODY.len());
        ids.push(stored.letter.id.to_string());
    }
    ids
}

#[tokio::test]
async fn a_letter_tells_everything_and_keeps_the_packets_bytes() {
    let office = Office::open().await;
    let id = office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    let StoredLetter { letter, state, actions, again, sequence, .. } =
        letters.get(&id).await.unwrap().unwrap();
    assert_eq!((state, actions.len(), again, sequence), (State::Waiting, 0, None, 1));
    assert_eq!((letter.kind, letter.attempts), (Kind::Exhausted, 5));
    assert_eq!(letter.reason, "no answer\nfrom the bank");
    assert_eq!(letter.causes, ["connection refused", r"os error 111 \o/"]);
    assert_eq!(letter.body, BODY);
    let stored = letters.get(&id).await.unwrap().unwrap();
    assert_eq!(stored.packet().unwrap().id(), "p-17");
    assert!(letters.get(&"payment.charge.18".parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn letters_are_listed_by_what_they_are() {
    let office = Office::open().await;
    office.put("payment.charge.1", &[]).await;
    office.put("payment.refund.2", &[("Rapids-Kind", "invalid")]).await;
    office.put("order.charge.3", &[("Rapids-Name", "order_wanted, order_paid")]).await;
    let letters = office.letters().await;
    let all = ["payment.charge.1", "payment.refund.2", "order.charge.3"];
    assert_eq!(listed(&letters, Filter::new()).await, all);
    assert_eq!(listed(&letters, Filter::new().service("payment")).await, all[..2]);
    assert_eq!(listed(&letters, Filter::new().river("charge")).await, [all[0], all[2]]);
    assert_eq!(listed(&letters, Filter::new().kind(Kind::Invalid)).await, [all[1]]);
    assert_eq!(listed(&letters, Filter::new().name("order_paid")).await, [all[2]]);
    assert_eq!(listed(&letters, Filter::new().limit(2)).await, all[..2]);
    assert_eq!(listed(&letters, Filter::new().containing("FROM the Bank")).await, all);
    assert_eq!(listed(&letters, Filter::new().containing("order_paid")).await, [all[2]]);
    assert_eq!(listed(&letters, Filter::new().containing(all[1])).await, [all[1]]);
    let second = letters.get(&all[1].parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(listed(&letters, Filter::new().since(second.written)).await, all[1..]);
    letters.discard(&all[0].parse().unwrap(), &ada()).await.unwrap();
    assert_eq!(listed(&letters, Filter::new().state(State::Waiting)).await, all[1..]);
    assert_eq!(listed(&letters, Filter::new().state(State::Discarded)).await, all[..1]);
    let error = letters.list(&Filter::new().service("a.b")).await.unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
}

#[tokio::test]
async fn a_message_that_is_no_letter_hides_no_other() {
    let office = Office::open().await;
    office.jetstream.publish("dead_letters.a.b.1", "x".into()).await.unwrap().await.unwrap();
    office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    let mut listing = letters.list(&Filter::new()).await.unwrap();
    let error = listing.next().await.unwrap_err().to_string();
    assert!(error.contains("header `Rapids-Kind` is missing"), "{error}");
    assert!(error.contains("`nats stream rmm DEAD_LETTERS 1`"), "{error}");
    let next = listing.next().await.unwrap().unwrap();
    assert_eq!(next.letter.id.to_string(), "payment.charge.17");
}

#[tokio::test]
async fn a_replay_is_addressed_to_the_river_that_failed() {
    let office = Office::open().await;
    let id = office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    let action = letters.replay(&id, &ada()).await.unwrap();
    assert_eq!((action.kind, action.replay), (ActionKind::Replay, Some(1)));
    let replay = office.replay(1).await;
    assert_eq!(replay.subject.as_str(), "replays.payment");
    assert_eq!(replay.payload, BODY);
    for (name, value) in [
        ("Nats-Msg-Id", "replay:payment.charge.17:1"),
        ("Rapids-River", "charge"),
        ("Rapids-Packet-Id", "p-17"),
        ("Rapids-Sequence", "17"),
        ("Rapids-Stored", "2026-11-21T09:30:00.123456Z"),
        ("Rapids-Letter", "payment.charge.17"),
        ("Rapids-First", "payment.charge.17"),
    ] {
        assert_eq!(header(&replay, name), value, "{name}");
    }
    let stored = letters.get(&id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.actions), (State::Replayed, vec![action]));
    assert_eq!(office.count("RAPIDS").await, 0);
}

#[tokio::test]
async fn only_the_river_that_failed_sees_a_replay_and_under_the_old_id() {
    let bench = Bench::start().await;
    let (seen, mut ids) = mpsc::unbounded_channel();
    let tell = |name: &'static str| {
        let seen = seen.clone();
        move |packet: Packet| {
            seen.send((name, packet.id().to_owned())).unwrap();
            async { anyhow::Ok(()) }
        }
    };
    let is_repaired = Arc::new(AtomicBool::new(false));
    let (repaired, told) = (Arc::clone(&is_repaired), tell("charge"));
    let charge = River::new("charge").event("placed").react(move |packet: Packet| {
        let outcome = if repaired.load(Ordering::Relaxed) { Ok(()) } else { Err(reject("broken")) };
        let telling = told(packet);
        async move { telling.await.and(outcome) }
    });
    let sibling = River::new("note").event("placed").react(tell("note"));
    let namesake = River::new("charge").event("placed").react(tell("other"));
    let payment = bench.run(bench.service("payment", [charge, sibling])).await;
    let other = bench.run(bench.service("other", [namesake])).await;
    let published = bench.rapids.publish(Packet::event("placed")).await.unwrap();
    bench.quiet(&["payment", "other"]).await;
    let mut first: Vec<_> = std::iter::from_fn(|| ids.try_recv().ok()).collect();
    first.sort_unstable();
    let id = published.id.as_str();
    let first: Vec<_> = first.iter().map(|(name, id)| (*name, id.as_str())).collect();
    assert_eq!(first, [("charge", id), ("note", id), ("other", id)]);

    let letters = DeadLetters::open(&bench.config()).await.unwrap().unwrap();
    let letter: LetterId = format!("payment.charge.{}", published.sequence).parse().unwrap();
    let stored = letters.get(&letter).await.unwrap().unwrap();
    assert_eq!((stored.letter.kind, stored.letter.reason.as_str()), (Kind::Rejected, "broken"));
    is_repaired.store(true, Ordering::Relaxed);
    letters.replay(&letter, &ada()).await.unwrap();
    let again = soon("the replay", ids.recv()).await.unwrap();
    assert_eq!((again.0, again.1.as_str()), ("charge", id));
    // Whatever else the replay might reach would be done with it by now.
    payment.stop().await;
    other.stop().await;
    assert!(ids.try_recv().is_err());
    assert_eq!(state(&letters, &letter).await, State::Replayed);
}

#[tokio::test]
async fn of_two_operators_one_acts_and_the_other_hears_of_it() {
    let office = Office::open().await;
    let (one, two) = (office.letters().await, office.letters().await);
    for sequence in 1..=20 {
        let id = office.put(&format!("payment.charge.{sequence}"), &[]).await;
        let (ada, bob) = (ada(), Note::new("bob"));
        let (replayed, discarded) = tokio::join!(one.replay(&id, &ada), two.discard(&id, &bob));
        let (winner, loser) = match (replayed, discarded) {
            (Ok(action), Err(error)) | (Err(error), Ok(action)) => (action, error),
            both => panic!("{both:?}"),
        };
        let Refusal::Taken { action, .. } = refusal(loser) else { panic!("not taken") };
        assert_eq!((&action.who, action.kind), (&winner.who, winner.kind));
        let stored = one.get(&id).await.unwrap().unwrap();
        assert_eq!(stored.actions, [winner]);
    }
}

#[tokio::test]
async fn what_was_decided_is_not_decided_again() {
    let office = Office::open().await;
    let letters = office.letters().await;
    let id = office.put("payment.charge.1", &[]).await;
    letters.discard(&id, &Note::new("ada").why("a test order")).await.unwrap();
    for error in [
        letters.replay(&id, &ada()).await.unwrap_err(),
        letters.replay_to_all(&id, &ada()).await.unwrap_err(),
        letters.edit(&id, "{}", &ada()).await.unwrap_err(),
        letters.discard(&id, &ada()).await.unwrap_err(),
    ] {
        let text = error.to_string();
        let begin = "dead letter `payment.charge.1` was discarded by `ada` at ";
        assert!(text.starts_with(begin) && text.ends_with(" already (a test order)"), "{text}");
    }
    assert_eq!(refusal(letters.resume(&id, &ada()).await.unwrap_err()), Refusal::NothingToResume);
    let nobody: LetterId = "payment.charge.9".parse().unwrap();
    assert_eq!(refusal(letters.replay(&nobody, &ada()).await.unwrap_err()), Refusal::Unknown);
    assert_eq!(office.count("REPLAYS").await, 0);
}

#[tokio::test]
async fn an_edited_packet_is_a_new_one_that_keeps_every_other_digit() {
    let office = Office::open().await;
    let id = office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    let original = letters.get(&id).await.unwrap().unwrap().packet().unwrap();
    let changed = original.clone().with("@.n.b", 2);
    let action = letters.edit(&id, changed.body(), &ada()).await.unwrap();
    let replay = office.replay(1).await;
    let text = std::str::from_utf8(&replay.payload).unwrap();
    let facts = r#"{"event":"order_placed","total":9007199254740993,"price":1.10,"n":{"b":2,"a":[1e2]},"rapids":{"#;
    assert!(text.starts_with(facts), "{text}");
    let edited = Packet::from_bytes(replay.payload.clone()).unwrap();
    assert_eq!(Some(edited.id()), action.packet_id.as_deref());
    assert_ne!(edited.id(), "p-17");
    assert_eq!(edited.causation_id(), Some("p-17"));
    assert_eq!(edited.correlation_id(), original.correlation_id());
    assert_eq!(edited.get::<bool>("@.rapids.edited").unwrap(), Some(true));
    assert_eq!(header(&replay, "Rapids-Packet-Id"), edited.id());
    assert_eq!(header(&replay, "Rapids-Edited"), "true");
    assert_eq!(state(&letters, &id).await, State::Edited);
}

#[tokio::test]
async fn an_edit_that_is_no_packet_or_too_large_leaves_the_letter_waiting() {
    let office = Office::open().await;
    let id = office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    let error = letters.edit(&id, "[1]", &ada()).await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    let large = Packet::event("x").with("pad", "x".repeat(1_000_000));
    let error = letters.edit(&id, large.body(), &ada()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert_eq!(state(&letters, &id).await, State::Waiting);
    letters.edit(&id, r#"{"event":"y"}"#, &ada()).await.unwrap();
}

#[tokio::test]
async fn a_replay_to_all_is_a_new_packet_on_the_rapids() {
    let office = Office::open().await;
    let id = office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    let action = letters.replay_to_all(&id, &ada()).await.unwrap();
    assert_eq!((action.sequence, action.replay), (Some(1), None));
    let mut tail = office.bench.rapids.tail(Start::Beginning).await.unwrap();
    let packet = soon("the packet", tail.next()).await.unwrap();
    assert_eq!(packet.get::<u64>("total").unwrap(), Some(9_007_199_254_740_993));
    assert_eq!(Some(packet.id()), action.packet_id.as_deref());
    assert_eq!(packet.causation_id(), Some("p-17"));
    assert_eq!(packet.get::<bool>("@.rapids.edited").unwrap(), None);
    assert_eq!(state(&letters, &id).await, State::Replayed);
    assert_eq!(office.count("REPLAYS").await, 0);
}

#[tokio::test]
async fn a_replay_that_fails_again_is_linked_both_ways() {
    let office = Office::open().await;
    let letters = office.letters().await;
    let first = office.put("payment.charge.17", &[]).await;
    letters.replay(&first, &ada()).await.unwrap();
    let link = ("Rapids-First", "payment.charge.17");
    let second = office.put("payment.charge.r1", &[link]).await;
    letters.replay(&second, &ada()).await.unwrap();
    assert_eq!(header(&office.replay(2).await, "Rapids-First"), "payment.charge.17");
    assert_eq!(header(&office.replay(2).await, "Rapids-Letter"), "payment.charge.r1");
    let third = office.put("payment.charge.r2", &[link]).await;

    let stored = letters.get(&first).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.again.as_ref()), (State::FailedAgain, Some(&second)));
    let text = letters.replay(&first, &ada()).await.unwrap_err().to_string();
    assert!(text.contains("and failed again as letter `r1` (the bank is back)"), "{text}");
    assert_eq!(listed(&letters, Filter::new().state(State::FailedAgain)).await.len(), 2);
    assert_eq!(listed(&letters, Filter::new().state(State::Waiting)).await, ["payment.charge.r2"]);
    for id in [&first, &second, &third] {
        let history = letters.history(id).await.unwrap();
        let ids: Vec<_> = history.iter().map(|stored| &stored.letter.id).collect();
        assert_eq!(ids, [&first, &second, &third]);
    }
}

#[tokio::test]
async fn a_replay_interrupted_before_it_was_sent_is_sent_by_resuming() {
    let office = Office::open().await;
    let letters = office.letters().await;
    let id = office.put("payment.charge.17", &[]).await;
    office.jetstream.delete_stream("REPLAYS").await.unwrap();
    // The operator's process ends while it waits for an answer.
    let replaying = async {
        letters.edit(&id, r#"{"event":"x","n":1.10}"#, &ada()).await.unwrap();
    };
    let begun = async { while state(&letters, &id).await != State::Unfinished {} };
    tokio::select! {
        () = replaying => panic!("sent without a stream"),
        () = soon("the action is begun", begun) => {}
    }
    let text = letters.discard(&id, &Note::new("bob")).await.unwrap_err().to_string();
    assert!(text.contains("is being worked on: edit was begun by `ada` at "), "{text}");

    office.create_replays().await;
    let action = letters.resume(&id, &Note::new("bob")).await.unwrap();
    assert_eq!((action.kind, action.who.as_str()), (ActionKind::Edit, "ada"));
    let replay = office.replay(1).await;
    assert!(replay.payload.starts_with(br#"{"event":"x","n":1.10,"rapids":{"#));
    let stored = letters.get(&id).await.unwrap().unwrap();
    assert_eq!(stored.state, State::Edited);
    let who: Vec<_> = stored.actions.iter().map(|action| (action.kind, &*action.who)).collect();
    assert_eq!(who, [(ActionKind::Edit, "ada"), (ActionKind::Resume, "bob")]);
}

#[tokio::test]
async fn what_was_sent_before_the_interruption_is_not_sent_again() {
    let mut office = Office::open().await;
    let letters = office.letters().await;
    let id = office.put("payment.charge.17", &[]).await;
    letters.replay(&office.put("payment.charge.16", &[]).await, &ada()).await.unwrap();
    assert_eq!(letters.replay(&id, &ada()).await.unwrap().replay, Some(2));
    office.interrupt(&id).await;
    assert_eq!(state(&letters, &id).await, State::Unfinished);

    // So long ago that the stream does not recognise it any more.
    let replays = office.jetstream.get_stream("REPLAYS").await.unwrap();
    let mut config = replays.cached_info().config.clone();
    let window = config.duplicate_window;
    config.duplicate_window = Duration::from_millis(100);
    office.jetstream.update_stream(config.clone()).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "replay:payment.charge.17:1");
    // At its start a server remembers no more than the window tells it to.
    office.bench.server.kill();
    office.bench.server.restart().unwrap();
    let forgotten = async {
        let is_forgotten = async || {
            let headers = headers.clone();
            let sent = office.jetstream.publish_with_headers("replays.x", headers, "".into());
            sent.await.ok()?.await.ok().filter(|stored| !stored.duplicate)
        };
        while is_forgotten().await.is_none() {}
    };
    soon("the stream forgets the id", forgotten).await;
    config.duplicate_window = window;
    office.jetstream.update_stream(config).await.unwrap();
    let letters = office.letters().await;
    let before = office.count("REPLAYS").await;

    let action = letters.resume(&id, &Note::new("bob")).await.unwrap();
    assert_eq!(action.replay, Some(2));
    assert_eq!(state(&letters, &id).await, State::Replayed);
    assert_eq!(office.count("REPLAYS").await, before);
}

#[tokio::test]
async fn a_replay_that_is_refused_leaves_the_letter_waiting() {
    let server = NatsServer::with_config(
        r#"authorization { users: [
            {user: admin, password: a}
            {user: guest, password: g, permissions: {publish: {deny: ["replays.>"]}}}
        ]}"#,
    )
    .unwrap();
    let url = server.url().to_owned();
    let login = |user: &str| Config::new(url.as_str()).user_and_password(user, &user[..1]);
    let rapids = Rapids::connect(&login("admin")).await.unwrap();
    let options = ConnectOptions::with_user_and_password("admin".into(), "a".into());
    let client = options.connect(server.url()).await.unwrap();
    let office = Office::over(Bench::over(server, rapids), client).await;
    let id = office.put("payment.charge.17", &[]).await;
    let guest = DeadLetters::open(&login("guest")).await.unwrap().unwrap();
    let error = guest.replay(&id, &ada()).await.unwrap_err();
    assert!(matches!(error, Error::NotPermitted { .. }), "{error}");
    assert_eq!(state(&guest, &id).await, State::Waiting);
    let admin = DeadLetters::open(&login("admin")).await.unwrap().unwrap();
    assert_eq!(admin.replay(&id, &ada()).await.unwrap().replay, Some(1));
}

#[tokio::test]
async fn a_letter_that_comes_anew_under_the_same_id_is_waiting() {
    let office = Office::open().await;
    let letters = office.letters().await;
    let id = office.put("payment.charge.17", &[]).await;
    letters.replay(&id, &ada()).await.unwrap();
    let stream = office.jetstream.get_stream("DEAD_LETTERS").await.unwrap();
    stream.purge().await.unwrap();
    office.put("payment.charge.17", &[("Rapids-Packet-Id", "another")]).await;
    assert_eq!(state(&letters, &id).await, State::Waiting);
    // The stream of replays must not take it for the first.
    assert_eq!(letters.replay(&id, &ada()).await.unwrap().replay, Some(2));
}

#[tokio::test]
async fn looking_at_dead_letters_creates_nothing() {
    let bench = Bench::start().await;
    assert!(DeadLetters::open(&bench.config()).await.unwrap().is_none());
    let office = Office::open().await;
    let letters = office.letters().await;
    let id = office.put("payment.charge.17", &[]).await;
    assert_eq!(listed(&letters, Filter::new()).await.len(), 1);
    letters.get(&id).await.unwrap();
    assert!(office.jetstream.get_key_value("RAPIDS_LETTERS").await.is_err());
}
