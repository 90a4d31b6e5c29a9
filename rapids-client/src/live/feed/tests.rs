use std::rc::Rc;
use std::time::Duration;

use async_nats::header::{NATS_SEQUENCE, NATS_STREAM};
use async_nats::{HeaderMap, Message};
use rapids_test::NatsServer;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::*;
use crate::Config;
use crate::connection::Connection;
use crate::live::shared_feed::SharedFeed;
use crate::names::STREAM;
use crate::packet::Packet;
use crate::rapids::Rapids;
use crate::river::River;
use crate::service::Service;

/// Lets a feed work that nothing is asked of, until this is true of it.
async fn works_until(feed: &mut LiveFeed, is_true: impl Fn(&LiveFeed) -> bool) {
    let working = async {
        while !is_true(feed) {
            let working = timeout(Duration::from_millis(20), feed.next());
            assert!(working.await.is_err(), "it gave what it was not asked for");
        }
    };
    timeout(Duration::from_secs(30), working).await.expect("it comes to that");
}

async fn checked(feed: &mut LiveFeed) {
    let facts = feed.read_from.facts().await.unwrap();
    assert!(feed.handle(Event::Checked(feed.expected(), facts)).is_none());
}

#[tokio::test]
async fn a_service_that_pauses_stays_on_the_shared_feed() {
    let server = NatsServer::start().unwrap();
    let config = Config::new(server.url());
    let rapids = Rapids::connect(&config).await.unwrap();
    let connection = Connection::open(&config, "test").await.unwrap();
    let facts = *rapids.facts();
    let never = River::new("never").event("never").react(|_: Packet| async { Ok(()) });
    let service = Service::new("paused", config).river(never);
    let shared = Rc::new(SharedFeed::new(&[service]));
    let subscriber = FeedSubscriber { feed: shared.clone(), number: 0 };
    let record = PositionRecord::at(facts.created.to_string(), 0);
    let of = ("paused", "instance");
    let mut feed =
        LiveFeed::new(&ReadFrom::rapids(&connection), of, Some(subscriber), &facts, &record);
    let paused = async {
        spawn_local(shared.run(connection.clone()));
        works_until(&mut feed, |feed| !feed.is_catching_up()).await;
        rapids.publish_all((0..10).map(|_| Packet::event("other"))).await.unwrap();
        works_until(&mut feed, |feed| feed.merger.highest_copy() == 10).await;
        for _ in 0..3 {
            checked(&mut feed).await;
            assert!(!feed.is_catching_up());
        }
        // Packets that were skipped meanwhile are reported once something is asked for.
        feed.allow_to(100);
        feed.request(1);
        let skipped = timeout(Duration::from_secs(30), feed.next()).await.unwrap();
        assert!(matches!(skipped, Incoming::Skipped { from: 1, to: 10 }), "{skipped:?}");
    };
    LocalSet::new().run_until(paused).await;
}

#[tokio::test]
async fn a_packet_behind_expired_ones_shows_how_far_the_stream_reaches() {
    let server = NatsServer::start().unwrap();
    let config = Config::new(server.url());
    let facts = *Rapids::connect(&config).await.unwrap().facts();
    let connection = Connection::open(&config, "test").await.unwrap();
    let record = PositionRecord::at(facts.created.to_string(), 10);
    let mut feed =
        LiveFeed::new(&ReadFrom::rapids(&connection), ("late", "instance"), None, &facts, &record);
    let mut headers = HeaderMap::new();
    headers.insert(NATS_STREAM, STREAM);
    headers.insert(NATS_SEQUENCE, "500");
    let message = Message {
        subject: "rapids.live".into(),
        reply: None,
        payload: "{}".into(),
        headers: Some(headers),
        status: None,
        description: None,
        length: 0,
    };
    let gone = feed.handle(Event::Read(Box::new(RawPacket::live(STREAM, message).unwrap())));
    assert!(matches!(gone, Some(Incoming::Gone { from: 11, to: 499 })));
    // In the record, what may have begun must not end before what is done.
    let progress = feed.progress();
    assert!(progress.known >= progress.confirmed, "{progress:?}");
}
