//! What a user of the real nats CLI publishes, sees and asks for.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::Bench;

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

fn position(bench: &Bench, service: &str) -> Value {
    let info = bench.nats(&["consumer", "info", "RAPIDS", service, "--json"]);
    serde_json::from_str(&info).unwrap()
}

fn stream(bench: &Bench) -> Value {
    serde_json::from_str(&bench.nats(&["stream", "info", "RAPIDS", "--json"])).unwrap()
}

#[test]
#[ignore = "needs the nats CLI"]
fn a_bare_packet_is_answered_and_the_answers_name_their_cause() {
    let bench = Bench::start();
    let _services = [bench.service(PAYMENT), bench.service(INVENTORY)];
    let mut watch = bench.nats_sub();
    bench.nats(&["pub", "rapids", &order("o-1")]);
    let checked = watch.event("order_checked", "o-1");
    let cause = checked.causation_id().unwrap();
    assert!(cause.starts_with("RAPIDS-"), "{checked}");
    assert_eq!(checked.correlation_id(), cause);
    assert_eq!(checked.breadcrumbs(), ["payment"]);
    let received = watch.event("payment_received", "o-1");
    assert_eq!(received.causation_id(), Some(checked.id()));
    assert_eq!(received.correlation_id(), cause);

    // It may have come before the other, so it is looked for in the whole stream.
    let stored = eventually(|| bench.stored(), |stored| stored.contains("stock_reserved"));
    let reserved = stored.lines().find(|line| line.contains("stock_reserved")).unwrap();
    assert!(reserved.contains(&format!(r#""causation_id":"{cause}""#)), "{reserved}");
}

#[test]
#[ignore = "needs the nats CLI"]
fn the_cli_tells_where_a_service_stands_and_what_it_listens_for() {
    let bench = Bench::start();
    let _payment = bench.service(PAYMENT);
    bench.publish(order("o-1").as_bytes());
    let last =
        eventually(|| position(&bench, "payment"), |info| info["ack_floor"]["stream_seq"] == 3);
    assert_eq!(last["delivered"]["stream_seq"], 3, "{last}");
    assert_eq!((&last["num_pending"], &last["num_ack_pending"]), (&0.into(), &0.into()));

    let info = bench.nats_micro(&["info", "payment"]);
    for part in ["check", "@.event == 'order_placed'", "pay", "@.command == 'pay_invoice'"] {
        assert!(info.contains(part), "{part} in:\n{info}");
    }
    assert!(bench.nats_micro(&["ls"]).contains("payment"));

    let stats = bench.nats_micro(&["stats", "payment"]);
    for part in ["charge", "close", "delivery"] {
        assert!(stats.contains(part), "{part} in:\n{stats}");
    }
    let stats: Value =
        serde_json::from_str(&bench.nats_micro(&["stats", "payment", "--json"])).unwrap();
    let endpoints = stats[0]["endpoints"].as_array().unwrap();
    let charge = endpoints.iter().find(|endpoint| endpoint["name"] == "charge").unwrap();
    assert_eq!(charge["num_requests"], 1, "{stats}");
    assert!(charge["average_processing_time"].as_u64() > Some(0), "{stats}");
}

#[test]
#[ignore = "needs the nats CLI"]
fn bodies_that_are_no_packets_are_logged_once_each_and_disturb_no_service() {
    // Room for the body of 1 MB, which the default limit refuses.
    let bench = Bench::with_config("max_payload: 2MB");
    let services = [bench.service(PAYMENT), bench.service(INVENTORY)];
    let padding = " ".repeat(1_000_000);
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut watch = bench.nats_sub();
    let begin = stream(&bench)["state"]["last_seq"].as_u64().unwrap();

    // Nested too deep, and with a repeated key: these are packets, but invalid for their river.
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
        bench.publish(&body);
    }
    let repeated =
        order("r-1").replace(r#""order_id":"r-1""#, r#""order_id":"r-1","order_id":"r""#);
    bench.publish(repeated.as_bytes());
    let end = stream(&bench)["state"]["last_seq"].as_u64().unwrap();
    assert_eq!(end - begin, 8);

    bench.publish(format!("{}\n", order("newline")).as_bytes());
    watch.event("payment_received", "newline");
    bench.publish(order("large").replacen('{', &format!("{{{padding}"), 1).as_bytes());
    watch.event("payment_received", "large");
    eventually(|| position(&bench, "inventory"), |info| info["num_ack_pending"] == 0);

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
    let bench = Bench::start();
    let instances = [bench.service(PAYMENT), bench.service(PAYMENT)];
    let many = order("o-{{Count}}");
    bench.nats(&["pub", "rapids", "--quiet", "--count", "20", &many]);
    let charged = || bench.stored().matches(r#"{"event":"payment_received""#).count();
    eventually(charged, |count| *count == 20);
    eventually(|| position(&bench, "payment"), |info| info["ack_floor"]["stream_seq"] == 60);
    let handled = instances.map(|instance| {
        let log = instance.stop();
        let last = log.last().unwrap();
        let count = last.split("handled ").nth(1);
        let count = count.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        count.unwrap_or_else(|| panic!("{last}")).parse::<u64>().unwrap()
    });
    assert_eq!(handled.iter().sum::<u64>(), 40, "{handled:?}");

    bench.publish(order("while-away").as_bytes());
    let back = bench.service(PAYMENT);
    eventually(charged, |count| *count == 21);
    let log = back.stop();
    assert!(log.iter().any(|line| line.contains(r#""behind":1"#)), "{log:#?}");
}

#[test]
#[ignore = "needs the nats CLI and curl"]
fn curl_probes_a_service_where_it_says_that_it_can_be() {
    let bench = Bench::start();
    let _payment = bench.started(bench.command(PAYMENT).env("RAPIDS_HTTP", "127.0.0.1:0"));
    let info = bench.nats_micro(&["info", "payment", "--json"]);
    let info: Value = serde_json::from_str(&info).unwrap();
    let url = info["info"]["metadata"]["state:http"].as_str().unwrap();
    let curl = |path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", &format!("{url}{path}")]);
        let output = curl.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for probe in ["/livez", "/readyz"] {
        assert_eq!(curl(probe), (true, "ok\n".to_owned()));
    }
    let (well, metrics) = curl("/metrics");
    assert!(well && metrics.contains("rapids_river=\"close\""), "{metrics}");
    assert!(!curl("/").0);
}
