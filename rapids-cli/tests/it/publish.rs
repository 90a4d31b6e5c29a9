//! `rapids publish`.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream;
use rapids_client::{Config, Rapids};
use rapids_test::NatsServer;
use serde_json::Value;

use crate::bench::{Bench, rapids, said, said_to};
use crate::program::{Program, unread};

#[tokio::test]
async fn a_packet_is_stored_and_its_place_is_printed() {
    let bench = Bench::start().await;
    let published = bench.said(&["publish", r#"{"event":"x","n":9007199254740993}"#]).well(0);
    let (sequence, id) = published.out.trim_end().split_once(' ').unwrap();
    assert_eq!(sequence, "1");
    let stored = bench.said(&["tail", "-o", "json"]).well(0).out;
    assert!(stored.contains(&format!(r#""rapids":{{"id":"{id}""#)), "{stored}");
    assert!(stored.contains(r#""n":9007199254740993"#), "{stored}");
}

#[tokio::test]
async fn a_packet_of_no_kind_is_stored_with_a_warning() {
    let bench = Bench::start().await;
    let published = bench.said(&["publish", r#"{"evnt":"x"}"#]);
    assert_eq!((published.code, published.lines().len()), (0, 1), "{published:?}");
    let said = "warning: the packet given has neither `event`, `command` nor `need`\n";
    assert_eq!(published.err, said);
    let lines = "{\"event\":\"x\"}\n{\"need\":7}\n{}\n{\"event\":[\"x\"]}\n";
    let published = said_to(&mut bench.command(&["publish"]), lines);
    assert_eq!((published.code, published.lines().len()), (0, 4), "{published:?}");
    assert_eq!(
        published.err,
        "warning: line 2 has neither `event`, `command` nor `need`\n\
         warning: 2 more packets have none of these\n"
    );
    let shown = bench.said(&["tail"]);
    assert_eq!((shown.code, shown.lines().len()), (0, 5), "{shown:?}");
    assert_eq!(
        shown.err,
        "warning: sequence 1 has neither `event`, `command` nor `need` (no warning for later ones)\n"
    );
}

#[tokio::test]
async fn what_is_no_packet_or_nests_too_deep_is_refused_before_it_is_stored() {
    let bench = Bench::start().await;
    let deep = format!("{{\"event\":\"x\",\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let said = "the packet given: body is not a packet: nested 201 levels deep, the limit is 127";
    bench.said(&["publish", &deep]).badly(2, &[said]);
    bench.said(&["explain", "--where", "@.a", &deep]).badly(2, &["nested 201 levels deep"]);
    // The byte order mark is not stored.
    bench.said(&["publish", "\u{feff}{\"event\":\"x\"}"]).well(0);
    let stored = bench.said(&["tail", "-o", "json"]).well(0).out;
    assert!(stored.starts_with(r#"{"event":"x","#), "{stored}");
}

#[tokio::test]
async fn a_packet_with_an_id_is_stored_once() {
    let bench = Bench::start().await;
    let body = r#"{"event":"x","rapids":{"id":"p-1"}}"#;
    assert_eq!(bench.said(&["publish", body]).well(0).out, "1 p-1\n");
    assert_eq!(bench.said(&["publish", body]).well(0).out, "1 p-1 duplicate\n");
    let json = bench.said(&["publish", "-o", "json", body]).well(0).out;
    assert_eq!(json, "{\"sequence\":1,\"id\":\"p-1\",\"duplicate\":true}\n");
    bench
        .said(&["publish", "--count", "2", body])
        .badly(2, &["the packet given", "may not have an id of its own"]);
}

#[tokio::test]
async fn a_full_stream_is_an_error_at_once() {
    let server = NatsServer::with_config("jetstream {max_file_store: 4MB}").unwrap();
    let small = Config::new(server.url()).max_bytes(1_000_000);
    let bench = Bench { rapids: Rapids::connect(&small).await.unwrap(), server };
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let filler = stream::Config { name: "FILLER".to_owned(), ..stream::Config::default() };
    jetstream.create_stream(filler).await.unwrap();
    let fill = async || jetstream.publish("FILLER", vec![b' '; 50_000].into()).await.unwrap().await;
    while fill().await.is_ok() {}
    let body = format!(r#"{{"event":"x","pad":"{}"}}"#, "x".repeat(50_000));
    let begun = Instant::now();
    bench.said(&["publish", &body]).badly(1, &["the server is full", "max_file_store"]);
    // Without an answer it would be sent again for 30 seconds.
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_count_stores_as_many_packets_with_ids_of_their_own() {
    let bench = Bench::start().await;
    let published =
        bench.said(&["publish", "-o", "json", "-n", "2000", r#"{"event":"x"}"#]).well(0);
    let objects: Vec<Value> =
        published.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequences: Vec<_> = objects.iter().map(|object| object["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=2000).map(Some).collect::<Vec<_>>());
    assert_eq!(objects[0]["duplicate"], false);
    assert_ne!(objects[0]["id"], objects[1]["id"]);
}

#[tokio::test]
async fn lines_are_stored_in_order_and_blank_ones_skipped() {
    let bench = Bench::start().await;
    let input: String = (0..3000).map(|n| format!("{{\"event\":\"x\",\"n\":{n}}}\n\n")).collect();
    let published = said_to(&mut bench.command(&["publish"]), &input);
    assert_eq!(published.code, 0, "{published:?}");
    assert_eq!(published.lines().len(), 3000);
    assert_eq!(published.err, "blank lines skipped: 3000\n");
    let stored = bench.said(&["tail", "-o", "json"]).well(0);
    for (n, line) in stored.lines().iter().enumerate() {
        assert!(line.starts_with(&format!(r#"{{"event":"x","n":{n},"rapids""#)), "{n}: {line}");
    }
}

#[tokio::test]
async fn a_closed_output_does_not_stop_publishing() {
    let bench = Bench::start().await;
    let input: String = (0..3000).map(|n| format!("{{\"event\":\"x\",\"n\":{n}}}\n")).collect();
    let published = unread(&mut bench.command(&["publish", "-"]), 1, &input).await;
    assert_eq!(published, (Some(0), String::new()));
    assert_eq!(bench.said(&["tail"]).well(0).lines().len(), 3000);
    // The exit code still shows what happened.
    let (code, words) =
        unread(&mut bench.command(&["publish", "-"]), 0, "{\"event\":\"x\"}\nnonsense\n").await;
    assert_eq!(code, Some(2), "{words}");
    assert!(words.starts_with("error: line 2: body is not a packet: "), "{words}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_output_that_cannot_be_written_is_an_error_once_all_is_stored() {
    let bench = Bench::start().await;
    let mut command = bench.command(&["publish", "--count", "2000", r#"{"event":"x"}"#]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("cannot write the output"), "{words}");
    assert_eq!(bench.said(&["tail"]).well(0).lines().len(), 2000);
}

#[tokio::test]
async fn the_first_bad_line_ends_it_and_is_named() {
    let bench = Bench::start().await;
    let input = "{\"event\":\"a\"}\n{\"event\":\"b\"}\nnonsense\n{\"event\":\"d\"}\n";
    let published = said_to(&mut bench.command(&["publish", "-"]), input);
    assert_eq!(published.code, 2, "{published:?}");
    assert_eq!(published.lines().len(), 2);
    assert!(published.err.starts_with("error: line 3: body is not a packet: "), "{published:?}");
    assert_eq!(bench.said(&["tail"]).well(0).lines().len(), 2);
}

#[tokio::test]
async fn a_packet_that_is_too_large_is_refused_with_the_limit() {
    let bench = Bench::start().await;
    let large = format!("{{\"event\":\"x\",\"pad\":\"{}\"}}\n", "x".repeat(1_000_000));
    let input = format!("{{\"event\":\"x\"}}\n{large}");
    let published = said_to(&mut bench.command(&["publish", "-"]), &input);
    assert_eq!((published.code, published.lines().len()), (1, 1), "{}", published.err);
    assert!(published.err.contains("line 2: packet"), "{}", published.err);
    assert!(published.err.contains("the limit is 983040"), "{}", published.err);
}

#[test]
fn what_is_no_packet_is_refused_before_a_server_is_needed() {
    let server = rapids_test::NatsServer::start().unwrap();
    let url = server.url();
    said(&mut rapids(&["publish", "-s", &url, "{}"]))
        .badly(5, &["there is no stream `RAPIDS` at ", "the first service that starts creates it"]);
    said(&mut rapids(&["publish", "--count", "0", "{}"])).badly(2, &["--count", "0 is not in 1.."]);
}

#[tokio::test]
async fn lines_are_stored_as_they_come_until_it_is_interrupted() {
    let bench = Bench::start().await;
    let mut publishing = Program::start(&mut bench.command(&["publish", "-"]));
    for sequence in ["1 ", "2 "] {
        publishing.give("{\"event\":\"x\"}\n");
        let place = publishing.line().await;
        assert!(place.starts_with(sequence), "{place}");
    }
    publishing.interrupt();
    assert_eq!(publishing.end().await, (Some(130), vec![], String::new()));
}
