//! What people say of letters: comments, tags, redirects.

use super::*;

#[tokio::test]
async fn a_comment_is_printed_with_its_letter() {
    let letters = Letters::start().await;
    letters.put("payment.charge.17", &[]).await;
    letters.said(&["comment", "payment.charge.17", "I ask the bank", "--by", "bob"]).well(0);
    letters.said(&["comment", "payment.charge.99", "hello"]).badly(5, &["does not exist"]);
    letters.said(&["comment", "payment.charge.17", " "]).badly(2, &["the comment", "1 to 4000"]);
    let shown = letters.said(&["show", "payment.charge.17"]).well(0).out;
    assert!(shown.contains("by bob: I ask the bank"), "{shown}");
    let shown = json(&letters.said(&["show", "payment.charge.17", "-o", "json"]).well(0).out);
    let comments = shown["comments"].as_array().unwrap();
    assert_eq!((comments.len(), &comments[0]["text"]), (1, &"I ask the bank".into()));
}

#[tokio::test]
async fn a_tag_stands_with_the_group_of_a_letter_until_it_is_removed() {
    let letters = Letters::start().await;
    letters.put("payment.charge.17", &[]).await;
    letters.put("payment.charge.18", &[]).await;
    let id = "payment.charge.18";
    letters.said(&["tag", id]).badly(2, &["TAG"]);
    letters.said(&["tag", id, "--remove"]).badly(5, &["has no tag"]);
    letters.said(&["tag", id, "needs a fix", "--reason", "ticket 17"]).well(0);
    let groups = letters.said(&["list", "--group", "-o", "json"]).well(0).out;
    assert_eq!(json(&groups)["tag"], "needs a fix");
    let groups = letters.said(&["list", "--group"]).well(0).out;
    assert!(groups.ends_with(" [needs a fix]\n"), "{groups}");
    letters.said(&["tag", id, "--remove"]).well(0);
    let groups = letters.said(&["list", "--group", "-o", "json"]).well(0).out;
    assert_eq!(json(&groups)["tag"], Value::Null);
}

// The service runs while the commands are waited for.
#[tokio::test(flavor = "multi_thread")]
async fn letters_of_a_retired_river_go_to_its_successor() {
    let letters = Letters::start().await;
    let river = River::new("collect")
        .event("order_placed")
        .react(|_: Packet| async { Ok(Packet::event("collected")) });
    let billing = letters.bench.run("billing", "1.0.0", river).await;
    letters.put("payment.charge.17", &[]).await;
    letters.said(&["redirect"]).well_with(0, "nothing is redirected\n");
    for (to, code, why) in [
        ("billing/other", 5, "it has collect"),
        ("nobody/collect", 2, "has run here"),
        ("payment/charge", 2, "do not come back"),
        ("billing", 2, "a service and a river"),
    ] {
        letters.said(&["redirect", "payment/charge", to]).badly(code, &[why]);
    }
    let set = ["redirect", "payment/charge", "billing/collect", "--reason", "it was split"];
    let set = letters.said(&set).well(0).out;
    assert!(set.starts_with("payment/charge -> billing/collect  by ada@"), "{set}");
    assert!(set.ends_with(" (it was split)\n"), "{set}");
    assert_eq!(letters.said(&["redirect"]).well(0).out, set);
    let replayed = letters.said(&["replay", "payment.charge.17", "--wait"]).well(0);
    let lines =
        ["payment.charge.17 replayed: replay 1 to billing/collect", "payment.charge.17 handled"];
    assert_eq!(replayed.lines(), lines);
    letters.said(&["redirect", "payment/charge", "--withdraw"]).well(0);
    let again = letters.said(&["redirect", "payment/charge", "--withdraw"]);
    again.badly(5, &["the letters of `payment/charge` are not redirected"]);
    billing.stop().await;
}
