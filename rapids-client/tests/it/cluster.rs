//! Several servers that are one: what services notice of that.

use std::fs;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures::StreamExt;
use rapids_client::{Config, Packet, Rapids, River, Service, Start};
use rapids_test::NatsServer;

use crate::harness::{Running, called, found, soon};

#[tokio::test]
async fn a_server_that_is_about_to_stop_is_left_and_nothing_is_lost() {
    let lame_duck = "lame_duck_grace_period: \"1s\"\nlame_duck_duration: \"30s\"\n";
    let servers = NatsServer::cluster(3, lame_duck).unwrap();
    // It tells of the others.
    let config = Config::new(servers[0].url()).replicas(3);
    let rapids = found("a leader", async || Rapids::connect(&config).await.ok()).await;
    let count = River::new("count").event("placed").memory("counts", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    );
    let running =
        Running::spawn(Service::new("counter", config.clone()).from_beginning().river(count));
    let view = rapids.memory::<u64>("counter", "counts");
    for number in 0..300_u32 {
        if number == 100 {
            servers[0].signal("USR2").unwrap();
        }
        let packet = Packet::event("placed").with("number", number);
        soon("a packet is stored", rapids.publish(packet)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let all = async || view.get("all").await.ok().flatten().filter(|count| *count == 300);
    found("every packet is counted once", all).await;
    running.stop().await;
}

/// Prints how long it saw nothing; run it alone for a figure.
#[tokio::test]
async fn who_watches_sees_all_on_although_the_server_of_its_consumer_is_gone() {
    let mut servers = NatsServer::cluster(3, "").unwrap();
    let urls: Vec<_> = servers.iter().map(NatsServer::url).collect();
    let config = Config::new(urls.join(",")).replicas(3);
    let rapids = found("a leader", async || Rapids::connect(&config).await.ok()).await;
    let mut tail = rapids.tail(Start::Beginning).await.unwrap();
    let mut seen = async || soon("a packet", tail.next()).await.unwrap();
    let publishing = tokio::spawn(async move {
        for n in 0..400 {
            let packet = called(n);
            while rapids.publish(packet.clone()).await.is_err() {}
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    for n in 0..20 {
        assert_eq!(seen().await.get::<u64>("n").unwrap(), Some(n));
    }
    let client = async_nats::connect(urls).await.unwrap();
    let place = async || place_of_consumer(&client, &servers).await;
    let place = found("the server of the consumer", place).await;
    servers[place].kill();
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for n in 20..400 {
        assert_eq!(seen().await.get::<u64>("n").unwrap(), Some(n));
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    println!("saw nothing for {:.1} s", longest.as_secs_f64());
    publishing.await.unwrap();
}

/// Which server keeps the only consumer of the rapids.
async fn place_of_consumer(client: &async_nats::Client, servers: &[NatsServer]) -> Option<usize> {
    let stream = jetstream::new(client.clone()).get_stream("RAPIDS").await.ok()?;
    let name = stream.consumer_names().next().await?.ok()?;
    let leader = stream.consumer_info(&name).await.ok()?.cluster?.leader?;
    let is_it = |server: &NatsServer| {
        let log = fs::read_to_string(server.log_file()).unwrap();
        log.lines().any(|line| line.contains("Name:") && line.ends_with(&leader))
    };
    servers.iter().position(is_it)
}
