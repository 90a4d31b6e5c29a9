//! What a user of the real nats CLI sends, sees and asks.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stand::Stand;

const PAYMENT: &str = env!("CARGO_BIN_EXE_payment");
const INVENTORY: &str = env!("CARGO_BIN_EXE_inventory");
const DEADLINE: Duration = Duration::from_secs(60);

fn order(id: &str) -> String {
    format!(
        r#"{{"event":"order_placed","order_id":"{id}","customer":"ada","items":[{{"sku":"riverside/canoe","quantity":1,"price":7550}}],"total":7550}}"#
    )
}

/// Asks again until the answer is as it should be, and returns it.
fn eventually<T>(ask: impl Fn() -> T, good: impl Fn(&T) -> bool) -> T
where
    T: std::fmt::Debug,
{
    let deadline = Instant::now() + DEADLINE;
    loop {
        let answer = ask();
        if good(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "after {DEADLINE:?}: {answer:?}");
    }
}

fn position(stand: &Stand, service: &str) -> Value {
    let info = stand.nats(&["consumer", "info", "RAPIDS", service, "--json"]);
    serde_json::from_str(&info).unwrap()
}

fn stream(stand: &Stand) -> Value {
    serde_json::from_str(&stand.nats(&["stream", "info", "RAPIDS", "--json"])).unwrap()
}

#[test]
#[ignore = "needs the nats CLI"]
fn a_bare_packet_is_answered_and_the_answers_name_their_cause() {
    let stand = Stand::start();
    let _services = [stand.service(PAYMENT), stand.service(INVENTORY)];
    let mut watch = stand.nats_sub();
    stand.nats(&["pub", "rapids", &order("o-1")]);
    let received = watch.event("payment_received", "o-1");
    let cause = received.causation_id().unwrap();
    assert!(cause.starts_with("RAPIDS-"), "{received}");
    assert_eq!(received.correlation_id(), cause);
    assert_eq!(received.breadcrumbs(), ["payment"]);

    // It may have come before the other, so it is looked for in the whole stream.
    let stored = eventually(|| stand.stored(), |stored| stored.contains("stock_reserved"));
    let reserved = stored.lines().find(|line| line.contains("stock_reserved")).unwrap();
    assert!(reserved.contains(&format!(r#""causation_id":"{cause}""#)), "{reserved}");
}

#[test]
#[ignore = "needs the nats CLI"]
fn the_cli_tells_where_a_service_stands_and_what_it_listens_for() {
    let stand = Stand::start();
    let _payment = stand.service(PAYMENT);
    stand.publish(order("o-1").as_bytes());
    let last =
        eventually(|| position(&stand, "payment"), |info| info["ack_floor"]["stream_seq"] == 2);
    assert_eq!(last["delivered"]["stream_seq"], 2, "{last}");
    assert_eq!((&last["num_pending"], &last["num_ack_pending"]), (&0.into(), &0.into()));

    let info = stand.nats(&["micro", "info", "payment"]);
    for part in ["charge", "@.event == 'order_placed'", "refund", "@.event == 'out_of_stock'"] {
        assert!(info.contains(part), "{part} in:\n{info}");
    }
    assert!(stand.nats(&["micro", "ls"]).contains("payment"));
}

#[test]
#[ignore = "needs the nats CLI"]
fn bodies_that_are_no_packets_are_logged_once_each_and_stop_nobody() {
    // Room for the body of 1 MB, which the default limit refuses.
    let stand = Stand::with_config("max_payload: 2MB");
    let services = [stand.service(PAYMENT), stand.service(INVENTORY)];
    let padding = " ".repeat(1_000_000);
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut watch = stand.nats_sub();
    let begin = stream(&stand)["state"]["last_seq"].as_u64().unwrap();

    // Nested too deep, and repeating a key: packets, but invalid to whom they are for.
    let deep = order("deep").replace('}', &format!(r#","deep":{}}}"#, nested(10_000)));
    let malformed = [
        b"".to_vec(),
        b"not json".to_vec(),
        b"[]".to_vec(),
        nested(10_000).into_bytes(),
        deep.into_bytes(),
        b"{\"event\":\"order_placed\",\"order_id\":\"\xff\"}".to_vec(),
        b"\n".to_vec(),
    ];
    for body in malformed {
        stand.publish(&body);
    }
    let repeated =
        order("r-1").replace(r#""order_id":"r-1""#, r#""order_id":"r-1","order_id":"r""#);
    stand.publish(repeated.as_bytes());
    let end = stream(&stand)["state"]["last_seq"].as_u64().unwrap();
    assert_eq!(end - begin, 8);

    stand.publish(format!("{}\n", order("newline")).as_bytes());
    watch.event("payment_received", "newline");
    stand.publish(order("large").replacen('{', &format!("{{{padding}"), 1).as_bytes());
    watch.event("payment_received", "large");
    eventually(|| position(&stand, "inventory"), |info| info["num_ack_pending"] == 0);

    for service in services {
        let log = service.stop();
        for sequence in begin + 1..=end {
            let about = |line: &&String| {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                line["sequence"] == sequence
            };
            let lines: Vec<_> = log.iter().filter(about).collect();
            assert_eq!(lines.len(), 1, "sequence {sequence}: {lines:#?}\n{}", log.join("\n"));
            let is_packet = [begin + 5, end].contains(&sequence);
            let what = if is_packet { "invalid" } else { "body is not a packet" };
            assert!(lines[0].contains(what), "{}", lines[0]);
        }
        let last = log.last().unwrap();
        assert!(last.contains("malformed 6, invalid 2"), "{last}");
    }
}

#[test]
#[ignore = "needs the nats CLI"]
fn instances_share_the_work_and_a_service_that_was_away_makes_up_for_it() {
    let stand = Stand::start();
    let instances = [stand.service(PAYMENT), stand.service(PAYMENT)];
    let many = order("o-{{Count}}");
    stand.nats(&["pub", "rapids", "--quiet", "--count", "20", &many]);
    let charged = || stand.stored().matches(r#"{"event":"payment_received""#).count();
    eventually(charged, |count| *count == 20);
    eventually(|| position(&stand, "payment"), |info| info["ack_floor"]["stream_seq"] == 40);
    let handled = instances.map(|instance| {
        let log = instance.stop();
        let last = log.last().unwrap();
        let count = last.split("handled ").nth(1);
        let count = count.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        count.unwrap_or_else(|| panic!("{last}")).parse::<u64>().unwrap()
    });
    assert_eq!(handled.iter().sum::<u64>(), 20, "{handled:?}");

    stand.publish(order("while-away").as_bytes());
    let back = stand.service(PAYMENT);
    eventually(charged, |count| *count == 21);
    let log = back.stop();
    assert!(log.iter().any(|line| line.contains(r#""behind":1"#)), "{log:#?}");
}
