//! What is not taken, and not restored, and why.

use std::fs;
use std::path::Path;

use async_nats::jetstream;
use rapids_client::{Config, Packet, Rapids, River, reject};
use rapids_test::NatsServer;
use serde_json::{Value, json};

use super::{back_up, noise, path, restore, restored};
use crate::bench::{Bench, Said, rapids, said};
use crate::program::Program;

/// Remembers calls, and refuses each.
async fn handle_calls(bench: &Bench, calls: u64) {
    let count = River::new("count").event("called").memory("calls", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    );
    let refuse = River::new("refuse")
        .event("called")
        .react(|_: Packet| async { Err::<(), _>(reject("no")) });
    let running = [
        ("counter", bench.run("counter", "1.0.0", count).await),
        ("payment", bench.run_exclusive("payment", refuse).await),
    ];
    let mut last = 0;
    for _ in 0..calls {
        last = bench.publish(r#"{"event":"called"}"#).await.sequence;
    }
    for (name, service) in running {
        bench.stop_after(name, last, service).await;
    }
}

/// The streams of a server.
async fn streams(server: &NatsServer) -> Vec<String> {
    use futures::TryStreamExt;
    let jetstream = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    jetstream.stream_names().try_collect().await.unwrap()
}

fn dry_run(server: &NatsServer, folder: &Path) -> Said {
    let mut command = rapids(&["restore", "--dry-run", path(folder)]);
    said(command.env("NATS_URL", server.url()))
}

/// Changes a number in the manifest, which has no hash.
fn change_manifest(folder: &Path, change: impl FnOnce(&mut Value)) {
    let file = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(file, manifest.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_damaged_names_its_file_and_nothing_is_restored() {
    let bench = Bench::start().await;
    handle_calls(&bench, 3).await;
    let folder = tempfile::tempdir().unwrap();
    back_up(&bench, folder.path());
    let server = NatsServer::start().unwrap();
    let plan = dry_run(&server, folder.path()).well(0);
    let lines = plan.lines();
    assert!(lines.contains(&"counter goes on behind sequence 3"), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("RAPIDS: 3 messages, ")), "{lines:?}");
    assert_eq!(streams(&server).await, Vec::<String>::new(), "a dry run restores nothing");

    let file = folder.path().join("RAPIDS/stream.tar.s2");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    for refused in [dry_run(&server, folder.path()), restore(&server, folder.path())] {
        refused.badly(1, &["is damaged: `RAPIDS/stream.tar.s2`", "SHA-256"]);
    }
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    fs::remove_file(folder.path().join("DEAD_LETTERS/backup.json")).unwrap();
    restore(&server, folder.path()).badly(1, &["cannot be read: `DEAD_LETTERS/backup.json`"]);
    assert_eq!(streams(&server).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_there_are_named_with_the_remedy() {
    let bench = Bench::start().await;
    handle_calls(&bench, 1).await;
    let folder = tempfile::tempdir().unwrap();
    back_up(&bench, folder.path());
    let remedy = "stop all services";
    restore(&bench.server, folder.path()).badly(
        1,
        &["the server has the streams", "RAPIDS", remedy, "nats stream rm -f DEAD_LETTERS; "],
    );
    // A service that was started too early is in the way, too.
    let server = NatsServer::start().unwrap();
    Rapids::connect(&Config::new(server.url())).await.unwrap();
    let words = ["the server has the streams LATER, RAPIDS already", "nats stream rm -f RAPIDS"];
    dry_run(&server, folder.path()).badly(1, &words);
    restore(&server, folder.path()).badly(1, &words);
    let full = bench.said(&["backup", path(folder.path())]);
    full.badly(1, &["the folder is not empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_interrupted_is_none() {
    let bench = Bench::start().await;
    // Enough to take a while.
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let jetstream = jetstream::new(client);
    for seed in 1..40 {
        let noise = noise(seed, 900_000);
        let body = json!({"event": "noise", "is": noise}).to_string();
        jetstream.publish("rapids", body.into()).await.unwrap().await.unwrap();
    }
    let running =
        bench.run("idle", "1.0.0", River::new("x").event("x").react(|_: Packet| async { Ok(()) }));
    running.await.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&mut bench.command(&["backup", path(folder.path())]));
    // The rapids come last, and take long.
    let rapids = folder.path().join("RAPIDS/stream.tar.s2");
    while fs::metadata(&rapids).map_or(0, |file| file.len()) == 0 {
        tokio::task::yield_now().await;
    }
    program.interrupt();
    let first = program.line().await;
    assert!(first.starts_with("KV_RAPIDS_SERVICES: "), "{first}");
    let (code, _, messages) = program.end().await;
    assert_eq!(code, Some(130), "{messages}");
    assert!(messages.contains("is no backup; remove it"), "{messages}");
    let server = NatsServer::start().unwrap();
    restore(&server, folder.path()).badly(1, &["is not complete: it has no `manifest.json`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tells_of_packets_beyond_the_end_is_refused_and_named() {
    let bench = Bench::start().await;
    handle_calls(&bench, 2).await;
    let [older, newer] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    back_up(&bench, older.path());
    handle_calls(&bench, 5).await;
    back_up(&bench, newer.path());
    // Somebody has put older packets into it.
    let noted = |folder: &Path| {
        let manifest: Value =
            serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        manifest["streams"].as_array().unwrap().last().unwrap().clone()
    };
    let rapids = noted(older.path());
    change_manifest(newer.path(), |manifest| {
        *manifest["streams"].as_array_mut().unwrap().last_mut().unwrap() = rapids;
    });
    for file in ["backup.json", "stream.tar.s2"] {
        let file = Path::new("RAPIDS").join(file);
        fs::copy(older.path().join(&file), newer.path().join(&file)).unwrap();
    }
    let server = NatsServer::start().unwrap();
    let words = ["the rapids end with sequence 2, but", "the position of `counter` is 7"];
    restore(&server, newer.path()).badly(1, &words);
    assert_eq!(streams(&server).await, Vec::<String>::new());
    // Had the positions been noted by then, the rest would tell.
    change_manifest(newer.path(), |manifest| {
        for noted in ["consumers", "exclusive"] {
            for position in manifest[noted].as_array_mut().unwrap() {
                position["floor"] = json!(0);
            }
        }
    });
    let refused = restore(&server, newer.path());
    assert_eq!(refused.code, 1, "{refused:?}");
    for words in [
        "`counter` in `RAPIDS_SERVICES` is at 7",
        "`payment` in `RAPIDS_POSITIONS` is at 7",
        "knows of packet 7",
        "`dead_letters.payment.refuse.3` in `DEAD_LETTERS` is about packet 3",
        "nats stream rm -f KV_RAPIDS_SERVICES",
    ] {
        assert!(refused.err.contains(words), "{words} in {refused:?}");
    }
    assert!(!streams(&server).await.contains(&"RAPIDS".to_owned()), "no service starts on it");
}

#[tokio::test(flavor = "multi_thread")]
async fn rapids_without_packets_and_services_are_restored_and_none_are_not_found() {
    let none = NatsServer::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (whole, nothing) = (folder.path().join("whole"), folder.path().join("nothing"));
    let missing = said(rapids(&["backup", path(&nothing)]).env("NATS_URL", none.url()));
    missing.badly(5, &["there is no stream `RAPIDS`"]);
    assert!(!nothing.exists());
    let bench = Bench::start().await;
    back_up(&bench, &whole);
    drop(bench);
    let (bench, said) = restored(&whole).await;
    assert!(said.out.contains("packets end with sequence 0"), "{said:?}");
    handle_calls(&bench, 1).await;
    let json = bench.said(&["backup", path(&nothing), "-o", "json"]).well(0);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["end"], 1);
    assert_eq!(json["streams"].as_array().unwrap().last().unwrap()["name"], "RAPIDS");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_restored_can_be_backed_up_and_restored_again_with_the_ids_that_it_had() {
    let bench = Bench::start().await;
    bench.publish_raw(r#"{"event":"called"}"#).await;
    let id = bench.rapids.packet(1).await.unwrap().unwrap().id().to_owned();
    assert!(id.starts_with("RAPIDS-"), "{id}");
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    back_up(&bench, &first);
    drop(bench);
    // Else the server could make another one in the same second.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let (bench, _) = restored(&first).await;
    assert_eq!(bench.rapids.packet(1).await.unwrap().unwrap().id(), id);
    back_up(&bench, &second);
    drop(bench);
    let (bench, _) = restored(&second).await;
    assert_eq!(bench.rapids.packet(1).await.unwrap().unwrap().id(), id);
}
