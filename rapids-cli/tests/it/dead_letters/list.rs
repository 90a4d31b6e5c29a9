//! Listing, grouping and showing letters.

use super::json;
use crate::letters::{BODY, Letters};

#[tokio::test]
async fn waiting_letters_are_listed() {
    let letters = Letters::start().await;
    letters.said(&["list"]).well_with(0, "no such letter is waiting\n");
    letters.put_all([17, 18]).await;
    letters.put("stock.take.3", &[("Rapids-Kind", "invalid"), ("Rapids-Name", "sale")]).await;
    let listed = letters.said(&["list"]).well(0);
    let [headings, first, _, third] = listed.lines()[..] else { panic!("{listed:?}") };
    assert!(headings.starts_with("STORED                ID                 KIND  "), "{headings}");
    assert!(first.contains("Z  payment.charge.17  exhausted  waiting  order_placed      5  no a"));
    assert!(third.contains("Z  stock.take.3       invalid    waiting  sale              5  no a"));

    letters.said(&["discard", "payment.charge.17", "--reason", "paid in cash"]).well(0);
    let ids = |arguments: &[&str]| -> Vec<String> {
        let listed = letters.said(&[&["list", "-o", "json"], arguments].concat()).well(0);
        listed.lines().iter().map(|line| json(line)["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]), ["payment.charge.18", "stock.take.3"]);
    assert_eq!(ids(&["--state", "discarded"]), ["payment.charge.17"]);
    assert_eq!(ids(&["--state", "any"]).len(), 3);
    assert_eq!(ids(&["--service", "stock"]), ["stock.take.3"]);
    assert_eq!(ids(&["--river", "charge", "--state", "any"]).len(), 2);
    assert_eq!(ids(&["--kind", "invalid"]), ["stock.take.3"]);
    assert_eq!(ids(&["--event", "sale"]), ["stock.take.3"]);
    assert_eq!(ids(&["--since", "1h", "--limit", "1"]), ["payment.charge.18"]);
    let later = letters.said(&["list", "--kind", "unhappy"]);
    assert_eq!((later.code, later.out.as_str()), (0, ""));
    assert!(later.err.contains("this version does not know the kind `unhappy`"), "{}", later.err);
    letters.said(&["list", "--kind", "no word"]).badly(2, &["timed_out, ", "too_costly"]);
    letters.said(&["list", "--service", "a.b"]).badly(2, &["the service is `a.b`, expected 1 to"]);
}

#[tokio::test]
async fn letters_are_grouped_by_cause() {
    let letters = Letters::start().await;
    letters.put_all(1..=3).await;
    letters.put("stock.take.4", &[("Rapids-Kind", "invalid")]).await;
    let grouped = letters.said(&["list", "--group"]).well(0);
    let [_, first, second] = grouped.lines()[..] else { panic!("{grouped:?}") };
    assert!(first.starts_with("    3  payment.charge  exhausted  20"), "{first}");
    assert!(first.ends_with("Z  payment.charge.1  no answer for order <id>"), "{first}");
    assert!(second.starts_with("    1  stock.take      invalid    20"), "{second}");
    let grouped = letters.said(&["list", "--group", "-o", "json"]).well(0);
    let first = json(grouped.lines()[0]);
    assert_eq!((&first["count"], &first["example"]), (&3.into(), &"payment.charge.1".into()));
    assert_eq!(first["reason"], "no answer for order <id>");
}

#[tokio::test]
async fn a_letter_is_shown_with_every_digit_of_its_packet() {
    let letters = Letters::start().await;
    let reason = ("Rapids-Reason", r"bank says:\n\u{1b}[31mno");
    letters.put("payment.charge.17", &[reason]).await;
    let shown = letters.said(&["show", "payment.charge.17"]).well(0).out;
    for line in [
        "payment.charge.17  exhausted  waiting\n",
        "reason        bank says:\n              \\u{1b}[31mno\n",
        "caused by     connection refused\ncaused by     os error 111\n",
        "tried         5 times, by instance Xa81\n",
        "failed        2026-11-21T09:30:01Z to 2026-11-21T09:31:00Z\n",
        "on the rapids sequence 17, stored 2026-11-21T09:30:00Z\n",
        "packet        order_placed p-17, 82 bytes\n",
        "\n  \"total\": 9007199254740993,\n  \"price\": 1.10,\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let second =
        shown.lines().find_map(|line| line.strip_prefix("letter        message 1, stored "));
    assert_eq!(second.map(str::len), Some("2026-11-21T09:30:00Z".len()), "{shown}");
    let listed = letters.said(&["list"]).well(0).out;
    assert!(listed.contains(r"bank says:\n\u{1b}[31mno: os error 111"), "{listed}");
    letters.put("payment.charge.19", &[("Rapids-Attempts", "0"), ("Rapids-Kind", "invalid")]).await;
    let untried = letters.said(&["show", "payment.charge.19"]).well(0).out;
    assert!(untried.contains("\nfound by      instance Xa81\n"), "{untried}");
    assert!(!untried.contains("never"), "{untried}");
    let shown = letters.said(&["show", "payment.charge.17", "-o", "json"]).well(0).out;
    assert!(shown.contains(&format!(r#""packet":{BODY}"#)), "{shown}");
    assert_eq!(json(&shown)["causes"][1], "os error 111");
    letters
        .said(&["show", "payment.charge.18"])
        .badly(5, &["dead letter `payment.charge.18` does not exist, or has expired"]);
    letters.said(&["show", "17"]).badly(2, &["expected SERVICE.RIVER.SEQUENCE"]);
}

#[tokio::test]
async fn a_letter_names_the_one_from_before_the_position_was_moved() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    let former = ("Rapids-Former", "payment.charge.17");
    let changes = [("Rapids-Epoch", "1"), former, ("Rapids-Packet-Id", "p-17")];
    letters.put("payment.charge.17-2", &changes).await;
    let shown = letters.said(&["show", "payment.charge.17-2"]).well(0).out;
    let former = "failed before payment.charge.17, and the position was moved since\n";
    assert!(shown.contains(former), "{shown}");
    for id in ["payment.charge.17", "payment.charge.17-2"] {
        let shown = letters.said(&["show", id]).well(0).out;
        let history = "payment.charge.17 (waiting) > payment.charge.17-2 (waiting)\n";
        assert!(shown.contains(history), "{shown}");
    }
    let json = letters.said(&["show", "payment.charge.17-2", "-o", "json"]).well(0).out;
    let output: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&output["epoch"], &output["former"]), (&1.into(), &"payment.charge.17".into()));
}
