//! `rapids doctor` in the simple form, its output and its exit codes.

use std::fs;

use rapids_client::{Config, Packet, River, Service};
use rapids_test::NatsServer;
use serde_json::Value;

use crate::bench::{Bench, Said, rapids, said};

/// A user who may do everything, and one whose permissions lack what is needed for dead letters, and for
/// reactions that run once.
const USERS: &str = r#"
authorization { users: [
    { user: admin, password: admin }
    { user: payment, password: payment, permissions: {
        publish: {
            allow: ["rapids", "$JS.ACK.>", "$JS.API.INFO", "$JS.API.STREAM.INFO.*",
                "$JS.API.CONSUMER.INFO.*.payment", "$JS.API.CONSUMER.MSG.NEXT.*.payment",
                "$JS.API.DIRECT.GET.>", "$JS.API.STREAM.MSG.GET.*", "$KV.>", "$SYS.REQ.USER.INFO"]
            deny: ["$KV.RAPIDS_ONCE.>"]
        }
        subscribe: { allow: ["_INBOX.>"] }
    } }
] }
"#;

fn doctor(server: &NatsServer, user: &str, arguments: &[&str]) -> Said {
    let mut command = rapids(&[&["doctor"], arguments].concat());
    command.env("NATS_URL", server.url()).env("NATS_USER", user).env("NATS_PASSWORD", user);
    said(command.current_dir("/"))
}

#[tokio::test]
async fn a_user_of_the_simple_form_is_told_which_permissions_to_add() {
    let server = NatsServer::with_config(USERS).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    fs::write(&file, "[services.payment]\nonce = true\n").unwrap();
    let file = file.to_str().unwrap();
    let mut provision = rapids(&["provision", "--yes", "--file", file]);
    provision.env("NATS_URL", server.url());
    said(provision.env("NATS_USER", "admin").env("NATS_PASSWORD", "admin")).well(0);

    let told = doctor(&server, "payment", &["payment", "--access", file]).well(1);
    let remedies: Vec<_> = told.out.lines().filter(|line| line.starts_with("  !")).collect();
    assert_eq!(
        remedies[..3],
        [
            "  ! do not deny its user `$KV.RAPIDS_ONCE.>`",
            "  ! allow its user `publish: {allow: [\"dead_letters.payment.>\"]}`",
            "  ! allow its user `subscribe: {allow: [\"$SRV.>\"]}`",
        ]
    );
    let missing = told.out.lines().filter(|line| line.starts_with("missing")).count();
    assert_eq!(missing, 2, "{told:?}");
    assert!(told.out.contains("less     subscribe to `$SRV.>`"), "{told:?}");

    doctor(&server, "admin", &["payment", "--access", file]).well(0);
    let json = doctor(&server, "payment", &["payment", "--access", file, "-o", "json"]).well(1);
    let findings: Vec<Value> =
        json.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |what: &str| findings.iter().find(|it| it["what"] == what).unwrap();
    let letters = of("publish to `dead_letters.payment.>`");
    assert_eq!(letters["assessment"], "missing");
    assert_eq!(letters["found"], "dead letters");
    assert_eq!(of("publish to `rapids`")["remedy"], Value::Null);
    assert_eq!(of("sync_interval")["assessment"], "unknown");
}

#[tokio::test]
async fn a_service_that_runs_says_itself_what_it_is() {
    let bench = Bench::start().await;
    let once = River::new("charge").event("x").once().react(|_: Packet| async { Ok(()) });
    let remembering = River::new("count").event("x").memory("paid", "'all'");
    let remembering = remembering.react(|_: &mut u64, _: &Packet| anyhow::Ok(()));
    let service = Service::new("payment", Config::new(bench.server.url())).river(once);
    let running = bench.run_service("payment", service.river(remembering)).await;
    let mut command = bench.command(&["doctor", "payment"]);
    let told = said(command.current_dir("/")).well(0);
    assert_eq!(
        told.lines()[0],
        "payment, as it announces itself: shared; remembers paid; runs once"
    );
    assert!(told.out.contains("publish to `$KV.RAPIDS_MEMORY_payment.>`"), "{told:?}");
    running.stop().await;
    let told = said(command.args(["--monitoring", "127.0.0.1:1"])).well(0);
    assert!(told.out.contains("`127.0.0.1:1` does not tell"), "{told:?}");
    let first = "payment, of which nothing is declared or announced: shared";
    assert_eq!(told.lines()[0], first);
}

#[test]
fn what_keeps_it_from_looking_has_an_exit_code() {
    let server = NatsServer::with_config(USERS).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.toml");
    fs::write(&file, "[services.payment]\n").unwrap();
    let file = file.to_str().unwrap();
    doctor(&server, "admin", &["other", "--access", file])
        .badly(5, &["has no [services.other]; add it, or name another file"]);
    doctor(&server, "admin", &["Pay ment"]).badly(2, &["its name is not 1 to 32 characters"]);
    doctor(&server, "admin", &["payment", "--access", "gone.toml"])
        .badly(2, &["`gone.toml` cannot be used"]);
    doctor(&server, "nobody", &["payment"]).badly(4, &["turns away"]);
    let mut command = rapids(&["doctor", "payment", "--server", "127.0.0.1:1"]);
    said(command.current_dir("/")).badly(3, &["cannot connect"]);
    let accounts = "accounts { A { jetstream: enabled }, B { users: [{user: b, password: b}] } }";
    let server = NatsServer::with_config(accounts).unwrap();
    doctor(&server, "b", &["payment"])
        .badly(3, &["or import `$JS.API.INFO` from the account with the streams"]);
}
