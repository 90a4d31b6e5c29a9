//! A server that goes away and comes back, and one that does not permit everything.

use std::time::Duration;

use rapids_client::{Config, Packet, Rapids, River, Service};
use rapids_test::NatsServer;
use tokio::task::spawn_blocking;

use crate::bench::{Bench, Console};

#[tokio::test]
async fn pages_say_that_the_server_is_away_and_go_on_when_it_is_back() {
    let mut bench = Bench::start().await;
    bench.publish(Packet::event("before")).await;
    let console = bench.console(&[]).await;
    console.get_with("/live", "before").await;
    bench.server.kill();
    let page = console.get_with("/", "The server has not answered").await;
    assert!(page.status.starts_with("200"), "{page:?}");
    bench.server.restart().unwrap();
    console.get_until("/", |page| !page.body.contains("The server has not answered")).await;
    bench.publish(Packet::event("after")).await;
    console.get_with("/live", "after").await;
}

#[tokio::test]
async fn a_console_that_starts_before_the_server_finds_it() {
    let mut bench = Bench::start().await;
    bench.publish(Packet::event("before")).await;
    bench.server.kill();
    let console = bench.console(&[]).await;
    console.get_with("/live", "cannot connect").await;
    bench.server.restart().unwrap();
    console.get_with("/live", "before").await;
}

/// The users of the console as docs/security.md has them.
fn documented_users() -> String {
    let docs = include_str!("../../../docs/security.md");
    let users = ["{ user: console,", "{ user: operator,"].map(|user| {
        let begin = docs.find(user).unwrap();
        docs[begin..].split("```").next().unwrap()
    });
    users.concat()
}

/// Up to where a service is done with everything.
async fn position(rapids: &Rapids, service: &str) -> u64 {
    rapids.position(service).await.unwrap().unwrap().acknowledged
}

/// Does what an operator may do, in a console of one.
async fn act(console: &Console, rapids: &Rapids, sequence: u64) {
    let letter = format!("/dead-letters/orders.count.{sequence}");
    console.get_with(&letter, "there is no total").await;
    console.act(&letter, &format!("{letter}/discard"), "reason=test").await;
    let begun = console.act(&letter, "/operations/begin", "action=restore&all=yes").await;
    console.get_with(begun.header("location").unwrap(), "1 done</span>").await;
    let sent = console.act(&letter, &format!("{letter}/replay"), "").await;
    assert!(sent.status.starts_with("303"), "{sent:?}");
    console.get_with(&format!("{letter}/outcome"), "failed again").await;
    let memories = "/memories?service=orders&memory=orders&key=ada";
    let forget = "service=orders&memory=orders&key=ada&reason=test";
    let forgotten = console.act(memories, "/memories/forget", forget).await;
    assert!(forgotten.status.starts_with("303"), "{forgotten:?}");
    for service in ["orders", "mails"] {
        let page = format!("/services/{service}/position");
        for (moves, how) in [(0, ""), (1, "&forget=yes"), (2, "&forget=yes&publish=yes")] {
            let plan = format!("{page}/plan?to=sequence&at=2{how}");
            console.get_with(&plan, "id=\"plan-form\"").await;
            let before = position(rapids, service).await;
            let form = format!("next=2&moves={moves}&before={before}{how}&reason=test");
            let moved = console.act(&plan, &page, &form).await;
            assert!(moved.status.starts_with("303"), "{service}{how}: {moved:?}");
        }
        console.get_with(&page, "with sequence 2").await;
    }
    let published = console.act("/publish", "/publish", "body=%7B%22event%22:%22x%22%7D").await;
    assert!(published.header("location").unwrap().starts_with("/packets/"), "{published:?}");
}

