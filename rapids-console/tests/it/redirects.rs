//! Redirects, comments, and acting on all letters that a search finds.

use rapids_client::{Packet, River, State};

use crate::acting::{bench_with_letters, states};

#[tokio::test]
async fn letters_go_to_a_successor_until_the_redirect_is_withdrawn() {
    let bench = bench_with_letters(2).await;
    let collect = River::new("collect").event("order_placed").react(async |_: Packet| Ok(()));
    bench.serve("billing", vec![collect]).await;
    let console = bench.console(&[]).await;
    let (page, letter) = ("/dead-letters/redirects", "/dead-letters/payment.charge.1");
    console.get_with(letter, "too small").await;
    console.get_with("/", "billing").await;
    let shown = console.get_with(page, "billing/collect").await.body;
    assert!(shown.contains("id=\"no-redirects\"") && shown.contains("value=\"payment/charge\""));
    for (form, why) in [
        ("from=payment&to=billing/collect", "`payment` is no river"),
        ("from=payment/charge&to=billing/other", "announces no river other"),
        ("from=payment/charge&to=nobody/other", "has run here"),
        ("from=payment/charge&to=payment/charge", "do not come back to `payment/charge`"),
    ] {
        let refused = console.act(page, page, form).await;
        assert!(refused.status.starts_with("400") && refused.body.contains(why), "{refused:?}");
    }
    let form = "from=payment/charge&to=billing/collect&reason=payment+was+split";
    let set = console.act(page, page, form).await;
    assert_eq!(set.header("location"), Some(page), "{set:?}");
    let shown = console.get(page).await.body;
    assert!(shown.contains("payment was split") && shown.contains("anonymous"), "{shown}");
    let shown = console.get(letter).await.body;
    assert!(shown.contains("goes to billing/collect instead"), "{shown}");
    assert!(shown.contains("billing/collect, as it is announced now, would take it"), "{shown}");
    let retry = "/operations/plan?action=replay&service=payment&river=charge";
    assert!(console.get(page).await.body.contains(&retry.replace('&', "&#38;")));
    let plan = console.get(retry).await.body;
    assert!(plan.contains("billing/collect") && plan.contains("instead of payment/charge"));
    console.act(letter, &format!("{letter}/replay"), "").await;
    let outcome = format!("{letter}/outcome");
    console.get_with(&outcome, "billing/collect has handled the packet").await;
    let shown = console.get(letter).await.body;
    assert!(shown.contains("sent to billing/collect as replay 1"), "{shown}");

    let withdraw = format!("{page}/withdraw");
    console.act(page, &withdraw, "from=payment/charge").await;
    assert!(console.get(page).await.body.contains("id=\"no-redirects\""));
    let late = console.act(page, &withdraw, "from=payment/charge").await;
    assert!(late.status.starts_with("404") && late.body.contains("somebody was quicker"));
    let log = console.get("/operations").await.body;
    assert!(log.contains("redirect") && log.contains("withdraw redirect"), "{log}");
}

#[tokio::test]
async fn a_comment_stands_with_its_letter_as_it_was_written() {
    let bench = bench_with_letters(1).await;
    let console = bench.console(&[]).await;
    let letter = "/dead-letters/payment.charge.1";
    console.get_with(letter, "Nobody has said anything").await;
    let form = "text=I+ask+the+bank.%0A%3Cb%3Enow%3C/b%3E";
    let said = console.act(letter, &format!("{letter}/comment"), form).await;
    assert!(said.status.starts_with("303"), "{said:?}");
    let page = console.get(letter).await.body;
    assert!(page.contains("I ask the bank.") && page.contains("&#60;b&#62;now"), "{page}");
    let empty = console.act(letter, &format!("{letter}/comment"), "text=+").await;
    assert!(empty.status.starts_with("400"), "{empty:?}");
    assert_eq!(states(&bench, State::Waiting).await, 1);
}

#[tokio::test]
async fn all_that_a_search_finds_is_acted_on_and_nothing_else() {
    let bench = bench_with_letters(12).await;
    let console = bench.console(&[]).await;
    console.get_with("/dead-letters/payment.charge.12", "too small").await;
    console.get_until("/dead-letters", |page| page.body.contains(">12<")).await;
    let found = console.get("/dead-letters?q=payment.CHARGE.1").await.body;
    assert!(found.contains("4 shown of 4") && found.contains("id=\"found-replay\""), "{found}");
    let plan = "/operations/plan?action=discard&q=payment.CHARGE.1";
    assert!(console.get(plan).await.body.contains("Discard 4 letters?"));
    let form = "action=discard&q=payment.CHARGE.1&reason=a+test";
    let begun = console.act(plan, "/operations/begin", form).await;
    console.get_with(begun.header("location").unwrap(), "> done</span>").await;
    assert_eq!(states(&bench, State::Discarded).await, 4);
    let masked = bench.console(&["--mask", "total"]).await;
    masked.get_with("/dead-letters/payment.charge.1", "payment.charge.1").await;
    let found = masked.get("/dead-letters?q=payment.charge.1").await.body;
    assert!(!found.contains("found-replay"), "what is masked is not found by trying: {found}");
    assert!(masked.get(plan).await.status.starts_with("403"));
}
