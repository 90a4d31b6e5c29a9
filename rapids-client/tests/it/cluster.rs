//! Several servers that are one: what services notice of that.

use std::time::Duration;

use rapids_client::{Config, Packet, Rapids, River, Service};
use rapids_test::NatsServer;

use crate::harness::{Running, found, soon};

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