#[tokio::test]
async fn the_rights_that_are_documented_are_enough() {
    let accounts = format!(
        "accounts {{ shop {{ jetstream: enabled, users: [\n{{ user: all, password: p }}\n{}\n] }} }}",
        documented_users()
    );
    let server = spawn_blocking(move || NatsServer::with_config(&accounts)).await.unwrap().unwrap();
    let all = Config::new(server.url()).user_and_password("all", "p");
    let rapids = rapids_client::Rapids::connect(&all).await.unwrap();
    let river = River::new("count")
        .event("order_placed")
        .memory::<u64>("orders", "@.customer")
        .react(|orders: &mut u64, packet: &Packet| {
            *orders += 1;
            if packet.get::<u64>("total")?.is_none() {
                return Err(rapids_client::reject("there is no total"));
            }
            Ok(())
        });
    tokio::spawn(
        Service::new("orders", all.clone()).from_beginning().exclusive().river(river).run(),
    );
    let mail = River::new("mail").event("order_placed").once().react(async |_: Packet| Ok(()));
    tokio::spawn(Service::new("mails", all.clone()).from_beginning().river(mail).run());
    let order = Packet::event("order_placed").with("customer", "ada");
    let id = order.id().to_owned();
    let sequence = rapids.publish(order).await.unwrap().sequence;
    rapids
        .publish(Packet::event("order_placed").with("customer", "ada").with("total", 1))
        .await
        .unwrap();
    rapids.publish_later(Packet::event("later"), Duration::from_secs(600)).await.unwrap();
    let viewer = Config::new(server.url()).user_and_password("console", "change-console");
    let console = Console::start(viewer, &["--read-only"]).await;
    console.get_with("/dead-letters", "there is no total").await;
    console.get_with("/", "live").await;
    console.get_with("/map", "order_placed").await;
    console.get_with("/timers", "later").await;
    console.get_with("/memories?service=orders&memory=orders", "ada").await;
    console.get_with("/live", "order_placed").await;
    for path in [
        format!("/packets/{sequence}"),
        format!("/conversations/{id}"),
        format!("/dead-letters/orders.count.{sequence}"),
        "/".to_owned(),
    ] {
        let page = console.get(&path).await;
        assert!(page.status.starts_with("200"), "{path}: {page:?}");
        assert!(!page.body.contains("class=\"notice\""), "{path}: {page:?}");
    }
    let operator = Config::new(server.url()).user_and_password("operator", "change-operator");
    let console = Console::start(operator, &[]).await;
    act(&console, &rapids, sequence).await;
    let log = server.log();
    let refused: Vec<_> =
        log.lines().filter(|line| line.contains("Permissions Violation")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let accounts = r#"
        accounts {
            shop {
                jetstream: enabled
                users: [
                    { user: all, password: p }
                    { user: viewer, password: p, permissions: {
                        publish: { deny: ["$SRV.>", "$JS.API.DIRECT.GET.LATER",
                            "$JS.API.CONSUMER.CREATE.DEAD_LETTERS.>", "$KV.RAPIDS_SERVICES.>"] }
                    } }
                ]
            }
        }"#;
    let server = spawn_blocking(move || NatsServer::with_config(accounts)).await.unwrap().unwrap();
    let config = |user| Config::new(server.url()).user_and_password(user, "p");
    let rapids = rapids_client::Rapids::connect(&config("all")).await.unwrap();
    rapids.publish(Packet::event("order_placed")).await.unwrap();
    rapids.publish_later(Packet::event("later"), Duration::from_secs(600)).await.unwrap();
    let mail = River::new("mail").event("order_placed").react(async |_: Packet| Ok(()));
    tokio::spawn(Service::new("mails", config("all")).from_beginning().river(mail).run());
    let console = Console::start(config("viewer"), &[]).await;
    let overview = console.get_with("/", "services are not asked").await;
    assert!(overview.body.contains("$SRV."), "{overview:?}");
    let timers = console.get_with("/timers", "LATER").await;
    assert!(timers.status.starts_with("403"), "{}", &timers.body[1500..]);
    console.get_with("/live", "order_placed").await;
    let page = "/services/mails/position";
    console.get_with(page, "id=\"position-done\">1<").await;
    let plan = format!("{page}/plan?to=beginning");
    let moved = console.act(&plan, page, "next=1&moves=0&before=1").await;
    assert!(moved.status.starts_with("403") && moved.body.contains("RAPIDS_SERVICES"), "{moved:?}");
}
