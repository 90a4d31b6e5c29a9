//! `rapids ask`.

use rapids_client::{Packet, River};

use crate::bench::{Bench, said_to};

/// Says two things of each call, and a third if it is to refuse.
fn answering() -> River {
    River::new("answer").event("called").react(|packet: Packet| async move {
        let n = packet.get::<u64>("n")?;
        let name = if n == Some(13) { "refused" } else { "answered" };
        Ok(vec![Packet::event("begun").with("n", n), Packet::event(name).with("n", n)])
    })
}

const CALL: &str = r#"{"event":"called","n":7}"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_is_printed_as_a_line_or_as_it_is_stored() {
    let bench = Bench::start().await;
    let service = bench.run("answering", "1.0.0", answering()).await;
    let ask = |rest: &[&str]| {
        let arguments: Vec<_> = ["ask", CALL, "--within", "30s"].iter().chain(rest).collect();
        bench.said(&arguments.into_iter().copied().collect::<Vec<_>>())
    };
    let line = ask(&["--event", "answered", "--event", "refused"]).well(0).out;
    assert!(line.contains(" 3  event   answered                 answering      ~"), "{line}");
    let json = ask(&["--until", "@.event == 'begun' && @.n == 7", "-o", "json"]).well(0).out;
    assert!(json.starts_with(r#"{"event":"begun","n":7,"rapids":{"#), "{json}");
    let both = ask(&["--until", "@.n", "--collect", "2", "-o", "json"]).well(0);
    assert_eq!(both.lines().len(), 2, "{both:?}");
    let refused = r#"{"event":"called","n":13}"#;
    let mut command = bench.command(&["ask", "-", "--event", "refused", "--within", "30s"]);
    let line = said_to(&mut command, refused).well(0).out;
    assert!(line.contains("  event   refused "), "{line}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_time_is_up_what_came_is_printed_and_the_code_is_1() {
    let bench = Bench::start().await;
    let service = bench.run("answering", "1.0.0", answering()).await;
    let said = bench.said(&["ask", CALL, "--event", "never", "--within", "3s"]);
    assert_eq!((said.code, said.lines().len()), (1, 2), "{said:?}");
    assert_eq!(said.err, "the time of 3s is up; packets of the conversation until then: 2\n");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_before_anything_is_published() {
    let bench = Bench::start().await;
    let ask = |rest: &[&str]| {
        let arguments: Vec<_> = ["ask"].iter().chain(rest).copied().collect();
        bench.said(&arguments)
    };
    ask(&[CALL, "--within", "1s"]).badly(2, &["--event <NAME>", "--until <EXPRESSION>"]);
    ask(&[CALL, "--event", "x"]).badly(2, &["--within <DURATION>"]);
    ask(&[CALL, "--event", "x", "--within", "soon"]).badly(2, &["a duration such as `500ms`"]);
    ask(&[CALL, "--until", "@.n >> 1", "--within", "1s"]).badly(2, &["at column 6: "]);
    ask(&[CALL, "--event", "x", "--collect", "0", "--within", "1s"]).badly(2, &["--collect <N>"]);
    ask(&["{]", "--event", "x", "--within", "1s"])
        .badly(2, &["the packet given: body is not a packet: "]);
    let large = format!(r#"{{"event":"called","text":"{}"}}"#, "x".repeat(1_100_000));
    let mut command = bench.command(&["ask", "--event", "x", "--within", "1s"]);
    said_to(&mut command, &large).badly(1, &["is refused: it has ", "the limit is "]);
    assert_eq!(bench.said(&["tail"]).well(0).out, "");
}

#[test]
fn help_tells_the_exit_codes() {
    let help = crate::bench::said(&mut crate::bench::rapids(&["ask", "--help"])).well(0).out;
    for words in ["Exit code: 0 if it came, 1 when the time is up", "--event order_refused"] {
        assert!(help.contains(words), "{help}");
    }
}
