//! Connecting to the server: options, variables, contexts, and errors.

use std::fs;

use rapids_client::{Config, Rapids};
use rapids_test::NatsServer;

use crate::bench::{Bench, rapids, said};

/// An address where nothing listens.
const NOWHERE: &str = "nats://127.0.0.1:1";

#[test]
fn the_error_for_a_missing_server_names_the_remedy() {
    let words = ["error: cannot connect to `nats://127.0.0.1:1`: nothing listens there; start"];
    said(rapids(&["tail"]).env("NATS_URL", NOWHERE)).badly(3, &words);
    said(&mut rapids(&["publish", "--server", NOWHERE, "{}"])).badly(3, &words);
}

#[test]
fn the_error_for_wrong_usage_shows_the_right_one() {
    said(&mut rapids(&[])).badly(2, &["Usage: rapids", "publish", "Exit codes:"]);
    said(&mut rapids(&["trail"])).badly(2, &["unrecognized subcommand 'trail'", "'tail'"]);
    said(&mut rapids(&["tail", "-s", "nats://a b"]))
        .badly(2, &["error: `--server` is `nats://a b`"]);
    let helped = said(&mut rapids(&["--help"])).well(0);
    for part in ["Usage: rapids", "Exit codes:", "130  interrupted", "--creds <FILE>"] {
        assert!(helped.out.contains(part), "{part} in {}", helped.out);
    }
}

#[tokio::test]
async fn an_option_overrides_the_environment() {
    let bench = Bench::start().await;
    let url = bench.server.url();
    said(rapids(&["-s", &url, "tail"]).env("NATS_URL", NOWHERE)).well(0);
    said(rapids(&["tail", "-s", &url]).env("NATS_URL", NOWHERE)).well(0);
}

#[tokio::test]
async fn contexts_of_the_nats_cli_are_understood() {
    let bench = Bench::start().await;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("nats/context");
    fs::create_dir_all(&folder).unwrap();
    let context = |url: &str| format!(r#"{{"url":"{url}"}}"#);
    fs::write(folder.join("shop.json"), context(&bench.server.url())).unwrap();
    fs::write(folder.join("gone.json"), context(NOWHERE)).unwrap();
    fs::write(home.path().join("nats/context.txt"), "gone").unwrap();
    let command = |arguments: &[&str]| {
        let mut command = rapids(arguments);
        command.env("XDG_CONFIG_HOME", home.path());
        command
    };
    assert_eq!(said(&mut command(&["tail"])).code, 3);
    said(&mut command(&["tail", "--context", "shop"])).well(0);
    said(command(&["tail", "--context", "shop"]).env("NATS_URL", NOWHERE)).well(0);
    said(command(&["tail"]).env("NATS_CONTEXT", "shop")).well(0);
    said(&mut command(&["tail", "--context", "shopp"])).badly(2, &["context/shopp.json"]);
}

#[tokio::test]
async fn an_action_that_the_server_does_not_permit_is_an_error() {
    let server = NatsServer::with_config(
        r#"authorization { users: [
            {user: admin, password: a}
            {user: reader, password: r, permissions: {publish: {deny: ["rapids"]}}}
            {user: writer, password: w, permissions: {publish: {deny: ["$JS.API.CONSUMER.>"]}}}
            {user: outsider, password: o, permissions: {publish: {deny: ["$JS.API.STREAM.>"]}}}
        ]}"#,
    )
    .unwrap();
    let url = server.url();
    let admin = Config::new(&url).user_and_password("admin", "a");
    Rapids::connect(&admin).await.unwrap();
    let as_user = |user: &str, arguments: &[&str]| {
        let login = ["-s", &url, "--user", user, "--password", &user[..1]];
        said(&mut rapids(&[arguments, &login].concat()))
    };
    as_user("reader", &["tail"]).well(0);
    as_user("reader", &["publish", "{}"])
        .badly(4, &["the server does not permit publish to `rapids`; grant it to this user"]);
    as_user("writer", &["publish", r#"{"event":"x"}"#]);
    as_user("writer", &["tail"]).badly(4, &["does not permit publish to `$JS.API.CONSUMER."]);
    as_user("outsider", &["tail"]).badly(4, &["does not permit publish to `$JS.API.STREAM."]);

    said(&mut rapids(&["tail", "-s", &url, "--user", "admin", "--password", "wrong"]))
        .badly(4, &["cannot connect to", "the server turns away user `admin`"]);
    said(rapids(&["tail", "-s", &url, "--user", "admin"]).env("NATS_PASSWORD", "a")).well(0);
}
