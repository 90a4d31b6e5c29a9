//! Publishing a packet and waiting for what comes of it.

mod trouble;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use rapids_client::{Answer, Delivery, Error, Packet, Rapids, River};
use rapids_test::NatsServer;
use tokio::sync::Semaphore;

use crate::harness::{Bench, DEADLINE, Running, called, config, echo, soon, until};

/// As long as nothing takes that is to come to its end by itself.
const LONG: Duration = DEADLINE;
/// Over before anything is looked at.
const SHORT: Duration = Duration::from_millis(400);

/// The packet that ended the wait.
pub(crate) fn came<T: std::fmt::Debug>(answer: Answer<T>) -> T {
    match answer {
        Answer::Came(packet) => packet,
        Answer::TimedOut(so_far) => panic!("the time is up, and this came: {so_far:?}"),
    }
}

pub(crate) fn so_far<T: std::fmt::Debug>(answer: Answer<T>) -> Vec<Packet> {
    match answer {
        Answer::TimedOut(so_far) => so_far,
        Answer::Came(packet) => panic!("it came: {packet:?}"),
    }
}

pub(crate) fn number(packet: &Packet) -> u64 {
    packet.get("n").unwrap().unwrap()
}

/// Asks and returns the number of the answer.
async fn ask(rapids: &Rapids, n: u64) -> u64 {
    number(&came(rapids.ask(called(n)).until_event("answered").within(LONG).await.unwrap()))
}

/// A service that says two things of each call, of which the second one ends the wait.
fn two() -> River {
    River::new("two").event("called").react(|packet: Packet| async move {
        let n = packet.get::<u64>("n")?;
        Ok(vec![Packet::event("begun").with("n", n), Packet::event("answered").with("n", n)])
    })
}

/// On a server that tells of its subscriptions. Services do not subscribe to the live feed.
pub(crate) async fn watched(lines: &str) -> Bench {
    let server = NatsServer::with_config(&format!("http: \"127.0.0.1:-1\"\n{lines}")).unwrap();
    let rapids = Rapids::connect(&config(&server.url())).await.unwrap();
    Bench::of_server(Delivery::Shared, server, rapids)
}

/// How many subscriptions to the live feed the server has.
pub(crate) async fn subscriptions(bench: &Bench) -> usize {
    let url = bench.server.monitoring_url().unwrap();
    let address = url.trim_start_matches("http://").to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        rapids_test::http(&address, "GET /subsz?subs=1&test=rapids.live").unwrap().1
    });
    let text = asked.await.unwrap();
    text.matches("\"subject\": \"rapids.live\"").count()
}

#[tokio::test]
async fn an_answer_comes_and_has_its_place_in_the_stream() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("two", [two()])).await;
    let packet = called(7);
    let id = packet.id().to_owned();
    let asked = bench.rapids.ask(packet).until_event(["answered", "refused"]);
    let answer = came(asked.within(LONG).await.unwrap());
    assert_eq!((answer.correlation_id(), answer.causation_id()), (&*id, Some(&*id)));
    assert_eq!((number(&answer), answer.shown_publisher()), (7, Some("two")));
    let stored = bench.rapids.packet(answer.arrival().unwrap().sequence).await.unwrap().unwrap();
    assert_eq!((stored.body(), stored.arrival()), (answer.body(), answer.arrival()));
    service.stop().await;
}

#[tokio::test]
async fn when_the_time_is_up_there_is_what_came_so_far() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("two", [two()])).await;
    let asked = bench.rapids.ask(called(7)).until_event("never").until("@.n > 7");
    let begun = Instant::now();
    let asking = tokio::spawn(asked.within(Duration::from_secs(3)));
    bench.tail().await.event("answered").await;
    let packets = so_far(soon("the time is up", asking).await.unwrap().unwrap());
    assert!(begun.elapsed() >= Duration::from_secs(3));
    let names: Vec<_> = packets.iter().map(|packet| packet.event_name().unwrap()).collect();
    assert_eq!(names, ["begun", "answered"]);
    service.stop().await;
}

#[tokio::test]
async fn time_counts_from_the_call_and_not_from_the_first_look() {
    let bench = Bench::start().await;
    let waiting = bench.rapids.ask(called(1)).until_event("never").within(SHORT);
    let begun = Instant::now();
    until("the time is over", async || begun.elapsed() >= SHORT).await;
    let error = waiting.await.unwrap_err();
    assert!(error.to_string().contains("within 400ms"), "{error}");
}

#[tokio::test]
async fn either_of_several_conditions_ends_the_wait() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("two", [two()])).await;
    let both = bench.rapids.ask(called(7)).until_event("answered").until("@.event == 'begun'");
    assert_eq!(came(both.within(LONG).await.unwrap()).event_name().as_deref(), Some("begun"));
    let any = bench.rapids.ask(called(8)).until("@");
    assert_eq!(came(any.within(LONG).await.unwrap()).event_name().as_deref(), Some("begun"));
    service.stop().await;
}

