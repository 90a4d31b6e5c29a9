//! `rapids metrics`.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use rapids_client::{Packet, River, reject};
use rapids_test::http;
use tokio::time::timeout;

use crate::bench::{Bench, DEADLINE, Running};
use crate::program::Program;

/// A server with one service that has handled two packets and rejected one, and one that is down.
pub(crate) async fn busy() -> (Bench, Running) {
    let bench = Bench::start().await;
    let nothing = River::new("look").event("moon_rose").react(|_: Packet| async { Ok(()) });
    bench.run("watcher", "1.0.0", nothing).await.stop().await;
    let charge = River::new("charge").event("placed").react(|packet: Packet| async move {
        match packet.get::<u64>("total")? {
            Some(0) => Err(reject("nothing to pay")),
            _ => Ok(Packet::event("paid")),
        }
    });
    let payment = bench.run("payment", "1.0.0", charge).await;
    for total in [5, 0, 7] {
        bench.publish(&format!(r#"{{"event":"placed","total":{total}}}"#)).await;
    }
    let handled = async {
        while bench.rapids.position("payment").await.unwrap().unwrap().acknowledged < 5 {}
    };
    timeout(DEADLINE, handled).await.unwrap();
    (bench, payment)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_services_count_and_the_server_holds_is_printed_for_prometheus() {
    let (bench, payment) = busy().await;
    let printed = bench.said(&["metrics"]).well(0);
    let operation = |name: &str| format!("messaging_operation_name=\"{name}\"");
    let group = |name: &str| format!("messaging_consumer_group_name=\"{name}\"");
    let value = |name: &str, labels: &[&str]| {
        let is_it = |line: &&&str| {
            line.starts_with(name) && labels.iter().all(|label| line.contains(label))
        };
        let lines = printed.lines();
        let found: Vec<_> = lines.iter().filter(is_it).collect();
        let [line] = found[..] else { panic!("{name} {labels:?}: {found:?}") };
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let (receive, publish, process) =
        (operation("receive"), operation("publish"), operation("process"));
    let payments = group("payment");
    assert_eq!(value("messaging_client_consumed_messages_total{", &[&receive]), 5.0);
    assert_eq!(value("rapids_skipped_total{", &[&payments]), 2.0);
    let paid = "rapids_event=\"paid\"";
    assert_eq!(value("messaging_client_sent_messages_total{", &[&publish, paid]), 2.0);
    assert!(value("rapids_published_bytes_total{", &[&payments, paid]) > 400.0);
    let charge = "rapids_river=\"charge\"";
    let took = "messaging_process_duration_seconds_count{";
    assert_eq!(value(took, &[&process, &format!("{charge}}}")]), 2.0);
    assert_eq!(value(took, &[&process, charge, "error_type=\"rejected\""]), 1.0);
    assert_eq!(value("messaging_client_operation_duration_seconds_count{", &[&publish]), 2.0);
    assert_eq!(value("rapids_failed_attempts_total{", &[&payments, charge]), 0.0);
    for (outcome, count) in [("handled", 2.0), ("rejected", 1.0), ("exhausted", 0.0)] {
        let outcome = format!("rapids_outcome=\"{outcome}\"");
        assert_eq!(value("rapids_outcomes_total{", &[&payments, charge, &outcome]), count);
    }
    assert_eq!(value("rapids_instances{", &[&group("payment")]), 1.0);
    assert_eq!(value("rapids_instances{", &[&group("watcher")]), 0.0);
    assert_eq!(value("rapids_lag{", &[&group("watcher")]), 5.0);
    assert_eq!(
        value("rapids_dead_letters{", &[&group("payment"), "rapids_kind=\"rejected\""]),
        1.0
    );
    assert_eq!(value("rapids_stream_packets ", &[]), 5.0);
    assert_eq!(value("rapids_stream_limit_bytes ", &[]), f64::from(1 << 30));
    payment.stop().await;
}

#[tokio::test]
async fn a_server_without_anything_has_metrics_of_its_stream_only() {
    let bench = Bench::start().await;
    let printed = bench.said(&["metrics", "--wait", "50ms"]).well(0);
    let mut values: Vec<_> =
        printed.lines().into_iter().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(values[0], "rapids_stream_packets 0");
    assert_eq!(values.pop(), Some("rapids_dead_letters_counted 1"));
    assert!(values.iter().all(|line| line.starts_with("rapids_stream_")), "{values:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_scrape_asks_anew_and_fails_while_the_server_is_away() {
    let (mut bench, payment) = busy().await;
    let serve = ["metrics", "--listen", "127.0.0.1:0"];
    let mut serving = Program::start(&mut bench.command(&serve));
    let said = serving.message().await;
    let address = said.trim_start_matches("metrics are at http://").trim_end_matches("/metrics");
    let packets = || {
        let (status, body) = http(address, "GET /metrics").unwrap();
        let line = body.lines().find(|line| line.starts_with("rapids_stream_packets"));
        (status, line.map(ToOwned::to_owned))
    };
    assert_eq!(packets(), ("200 OK".into(), Some("rapids_stream_packets 5".into())));
    bench.publish(r#"{"event":"sun_rose"}"#).await;
    assert_eq!(packets(), ("200 OK".into(), Some("rapids_stream_packets 6".into())));
    assert_eq!(http(address, "GET /").unwrap().0, "404 Not Found");
    assert_eq!(http(address, "POST /metrics").unwrap().0, "405 Method Not Allowed");
    bench.server.kill();
    assert_eq!(http(address, "GET /metrics").unwrap().0, "503 Service Unavailable");
    bench.server.restart().unwrap();
    let back = async { while packets().0 != "200 OK" {} };
    timeout(DEADLINE, back).await.unwrap();
    serving.interrupt();
    assert_eq!(serving.end().await.0, Some(130));
    payment.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let bench = Bench::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    bench.said(&["metrics", "--listen", &address]).badly(1, &["cannot listen on", &address]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs promtool"]
async fn promtool_finds_nothing_wrong() {
    let (bench, payment) = busy().await;
    let printed = bench.said(&["metrics"]).well(0);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut promtool = promtool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(printed.out.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && words.is_empty(), "{words}");
    payment.stop().await;
}
