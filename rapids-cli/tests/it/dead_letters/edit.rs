//! Sending corrected packets.

use super::charge;
use crate::bench::said;
use crate::letters::Letters;

#[tokio::test]
async fn an_edit_changes_one_field_and_no_other_digit() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    let id = "payment.charge.17";
    letters.said(&["edit", id]).badly(2, &["--set <FIELD=JSON>", "--editor"]);
    letters.said(&["edit", id, "--set", "total=ten"]).badly(2, &["a text needs quotes"]);
    letters
        .said(&["edit", id, "--set", "@.rapids.id=\"x\""])
        .badly(2, &["field `@.rapids.id` belongs to the bus"]);
    let edited = letters.said(&["edit", id, "--set", "@.n.c=10.00", "--set", "by=\"ada\""]);
    assert_eq!(edited.code, 0, "{edited:?}");
    assert!(edited.err.contains("service `payment` does not run, so it is unknown"), "{edited:?}");
    assert!(edited.out.starts_with("payment.charge.17 edited: packet "), "{edited:?}");
    let replay = letters.replay().await;
    let text = std::str::from_utf8(&replay.payload).unwrap();
    let facts = r#"{"event":"order_placed","total":9007199254740993,"price":1.10,"n":{"b":1.50,"c":10.00},"by":"ada","rapids":"#;
    assert!(text.starts_with(facts), "{text}");
    let again = letters.said(&["edit", id, "--set", "total=1"]);
    again.badly(1, &["dead letter `payment.charge.17` was edited by `ada@", " already"]);
}

#[tokio::test]
async fn an_edited_packet_must_be_one_that_the_river_takes() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    let _payment = letters.bench.run("payment", "1.0.0", charge()).await;
    let id = "payment.charge.17";
    letters
        .said(&["edit", id, "--set", "total=-1"])
        .badly(2, &["river `payment.charge` would not take the packet: requires `@.total > 0`"]);
    letters
        .said(&["edit", id, "--set", "event=\"other\""])
        .badly(2, &["its conditions are `@.event == 'order_placed'`; `--force` sends it anyway"]);
    assert_eq!(letters.states(&[id]), ["waiting"]);
    let rehearsed = letters.said(&["edit", id, "--set", "total=1", "--dry-run"]).well(0);
    assert_eq!(rehearsed.out, "1 letter would be edited\n");
    letters.said(&["edit", id, "--set", "total=-1", "--force"]).well(0);
}

#[tokio::test]
async fn an_editor_may_change_the_packet() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    let edit = |editor: &str| {
        let mut command = letters.command(&["edit", "payment.charge.17", "--editor"]);
        said(command.env_remove("VISUAL").env("EDITOR", editor))
    };
    edit("true").well_with(1, "nothing was changed\n");
    edit("false").badly(2, &["the editor `false` failed", "nothing was changed"]);
    edit("sed -i 's/{/[/'").badly(2, &["body is not a packet"]);
    let edited = edit("sed -i 's/\"price\": 1.10/\"price\": 2.20/'");
    assert_eq!(edited.code, 0, "{edited:?}");
    let replay = letters.replay().await;
    let text = std::str::from_utf8(&replay.payload).unwrap();
    assert!(text.starts_with(r#"{"event":"order_placed","total":9007199254740993,"price":2.20,"#));
}
