//! The files of a backup are those of `nats stream backup`.

use std::path::Path;
use std::process::Command;

use rapids_client::{Config, Rapids};
use rapids_test::NatsServer;

use super::{back_up, path};
use crate::bench::Bench;

fn nats(server: &NatsServer, arguments: &[&str]) -> String {
    let mut command = Command::new("nats");
    let done = command.env("NATS_URL", server.url()).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{} {}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

/// The id of the first packet of a server.
async fn first_id(server: &NatsServer) -> String {
    let rapids = Rapids::open(&Config::new(server.url())).await.unwrap().unwrap();
    rapids.packet(1).await.unwrap().unwrap().id().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the nats CLI"]
async fn a_stream_of_a_backup_can_be_restored_by_hand() {
    let bench = Bench::start().await;
    bench.publish_raw(r#"{"event":"called"}"#).await;
    let folder = tempfile::tempdir().unwrap();
    back_up(&bench, folder.path());
    let server = NatsServer::start().unwrap();
    for stream in ["LATER", "RAPIDS"] {
        nats(&server, &["stream", "restore", path(&folder.path().join(stream))]);
    }
    assert_eq!(first_id(&server).await, first_id(&bench.server).await);
    // What the nats CLI takes has the same files.
    let theirs = folder.path().join("theirs");
    nats(&server, &["stream", "backup", "RAPIDS", path(&theirs)]);
    let files = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files(&folder.path().join("RAPIDS")), files(&theirs));
}
