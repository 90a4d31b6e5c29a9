//! What a server may do to the services on it: refuse, go, come back, or come back as another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::Config as StreamConfig;
use rapids_client::{Config, Error, Packet, Rapids, River};
use rapids_test::NatsServer;
use tokio::sync::Notify;

use crate::harness::{Bench, Running, called, echo, soon, until};

/// Deletes the stream, with all positions in it, and makes another of this many packets.
async fn make_anew(bench: &Bench, packets: u64) {
    bench.jetstream().await.delete_stream("RAPIDS").await.unwrap();
    let rapids = Rapids::connect(&bench.config()).await.unwrap();
    rapids.publish_all((0..packets).map(called)).await.unwrap();
}

#[tokio::test]
async fn a_service_that_was_down_does_not_begin_in_another_stream_as_if_it_were_new() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.rapids.publish(called(1)).await.unwrap();
    bench.quiet(&["echo"]).await;
    service.stop().await;
    make_anew(&bench, 100).await;
    for _ in 0..2 {
        let error = Running::spawn(bench.service("echo", [echo()])).ended().await;
        assert!(matches!(error, Error::Position { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("it was in a stream created at 20"), "{error}");
        assert!(error.contains("run `nats kv del RAPIDS_SERVICES echo`"), "{error}");
    }
    for bucket in ["RAPIDS_SERVICES", "RAPIDS_POSITIONS"] {
        if let Ok(kv) = bench.jetstream().await.get_key_value(bucket).await {
            kv.delete("echo").await.unwrap();
        }
    }
    let service = bench.run(bench.service("echo", [echo()]).from_beginning()).await;
    let mut tail = bench.tail().await;
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(0));
    service.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_deleted_or_made_anew_ends_the_services_on_it() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    make_anew(&bench, 1_000).await;
    let error = service.ended().await.to_string();
    // Whichever was true when it looked.
    let deleted = error.contains("the stream was deleted while it ran");
    assert!(deleted || error.contains("the stream was made anew while it ran"), "{error}");
    assert!(error.contains("run `nats kv del RAPIDS_SERVICES echo`"), "{error}");
}

#[tokio::test]
async fn a_server_that_comes_back_empty_ends_the_services_on_it() {
    let mut bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.server.kill();
    fs::remove_dir_all(bench.server.store()).unwrap();
    bench.server.restart().unwrap();
    let error = service.ended().await.to_string();
    assert!(error.contains("the stream was deleted while it ran"), "{error}");
}

#[tokio::test]
async fn a_stream_that_ends_before_the_position_ends_the_service() {
    let mut bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.rapids.publish(called(0)).await.unwrap();
    bench.quiet(&["echo"]).await;
    // A backup that does not hold the last packets.
    let messages = bench.server.store().join("jetstream/$G/streams/RAPIDS/msgs");
    let backup = tempfile::tempdir().unwrap();
    bench.server.stop();
    copy(&messages, backup.path());
    bench.server.restart().unwrap();
    bench.rapids.publish_all((1..10).map(called)).await.unwrap();
    bench.quiet(&["echo"]).await;
    bench.server.stop();
    fs::remove_dir_all(&messages).unwrap();
    fs::create_dir(&messages).unwrap();
    copy(backup.path(), &messages);
    bench.server.restart().unwrap();
    let error = service.ended().await.to_string();
    assert!(error.contains("it was at sequence 20, but the stream ends at 2 now"), "{error}");
}

