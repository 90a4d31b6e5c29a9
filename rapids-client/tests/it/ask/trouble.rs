//! Asks while the live feed, the server or the permissions fail.

use std::time::Duration;

use async_nats::jetstream::stream::Config as StreamConfig;
use rapids_client::{Answer, Packet, Rapids};
use rapids_test::NatsServer;

use super::{LONG, answering, ask, came, number, subscriptions, watched};
use crate::forged::forge;
use crate::harness::{Bench, called, config, soon, until};

async fn last(bench: &Bench) -> u64 {
    bench.rapids.contents().await.unwrap().unwrap().last_sequence
}

/// Begins to ask; returns once the packet is stored.
async fn asking(
    bench: &Bench,
    packet: Packet,
    time: Duration,
) -> tokio::task::JoinHandle<rapids_client::Result<Answer>> {
    let before = last(bench).await;
    let asking = bench.rapids.ask(packet).until_event("answered").within(time);
    let asking = tokio::spawn(asking);
    until("it is stored", async || last(bench).await > before).await;
    asking
}

/// An answer to a packet that a service did not give.
fn answer_to(packet: &Packet, n: u64) -> Packet {
    let conversation = packet.correlation_id();
    let body =
        format!(r#"{{"event":"answered","n":{n},"rapids":{{"correlation_id":"{conversation}"}}}}"#);
    Packet::from_bytes(body).unwrap()
}

#[tokio::test]
async fn a_forged_copy_answers_nobody() {
    let bench = Bench::start().await;
    let packet = called(1);
    let asking = asking(&bench, packet.clone(), LONG).await;
    // Of the next sequence, and of one that lies far ahead.
    forge(&bench, last(&bench).await + 1, [answer_to(&packet, 13)]).await;
    forge(&bench, last(&bench).await + 1_000, [answer_to(&packet, 14)]).await;
    bench.rapids.publish(called(2)).await.unwrap();
    bench.rapids.publish(answer_to(&packet, 3)).await.unwrap();
    assert_eq!(number(&came(soon("it is answered", asking).await.unwrap().unwrap())), 3);
}

#[tokio::test]
async fn a_real_answer_counts_though_a_forged_copy_of_it_came_first() {
    let bench = Bench::start().await;
    let packet = called(1);
    let asking = asking(&bench, packet.clone(), LONG).await;
    let harmless = Packet::event("harmless");
    forge(&bench, last(&bench).await + 1, [harmless.clone()]).await;
    bench.rapids.publish(answer_to(&packet, 3)).await.unwrap();
    assert_eq!(number(&came(soon("it is answered", asking).await.unwrap().unwrap())), 3);
}

#[tokio::test]
async fn a_gap_in_the_feed_is_read_from_the_stream() {
    let bench = Bench::start().await;
    let service = answering(&bench).await;
    assert_eq!(ask(&bench.rapids, 1).await, 1);
    for n in 2..6 {
        // The copies that follow lie before this one, so the feed seems to have a gap.
        forge(&bench, last(&bench).await + 20, [Packet::event("ahead")]).await;
        assert_eq!(ask(&bench.rapids, n).await, n);
    }
    service.stop().await;
}

#[tokio::test]
async fn copies_that_do_not_come_are_missed_and_read_from_the_stream() {
    let bench = Bench::start().await;
    let packet = called(1);
    let asking = asking(&bench, packet.clone(), LONG).await;
    let jetstream = bench.jetstream().await;
    let found = jetstream.get_stream("RAPIDS").await.unwrap().cached_info().config.clone();
    jetstream.update_stream(StreamConfig { republish: None, ..found }).await.unwrap();
    bench.rapids.publish(answer_to(&packet, 3)).await.unwrap();
    assert_eq!(number(&came(soon("it is answered", asking).await.unwrap().unwrap())), 3);
}

#[tokio::test]
async fn a_stream_that_sends_no_copies_is_read_itself() {
    let server = NatsServer::start().unwrap();
    let jetstream = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let rapids = Rapids::connect(&config(&server.url())).await.unwrap();
    let found = jetstream.get_stream("RAPIDS").await.unwrap().cached_info().config.clone();
    jetstream.update_stream(StreamConfig { republish: None, ..found }).await.unwrap();
    drop(rapids);
    let rapids = Rapids::open(&config(&server.url())).await.unwrap().unwrap();
    let bench = Bench::over(server, rapids);
    let service = answering(&bench).await;
    for n in 1..4 {
        assert_eq!(ask(&bench.rapids, n).await, n);
    }
    service.stop().await;
}

#[tokio::test]
async fn who_may_not_subscribe_to_the_feed_gets_answers_from_the_stream() {
    let permissions = "{ publish: \">\", subscribe: { deny: \"rapids.live\" } }";
    let users = format!(
        "authorization {{ users: [{{user: admin, password: pw}}, {{user: web, password: pw, \
         permissions: {permissions}}}] }}\nno_auth_user: admin"
    );
    let bench = watched(&users).await;
    let service = answering(&bench).await;
    let web = config(&bench.server.url()).user_and_password("web", "pw");
    let web = Rapids::connect(&web).await.unwrap();
    for n in 1..4 {
        assert_eq!(ask(&web, n).await, n);
    }
    assert_eq!(subscriptions(&bench).await, 0);
    service.stop().await;
}

/// The account of a program that asks, as docs/security.md lists its imports.
fn account_of_an_asker(has_live: bool) -> String {
    let document = include_str!("../../../../docs/security.md");
    let (_, behind) = document.split_once("## Programs that ask").unwrap();
    let (_, behind) = behind.split_once("```conf\n").unwrap();
    let imports = behind.split_once("```").unwrap().0;
    let imports = imports.lines().filter(|line| has_live || !line.contains("rapids.live"));
    let imports: Vec<_> = imports.collect();
    format!(
        "accounts {{
           RAPIDS {{ jetstream: enabled, users: [{{user: admin, password: pw}}]
             exports: [{{service: \">\", response_type: stream}}, {{stream: \"rapids.live\"}}] }}
           WEB {{ users: [{{user: web, password: pw}}], imports: [{}] }}
         }}
         no_auth_user: admin",
        imports.join("\n")
    )
}

#[tokio::test]
async fn an_account_with_the_documented_imports_gets_answers() {
    for has_live in [true, false] {
        let bench = watched(&account_of_an_asker(has_live)).await;
        let service = answering(&bench).await;
        let web = config(&bench.server.url()).user_and_password("web", "pw");
        let web = Rapids::connect(&web).await.unwrap();
        for n in 1..4 {
            assert_eq!(ask(&web, n).await, n);
        }
        // Beside that of the service there is one for who reads the stream.
        let stream = bench.jetstream().await.get_stream("RAPIDS").await.unwrap();
        assert_eq!(stream.cached_info().state.consumer_count, if has_live { 1 } else { 2 });
        service.stop().await;
    }
}

#[tokio::test]
async fn an_ask_goes_on_when_the_server_is_killed_and_comes_back() {
    let mut bench = Bench::start().await;
    let packet = called(1);
    let asking = asking(&bench, packet.clone(), LONG).await;
    bench.server.kill();
    bench.server.restart().unwrap();
    // Stored before the feed is joined again, or behind that.
    until("it is stored", async || bench.rapids.publish(answer_to(&packet, 3)).await.is_ok()).await;
    assert_eq!(number(&came(soon("it is answered", asking).await.unwrap().unwrap())), 3);
}

#[tokio::test]
async fn a_packet_asked_while_the_server_is_away_is_asked_once_it_is_back() {
    let mut bench = Bench::start().await;
    let service = answering(&bench).await;
    assert_eq!(ask(&bench.rapids, 1).await, 1);
    bench.server.kill();
    let asked = bench.rapids.ask(called(2)).until_event("answered");
    let asking = tokio::spawn(asked.within(LONG));
    let short = bench.rapids.ask(called(3)).until_event("answered");
    let error = short.within(Duration::from_millis(100)).await.unwrap_err();
    assert!(error.to_string().contains("publish packet `"), "{error}");
    bench.server.restart().unwrap();
    assert_eq!(number(&came(soon("it is answered", asking).await.unwrap().unwrap())), 2);
    service.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_deleted_ends_the_ask() {
    let bench = Bench::start().await;
    let asking = asking(&bench, called(1), LONG).await;
    bench.jetstream().await.delete_stream("RAPIDS").await.unwrap();
    let error = soon("it ends", asking).await.unwrap().unwrap_err();
    assert!(matches!(error, rapids_client::Error::Stream { .. }), "{error}");
}
