//! `rapids tail`.

use crate::bench::{Bench, rapids, said};
use crate::program::{Program, unread};

#[tokio::test]
async fn packets_are_printed_up_to_the_last_and_other_bodies_are_warned_of() {
    let bench = Bench::start().await;
    bench.publish(r#"{"event":"first","order_id":"o-1"}"#).await;
    bench.publish_raw("nonsense").await;
    bench.publish(r#"{"command":"second"}"#).await;
    let shown = bench.said(&["tail"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let [first, second] = shown.lines()[..] else { panic!("{shown:?}") };
    assert!(first.contains("        1  event   first  "), "{first}");
    assert!(first.ends_with("order_id=o-1"), "{first}");
    assert!(second.contains("        3  command second  "), "{second}");
    assert!(shown.err.starts_with("warning: body is not a packet: sequence 2: "), "{shown:?}");
}

#[tokio::test]
async fn an_expression_filters_packets() {
    let bench = Bench::start().await;
    for total in ["1", "9007199254740991", "9007199254740993"] {
        bench.publish(&format!(r#"{{"event":"placed","total":{total}}}"#)).await;
    }
    let where_ = ["tail", "-o", "json", "--where", "@.total > 9007199254740991"];
    let shown = bench.said(&where_).well(0);
    assert!(shown.out.starts_with(r#"{"event":"placed","total":9007199254740993,"#), "{shown:?}");
    assert_eq!(shown.lines().len(), 1);
    bench
        .said(&["tail", "--where", "@.total >> 1"])
        .badly(2, &["'@.total >> 1'", "is wrong at column 10"]);
}

#[tokio::test]
async fn it_begins_where_the_options_say() {
    let bench = Bench::start().await;
    for n in 1..=3 {
        bench.publish(&format!(r#"{{"event":"x","n":{n}}}"#)).await;
    }
    let count =
        |arguments: &[&str]| bench.said(&[&["tail"], arguments].concat()).well(0).lines().len();
    assert_eq!(count(&["--from-beginning"]), 3);
    assert_eq!(count(&["--sequence", "2"]), 2);
    assert_eq!(count(&["--sequence", "4"]), 0);
    assert_eq!(count(&["--sequence", "18446744073709551615"]), 0);
    assert_eq!(count(&["--since", "1h"]), 3);
    bench.said(&["tail", "--since", "1h", "--sequence", "1"]).badly(2, &["cannot be used with"]);
    for time in ["2200-01-01", "2300-01-01", "9999-01-01"] {
        bench.said(&["tail", "--since", time]).badly(2, &["that is ", ", in the future"]);
    }
    for time in ["1600-01-01", "0001-01-01", "-000044-03-15"] {
        bench.said(&["tail", &format!("--since={time}")]).badly(2, &["which is before 1677-09-21"]);
    }
    bench.said(&["tail", "--since", "yesterday"]).badly(2, &["such as `2026-11-21T09:30:00Z`"]);
}

#[tokio::test]
async fn an_empty_stream_has_nothing_to_print() {
    let bench = Bench::start().await;
    assert_eq!(bench.said(&["tail"]).well(0).out, "");
}

#[tokio::test]
async fn following_goes_on_until_it_is_interrupted() {
    let bench = Bench::start().await;
    bench.publish(r#"{"event":"before"}"#).await;
    let follow = ["tail", "--follow", "--from-beginning", "-o", "json"];
    let mut following = Program::start(&mut bench.command(&follow));
    assert!(following.line().await.contains("before"));
    bench.publish(r#"{"event":"after"}"#).await;
    assert!(following.line().await.contains("after"));
    following.interrupt();
    assert_eq!(following.end().await, (Some(130), vec![], String::new()));
}

#[tokio::test]
async fn a_closed_output_ends_it_without_an_error() {
    let bench = Bench::start().await;
    let body = format!(r#"{{"event":"x","pad":"{}"}}"#, "x".repeat(10_000));
    bench.said(&["publish", "--count", "200", &body]).well(0);
    let tail = &mut bench.command(&["tail", "-o", "json"]);
    assert_eq!(unread(tail, 1, "").await, (Some(0), String::new()));
}

#[test]
fn a_server_without_the_stream_is_left_as_it_is() {
    let server = rapids_test::NatsServer::start().unwrap();
    for _ in 0..2 {
        said(&mut rapids(&["tail", "-s", &server.url()])).badly(
            5,
            &["there is no stream `RAPIDS` at nats://", "the first service that starts creates it"],
        );
    }
}

#[tokio::test]
async fn colours_are_used_only_on_request() {
    let bench = Bench::start().await;
    bench.publish(r#"{"event":"x"}"#).await;
    assert!(!bench.said(&["tail"]).well(0).out.contains('\u{1b}'));
    assert!(bench.said(&["--color", "always", "tail"]).well(0).out.contains('\u{1b}'));
}