/// Copies the files of a directory.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_lame_duck_server_and_its_successor_lose_and_double_nothing() {
    let mut bench = Bench::with_config("lame_duck_grace_period: 1s").await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    let rapids = bench.rapids.clone();
    let half = Arc::new(Notify::new());
    let told = Arc::clone(&half);
    let publishing = tokio::spawn(async move {
        for n in 0..300 {
            rapids.publish(called(n)).await.unwrap();
            if n == 150 {
                told.notify_one();
            }
        }
    });
    soon("half of them are published", half.notified()).await;
    signal(bench.server.pid().unwrap(), "USR2");
    until("the server goes by itself", async || bench.server.log().ends_with("Server Exiting.."))
        .await;
    bench.server.restart().unwrap();
    soon("all are published", publishing).await.unwrap();
    bench.quiet(&["echo"]).await;
    bench.rapids.publish(Packet::event("end")).await.unwrap();
    let packets = bench.tail().await.until("end").await;
    let numbers = |event: &str| -> Vec<u64> {
        let named = packets.iter().filter(|packet| packet.event_name().as_deref() == Some(event));
        let mut numbers: Vec<_> = named.map(|it| it.get("n").unwrap().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(numbers("called"), (0..300).collect::<Vec<_>>());
    assert_eq!(numbers("answered"), (0..300).collect::<Vec<_>>());
    service.stop().await;
}

/// Sends a signal to a process.
fn signal(pid: u32, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn a_service_whose_outputs_find_no_room_waits_with_its_packet() {
    let server = NatsServer::start().unwrap();
    let small = Config::new(server.url()).max_bytes(100_000).ack_wait(Duration::from_secs(1));
    let rapids = Rapids::connect(&small).await.unwrap();
    let bench = Bench::over(server, rapids);
    let large = River::new("large").event("called").react(|packet: Packet| async move {
        let n: Option<u64> = packet.get("n")?;
        Ok(Packet::event("answered").with("n", n).with("pad", "x".repeat(50_000)))
    });
    let service = bench.run(bench.service("large", [large])).await;
    bench.rapids.publish_all((0..3).map(called)).await.unwrap();
    let mut tail = bench.tail().await;
    tail.event("answered").await;
    let error = soon("it is full", async {
        loop {
            let filler = Packet::event("filler").with("pad", "x".repeat(10_000));
            if let Err(error) = bench.rapids.publish(filler).await {
                return error;
            }
        }
    })
    .await;
    assert!(matches!(error, Error::Full { .. }), "{error}");
    until("it holds what it has", async || {
        let held = bench.rapids.position("large").await.unwrap().unwrap();
        assert!(held.acknowledged < 3, "{held:?}");
        held.unacknowledged > 0
    })
    .await;

    let jetstream = bench.jetstream().await;
    let found = jetstream.get_stream("RAPIDS").await.unwrap().cached_info().config.clone();
    jetstream.update_stream(StreamConfig { max_bytes: 1_000_000, ..found }).await.unwrap();
    for _ in 0..2 {
        tail.event("answered").await;
    }
    bench.quiet(&["large"]).await;
    bench.rapids.publish(Packet::event("end")).await.unwrap();
    let mut again = bench.tail().await;
    let answers = again.until("end").await;
    let answers = answers.iter().filter(|it| it.event_name().as_deref() == Some("answered"));
    assert_eq!(answers.count(), 3, "each once");
    service.stop().await;
}

#[tokio::test]
async fn packets_that_a_lost_connection_took_along_are_sent_again_together() {
    let mut bench = Bench::start().await;
    // This thread is held up meanwhile, so that the connection does not learn of it and takes the
    // packets.
    bench.server.stop();
    bench.server.restart().unwrap();
    let publishing = bench.rapids.publish_all((0..100).map(called));
    let published = soon("all are stored", publishing).await.unwrap();
    let sequences: BTreeSet<_> = published.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, (1..=100).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_that_a_lost_connection_took_along_are_published_again_together() {
    const OUTPUTS: u64 = 50;
    let mut bench = Bench::start().await;
    let (begun, go, over) =
        (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&over));
    let many = River::new("many").event("called").react(move |_: Packet| {
        let (begun, go, over) = told.clone();
        async move {
            begun.notify_one();
            go.notified().await;
            over.notify_one();
            Ok((0..OUTPUTS).map(|n| Packet::event("answered").with("n", n)).collect::<Vec<_>>())
        }
    });
    let service = bench.run(bench.service("many", [many])).await;
    bench.rapids.publish(called(0)).await.unwrap();
    soon("the reaction begins", begun.notified()).await;
    // It takes what is sent to it, and will never read it.
    signal(bench.server.pid().unwrap(), "STOP");
    go.notify_one();
    soon("the reaction ends", over.notified()).await;
    // Nobody but the connection knows when it has written them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    bench.server.kill();
    bench.server.restart().unwrap();
    let mut tail = bench.tail().await;
    soon("all are published", async {
        for _ in 0..OUTPUTS {
            tail.event("answered").await;
        }
    })
    .await;
    service.stop().await;
}
