//! What is created for services that may create nothing, and told.

use std::fs;

use rapids_test::NatsServer;

use crate::bench::{Bench, rapids, said};

#[test]
fn what_is_created_is_told_before_and_once() {
    let server = NatsServer::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    fs::write(&file, "[services.payment]\nmemories = [\"paid\"]\n").unwrap();
    let provision = |option: &str| {
        let file = file.to_str().unwrap();
        let arguments = ["provision", "--file", file, "--server", &server.url(), option];
        said(&mut rapids(&arguments))
    };
    let planned = provision("--dry-run").well(0);
    assert_eq!(planned.lines()[0], "create the stream `RAPIDS`");
    assert!(planned.lines().contains(&"create the bucket `RAPIDS_MEMORY_payment`"), "{planned:?}");
    assert!(planned.lines().contains(&"create the consumer `payment` on RAPIDS"), "{planned:?}");
    assert_eq!(provision("--yes").well(0).lines(), planned.lines());
    provision("--dry-run").well_with(0, "all is there\n");
    provision("--yes").well_with(0, "all is there\n");
    // A further memory of a service changes its bucket.
    fs::write(&file, "[services.payment]\nmemories = [\"paid\", \"refunds\"]\n").unwrap();
    let changed = "change the bucket `RAPIDS_MEMORY_payment`: the list of its memories from paid to paid, \
                   refunds";
    assert_eq!(provision("--yes").well(0).lines(), [changed]);
}

#[tokio::test]
async fn without_a_terminal_nothing_is_done_unasked() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    fs::write(&file, "[services.payment]\n").unwrap();
    let refused = bench.said(&["provision", "--file", file.to_str().unwrap()]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("give `--yes`"), "{refused:?}");
    assert!(bench.rapids.position("payment").await.unwrap().is_none());
}