#[tokio::test]
async fn several_packets_are_collected_in_the_order_of_the_stream() {
    let bench = Bench::start().await;
    let (one, other) = (bench.service("one", [two()]), bench.service("other", [two()]));
    let services = [bench.run(one).await, bench.run(other).await];
    let asked = || bench.rapids.ask(called(7)).until_event("answered");
    let packets = came(asked().collect(2).within(LONG).await.unwrap());
    let sequences: Vec<_> = packets.iter().map(|it| it.arrival().unwrap().sequence).collect();
    assert!(packets.len() == 2 && sequences.is_sorted(), "{packets:?}");
    assert!(packets.iter().all(|packet| packet.event_name().as_deref() == Some("answered")));
    let three = asked().collect(3).within(Duration::from_secs(3)).await.unwrap();
    assert_eq!(so_far(three).len(), 4, "those that match are among what came");
    for service in services {
        service.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_was_there_before_the_question_was_repeated_counts() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("two", [two()])).await;
    let packet = called(7);
    bench.rapids.publish(packet.clone()).await.unwrap();
    bench.tail().await.event("answered").await;
    service.stop().await;
    bench.rapids.publish_all((0..50).map(called)).await.unwrap();
    let asked = bench.rapids.ask(packet).until_event("answered");
    assert_eq!(number(&came(asked.within(LONG).await.unwrap())), 7);
}

#[tokio::test]
async fn what_was_said_before_in_the_conversation_does_not_count() {
    let bench = Bench::start().await;
    let say = |name: &str, n: u64| {
        let body = format!(r#"{{"event":"{name}","n":{n},"rapids":{{"correlation_id":"c-1"}}}}"#);
        Packet::from_bytes(body).unwrap()
    };
    bench.rapids.publish(say("answered", 1)).await.unwrap();
    let asked = bench.rapids.ask(say("called", 2)).until_event("answered").within(LONG);
    let asking = tokio::spawn(asked);
    let mut tail = bench.tail().await;
    tail.event("called").await;
    bench.rapids.publish(say("answered", 3)).await.unwrap();
    assert_eq!(number(&came(soon("it is answered", asking).await.unwrap().unwrap())), 3);
}

#[tokio::test]
async fn a_thousand_asks_at_once_get_their_own_answers_over_one_subscription() {
    let bench = watched("").await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    let gate = Arc::new(Semaphore::new(0));
    let silent = bench.rapids.ask(called(0)).until_event("never").within(LONG);
    let silent = tokio::spawn(silent);
    let asks = (1..=1_000).map(|n| {
        let (rapids, gate) = (bench.rapids.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let _open = gate.acquire().await.unwrap();
            (n, ask(&rapids, n).await)
        })
    });
    let asks: Vec<_> = asks.collect();
    gate.add_permits(1_000);
    let answers = soon("all are answered", try_join_all(asks)).await.unwrap();
    assert!(answers.iter().all(|(asked, answered)| asked == answered));
    assert_eq!(subscriptions(&bench).await, 1);
    silent.abort();
    service.stop().await;
}

#[tokio::test]
async fn a_dropped_ask_leaves_nothing_behind_and_the_last_clone_ends_the_subscription() {
    let bench = watched("").await;
    let rapids = Rapids::connect(&config(&bench.server.url())).await.unwrap();
    let asks: Vec<_> = (0..20)
        .map(|n| tokio::spawn(rapids.ask(called(n)).until_event("never").within(LONG)))
        .collect();
    until("it listens", async || subscriptions(&bench).await == 1).await;
    for ask in &asks {
        ask.abort();
    }
    join_all(asks).await;
    drop(rapids);
    until("it listens no more", async || subscriptions(&bench).await == 0).await;
}

#[tokio::test]
async fn the_subscription_ends_some_time_after_the_last_ask_and_the_next_one_opens_another() {
    let bench = watched("").await;
    let service = bench.run(bench.service("two", [two()])).await;
    assert_eq!(ask(&bench.rapids, 1).await, 1);
    assert_eq!(subscriptions(&bench).await, 1);
    until("it listens no more", async || subscriptions(&bench).await == 0).await;
    assert_eq!(ask(&bench.rapids, 2).await, 2);
    service.stop().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_published() {
    let bench = watched("").await;
    let rapids = &bench.rapids;
    let asked = || rapids.ask(called(1));
    let error = asked().until("@.total >> 1").within(LONG).await.unwrap_err();
    let expected = "the ask is declared wrongly: expression `@.total >> 1` is wrong at column 10: ";
    assert!(error.to_string().starts_with(expected), "{error}");
    let error = asked().within(LONG).await.unwrap_err();
    assert!(error.to_string().contains("add `.until_event(...)`"), "{error}");
    let error = asked().until_event("x").collect(0).within(LONG).await.unwrap_err();
    assert!(error.to_string().contains("a number from 1 on"), "{error}");
    let error = asked().until_event(Vec::<String>::new()).within(LONG).await.unwrap_err();
    assert!(error.to_string().contains("`.until_event` names nothing"), "{error}");
    let large = Packet::event("called").with("text", "x".repeat(2_000_000));
    let error = rapids.ask(large).until("@").within(LONG).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let nan = Packet::event("called").with("n", f64::NAN);
    let error = rapids.ask(nan).until("@").within(LONG).await.unwrap_err();
    assert!(matches!(error, Error::Field { .. }), "{error}");
    assert_eq!(rapids.contents().await.unwrap().unwrap().last_sequence, 0);
    assert_eq!(subscriptions(&bench).await, 0);
}

/// Runs a service that answers each call.
pub(crate) async fn answering(bench: &Bench) -> Running {
    bench.run(bench.service("echo", [echo()])).await
}
