//! Texts of other programs do no harm to the terminal on which they are printed.

use async_nats::service::ServiceExt;
use serde_json::Value;

use crate::bench::{Bench, Said, said};
use crate::letters::Letters;

/// A text that moves the cursor, begins another line, and reverses the order of what follows.
pub(crate) const EVIL: &str = "a\u{1b}[2Jb\n! forged: line\u{9b}31m\u{202e}c\u{200b}\u{7f}\td";
/// The same text as it is to be printed.
const SHOWN: &str = r"a\u{1b}[2Jb\n! forged: line\u{9b}31m\u{202e}c\u{200b}\u{7f}\td";

/// Asserts that the output has no control characters and no forged line.
#[track_caller]
pub(crate) fn harmless(said: &Said) {
    for text in [&said.out, &said.err] {
        let bad = |it: char| {
            (it.is_control() && it != '\n') || ['\u{202e}', '\u{200b}', '\u{feff}'].contains(&it)
        };
        assert!(!text.contains(bad), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("! forged")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_services_announce_is_printable_and_exact_as_json() {
    let bench = Bench::start().await;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    // Its own rivers, as rules that this program reads, and a fact.
    let rules = serde_json::json!([{ "name": EVIL, "conditions": [], "requirements": [], "ignore_invalid": false }]);
    let metadata = [
        ("rapids.stream".to_owned(), "RAPIDS".to_owned()),
        ("rapids.rules".to_owned(), rules.to_string()),
        ("state:paused".to_owned(), EVIL.to_owned()),
    ];
    let _service = client
        .service_builder()
        .metadata(metadata.into_iter().collect())
        .start("stranger", "1.0.0")
        .await
        .unwrap();
    let listed = bench.said(&["services"]).well(0);
    harmless(&listed);
    assert!(listed.out.contains(&format!("! paused: {SHOWN}")), "{listed:?}");
    let json: Value =
        serde_json::from_str(&bench.said(&["services", "-o", "json"]).well(0).out).unwrap();
    assert_eq!(json["instances"][0]["facts"]["paused"], EVIL);
    assert_eq!(json["instances"][0]["rivers"][0]["name"], EVIL);
    harmless(&bench.said(&["explain", "--river", "stranger/none", "{}"]));
}

#[tokio::test]
async fn packets_are_printable_and_exact_as_json() {
    let bench = Bench::start().await;
    let body = serde_json::json!({ "event": EVIL, EVIL: EVIL, "rapids": { "id": EVIL } });
    bench.publish(&body.to_string()).await;
    bench.publish_raw(&format!("{{\"event\":\"x\",\"{}", "\u{202e}\u{9b}")).await;
    let shown = bench.said(&["tail"]);
    harmless(&shown);
    assert!(shown.out.contains(r"\u{202e}"), "{shown:?}");
    let json: Value = serde_json::from_str(&bench.said(&["tail", "-o", "json"]).out).unwrap();
    assert_eq!((&json["event"], &json[EVIL]), (&EVIL.into(), &EVIL.into()));
    let again = bench.said(&["publish", &body.to_string()]).well(0);
    harmless(&again);
    harmless(&bench.said(&["explain", "--where", "@.event == 'x'", "--sequence", "1"]));
}

#[tokio::test]
async fn dead_letters_are_printable_and_exact_as_json() {
    let letters = Letters::start().await;
    // Headers cannot contain line feeds.
    let evil = EVIL.replace('\n', " ");
    let headers = [
        ("Rapids-Reason", SHOWN),
        ("Rapids-Instance", &*evil),
        ("Rapids-Packet-Id", &*evil),
        ("Rapids-Name", &*evil),
    ];
    letters.put("payment.charge.17", &headers).await;
    let command = |arguments: &[&str]| {
        let mut command = letters.bench.command(&["dead-letters"]);
        said(command.args(arguments).args(["--by", EVIL]))
    };
    let look = |arguments: &[&str]| {
        let mut command = letters.bench.command(&["dead-letters"]);
        said(command.args(arguments))
    };
    harmless(&look(&["list"]).well(0));
    harmless(&look(&["list", "--group"]).well(0));
    let shown = look(&["show", "payment.charge.17"]).well(0);
    harmless(&shown);
    // Each line of a reason is a line, indented below its name.
    assert!(shown.out.contains("\n              ! forged: line"), "{shown:?}");
    harmless(&command(&["discard", "payment.charge.17", "--reason", EVIL]).well(0));
    harmless(&look(&["show", "payment.charge.17"]).well(0));
    // The error for the second action names the author of the first.
    let refused = look(&["replay", "payment.charge.17"]);
    harmless(&refused);
    assert!(refused.err.contains(SHOWN), "{refused:?}");
    let json: Value =
        serde_json::from_str(&look(&["show", "payment.charge.17", "-o", "json"]).out).unwrap();
    assert_eq!(json["actions"][0]["why"], EVIL);
}

#[test]
fn names_of_files_are_printable() {
    let refused = said(&mut crate::bench::rapids(&["tail", "--creds", EVIL]));
    harmless(&refused);
    assert!(refused.err.contains(SHOWN), "{refused:?}");
}

#[test]
fn arguments_that_are_wrong_are_quoted_printably() {
    let since = format!("--since={EVIL}");
    for arguments in [&["dead-letters", "show", EVIL][..], &["tail", &since], &["tail", EVIL]] {
        let refused = said(&mut crate::bench::rapids(arguments));
        assert_eq!(refused.code, 2, "{refused:?}");
        harmless(&refused);
        assert!(refused.err.contains(SHOWN), "{refused:?}");
    }
}
