//! `rapids services`.

use rapids_client::{Config, Delivery, Packet, Position, Rapids, River, Service};
use rapids_test::NatsServer;
use serde_json::Value;
use tokio::time::timeout;

use crate::bench::{Bench, DEADLINE};

fn charge() -> River {
    River::new("charge").event("order_placed").react(|_: Packet| async { Ok(()) })
}

#[tokio::test]
async fn services_are_listed_with_their_positions_whether_up_or_down() {
    let bench = Bench::start().await;
    let gone = bench.run("inventory", "0.9.0", charge()).await;
    let _one = bench.run("payment", "1.0.0", charge()).await;
    let _other = bench.run("payment", "1.1.0", charge()).await;
    bench.publish(r#"{"event":"order_placed"}"#).await;
    let read = async {
        loop {
            let position = bench.rapids.position("payment").await.unwrap().unwrap();
            let away = bench.rapids.position("inventory").await.unwrap().unwrap();
            if (position.acknowledged, away.acknowledged) == (1, 1) {
                break;
            }
        }
    };
    timeout(DEADLINE, read).await.unwrap();
    gone.stop().await;
    bench.publish(r#"{"event":"something_else"}"#).await;

    let listed = bench.said(&["services"]).well(0);
    let [headings, inventory, payment] = listed.lines()[..] else { panic!("{listed:?}") };
    assert_eq!(
        headings,
        "SERVICE    VERSION         UP  DELIVERY  ACKED  READ  LAG  UNACKED  RIVERS"
    );
    assert_eq!(inventory, "inventory  -             down  shared        1     1    1        0  -");
    assert!(payment.starts_with("payment    1.0.0, 1.1.0     2 "), "{listed:?}");
    assert!(payment.ends_with("  charge"), "{listed:?}");

    let objects = bench.said(&["services", "-o", "json"]).well(0);
    let objects: Vec<Value> =
        objects.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["service"], "inventory");
    assert_eq!(objects[0]["instances"], Value::Array(Vec::new()));
    assert_eq!(objects[0]["position"]["pending"], 1);
    assert_eq!(objects[0]["delivery"], "shared");
    assert_eq!(objects[0]["active"], Value::Null);
    let rivers = &objects[1]["instances"][0]["rivers"];
    assert_eq!(rivers[0]["name"], "charge");
    assert_eq!(rivers[0]["conditions"][0], "@.event == 'order_placed'");
}

/// Waits until `services` prints this line, and returns all lines.
async fn wait_for_line(bench: &Bench, line: &str) -> Vec<String> {
    let shown = async {
        loop {
            let listed = bench.said(&["services"]).well(0);
            let lines: Vec<_> = listed.lines().iter().map(|line| (*line).to_owned()).collect();
            if lines.iter().any(|shown| shown == line) {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, shown).await.unwrap_or_else(|_| panic!("no `{line}`"))
}

// The instances answer from here while the program runs, which blocks one thread.
#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_service_shows_who_is_active_and_how_many_stand_by() {
    let bench = Bench::start().await;
    bench.publish(r#"{"event":"order_placed"}"#).await;
    let first = bench.run_exclusive("payment", charge()).await;
    let second = bench.run_exclusive("payment", charge()).await;
    let active = async {
        loop {
            let position = bench.rapids.position("payment").await.unwrap().unwrap();
            let holder = position.exclusive.unwrap();
            if let (1, Some(id), false) =
                (position.acknowledged, holder.instance, holder.is_catching_up)
            {
                return id;
            }
        }
    };
    let active = timeout(DEADLINE, active).await.unwrap();
    let lines = wait_for_line(&bench, &format!("  active {active}, live; 1 stands by")).await;
    assert_eq!(lines[1], "payment  1.0.0     2  exclusive      1     1    0        0  charge");
    assert_eq!(lines.len(), 3, "no facts: {lines:?}");
    let object = bench.said(&["services", "-o", "json"]).well(0);
    let object: Value = serde_json::from_str(&object.out).unwrap();
    assert_eq!(object["delivery"], "exclusive");
    assert_eq!(object["active"], active);
    assert_eq!(object["standing_by"], 1);
    assert_eq!(object["position"]["catching_up"], false);

    let output = bench.said(&["tail", "--services"]);
    assert_eq!((output.code, output.lines().len()), (0, 1), "{output:?}");
    let line = format!(
        "payment: exclusive, done up to 1, read up to 1, 0 unacknowledged, 0 behind; active {active}, \
         live; 1 stands by\n"
    );
    assert_eq!(output.err, line);
    let shown = bench.said(&["position", "payment"]).well(0);
    assert_eq!(shown.out, line);
    first.stop().await;
    second.stop().await;
    wait_for_line(&bench, "  no instance is active; 0 stand by").await;
}

#[tokio::test]
async fn no_service_at_all_is_no_error() {
    let bench = Bench::start().await;
    let listed = bench.said(&["services"]);
    assert_eq!((listed.code, listed.out.as_str()), (0, ""));
    assert_eq!(listed.err, "no service is running, and none has a position\n");
}

/// What an instance with a fact and with rules of a later version announces.
// It answers from here while the program runs, which blocks one thread.
#[tokio::test(flavor = "multi_thread")]
async fn facts_of_an_instance_are_printed_below_its_service() {
    use async_nats::service::ServiceExt;
    let bench = Bench::start().await;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let metadata = [
        ("rapids.stream", "RAPIDS"),
        ("rapids.rules", r#"[{"name":"charge","unheard_of":true}]"#),
        ("charge", "@.event == 'order_placed'"),
        ("state:charge.breaker", "open for 4 s"),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let builder = client.service_builder().metadata(metadata.into());
    let announced = builder.start("payment", "3.0.0").await.unwrap();
    client.flush().await.unwrap();

    let listed = bench.said(&["services"]).well(0);
    let [_, payment, fact] = listed.lines()[..] else { panic!("{listed:?}") };
    assert!(payment.starts_with("payment  3.0.0     1  -             -  "), "{listed:?}");
    assert!(fact.starts_with("  ! charge.breaker: open for 4 s ("), "{listed:?}");
    bench
        .said(&["explain", "--river", "payment/charge", "{}"])
        .badly(5, &["service `payment` announces no rules that this program can read"]);
    announced.stop().await.unwrap();
}

/// A server with two users: `mute` may not answer requests, `deaf` may not ask services.
pub(crate) async fn guarded() -> Bench {
    let server = NatsServer::with_config(
        r#"authorization { users: [
            {user: admin, password: a}
            {user: mute, password: m, permissions: {publish: {deny: ["_INBOX.>"]}}}
            {user: deaf, password: d, permissions: {publish: {deny: ["$SRV.>"]}}}
        ]}"#,
    )
    .unwrap();
    let config = Config::new(server.url()).user_and_password("admin", "a");
    let rapids = Rapids::connect(&config).await.unwrap();
    Bench { server, rapids }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_may_not_answer_is_listed_with_its_position() {
    let bench = guarded().await;
    let mut running = Vec::new();
    for (name, delivery) in [("shared", Delivery::Shared), ("exclusive", Delivery::Exclusive)] {
        let config = Config::new(bench.server.url()).user_and_password("mute", "m");
        let service = Service::new(name, config.delivery(delivery)).river(charge());
        running.push(tokio::spawn(service.from_beginning().run()));
    }
    bench.publish(r#"{"event":"order_placed"}"#).await;
    let done = async {
        for name in ["shared", "exclusive"] {
            let is_done = |at: &Position| at.acknowledged == 1;
            while !bench.rapids.position(name).await.unwrap().as_ref().is_some_and(is_done) {}
        }
    };
    timeout(DEADLINE, done).await.unwrap();
    for user in [["admin", "a"], ["deaf", "d"]] {
        let [user, password] = user;
        let listed = bench.said(&["--user", user, "--password", password, "services"]);
        assert_eq!(listed.code, 0, "{listed:?}");
        let lines = listed.lines();
        assert!(
            lines[1].starts_with("exclusive  -        silent  exclusive      1     1    0"),
            "{listed:?}"
        );
        assert!(
            lines
                .last()
                .unwrap()
                .starts_with("shared     -        silent  shared         1     1    0"),
            "{listed:?}"
        );
        let is_warned = listed.err.contains("warning: services are not asked");
        assert_eq!(is_warned, user == "deaf", "{listed:?}");
    }
}
