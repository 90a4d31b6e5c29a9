//! Acting as an operator does, with a mouse and a keyboard.

use std::time::Duration;

use anyhow::Result;
use browser::{Browser, Console, Look, Theme};
use rapids_client::{Config, Packet, River, Service, reject};

/// A console with letters about orders of 1 of a service that takes orders of 10 or more.
async fn with_letters(count: u64) -> Result<Console> {
    let console = Console::start(&[]).await?;
    let charge = River::new("charge").event("order_placed").require_that("@.total >= 0");
    let charge = charge.react(async |packet: Packet| match packet.get::<u64>("total")? {
        Some(10..) => Ok(()),
        _ => Err(reject("the total is too small")),
    });
    let config = Config::new(console.server.url());
    tokio::spawn(Service::new("payment", config).from_beginning().river(charge).run());
    // Pages tell what its rules make of a packet when they are asked, and do not ask again.
    while console.rapids.services(Duration::from_millis(100)).await?.is_empty() {}
    for _ in 0..count {
        console.rapids.publish(Packet::event("order_placed").with("total", 1)).await?;
    }
    Ok(console)
}

/// Makes sure that everybody can use the page.
async fn is_for_everybody(browser: &Browser) -> Result<()> {
    for look in [Look::desk(Theme::Light), Look::phone(Theme::Dark)] {
        browser.look(look).await?;
        let faults = browser.faults().await?;
        assert!(faults.is_empty(), "{} {}: {faults:#?}", look.name(), browser.address().await?);
    }
    browser.look(Look::desk(Theme::Light)).await
}

#[tokio::test]
async fn a_letter_is_edited_and_the_page_tells_that_it_was_handled() -> Result<()> {
    let (console, browser) = (with_letters(1).await?, Browser::start().await?);
    let letter = format!("{}/dead-letters/payment.charge.1", console.url);
    browser.open_until(&letter, "would take it").await?;
    is_for_everybody(&browser).await?;
    browser.element("#letter-edit").await?.click().await?;
    let text = browser.element("#edit-body").await?;
    let written = text.prop("value").await?.unwrap_or_default();
    text.clear().await?;
    text.send_keys(written.replace("\"total\": 1", "\"total\": ")).await?;
    browser.element("#edit-fault").await?;
    text.clear().await?;
    text.send_keys(written.replace("\"total\": 1", "\"total\": 12")).await?;
    browser.element(".difference .added").await?;
    browser.text_with("would take it").await?;
    is_for_everybody(&browser).await?;
    browser.element("#send").await?.click().await?;
    // Without being loaded again.
    browser.text_with("has handled the packet").await?;
    browser.text_with("edited").await?;
    browser.close().await
}

#[tokio::test]
async fn of_two_operators_the_second_is_told_who_was_quicker() -> Result<()> {
    let console = with_letters(1).await?;
    let (one, other) = (Browser::start().await?, Browser::start().await?);
    let letter = format!("{}/dead-letters/payment.charge.1", console.url);
    for browser in [&one, &other] {
        browser.open_until(&letter, "would take it").await?;
    }
    one.element("input[name=reason]").await?.send_keys("a test order").await?;
    one.element("#letter-discard").await?.click().await?;
    one.text_with("Restore").await?;
    other.element("#letter-replay").await?.click().await?;
    let told = other.text_with("was discarded by").await?;
    assert!(told.contains("`anonymous`") && told.contains("Nothing was changed"), "{told}");
    one.close().await?;
    other.close().await
}

#[tokio::test]
async fn chosen_letters_are_retried_behind_a_plan_at_a_rate_that_is_held() -> Result<()> {
    let (console, browser) = (with_letters(40).await?, Browser::start().await?);
    browser.open_until(&format!("{}/dead-letters/all", console.url), "1 to 40 of 40").await?;
    is_for_everybody(&browser).await?;
    browser.element("input[data-choose-all]").await?.click().await?;
    browser.element("#letters-replay").await?.click().await?;
    browser.text_with("Retry 40 letters?").await?;
    is_for_everybody(&browser).await?;
    browser.element("input[name=rate]").await?.send_keys("10").await?;
    browser.element("#plan-begin").await?.click().await?;
    browser.text_with("at most 10 a second").await?;
    browser.element("button[formaction$='/pause']").await?.click().await?;
    let paused = browser.text_with("paused by anonymous").await?;
    assert!(!paused.contains("40 done"), "{paused}");
    is_for_everybody(&browser).await?;
    browser.element("button[formaction$='/resume']").await?.click().await?;
    browser.text_with("40 done").await?;
    browser.open_until(&format!("{}/operations", console.url), "finish job").await?;
    is_for_everybody(&browser).await?;
    browser.close().await
}

/// Waits until the page of a position says that everything up to here is done.
async fn done_up_to(browser: &Browser, sequence: u64) -> Result<()> {
    let wanted = format!("Done up to {sequence} ");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    browser.text_until(|text| words(text).contains(&wanted)).await.map(drop)
}

#[tokio::test]
async fn a_position_is_moved_behind_a_plan_and_the_page_follows_it() -> Result<()> {
    let (console, browser) = (with_letters(3).await?, Browser::start().await?);
    let page = format!("{}/services/payment/position", console.url);
    browser.open_until(&page, "Done up to").await?;
    done_up_to(&browser, 3).await?;
    is_for_everybody(&browser).await?;
    browser.open_until(&console.url, "payment").await?;
    browser.element("a[href$='/services/payment/position']").await?.click().await?;
    browser.element("input[name=at]").await?.send_keys("1h").await?;
    browser.element("#move-plan").await?.click().await?;
    let plan = browser.text_with("Read 3 packets again?").await?;
    assert!(plan.contains("runs again, and publishes again"), "{plan}");
    is_for_everybody(&browser).await?;
    browser.element("input[name=reason]").await?.send_keys("the tax was missing").await?;
    browser.element("#position-move").await?.click().await?;
    browser
        .text_with("payment goes on with sequence 1: 3 packets to read, 3 of them again")
        .await?;
    browser.text_with("the tax was missing").await?;
    console.rapids.publish(Packet::event("order_placed").with("total", 12)).await?;
    // Without being loaded again.
    done_up_to(&browser, 4).await?;
    is_for_everybody(&browser).await?;
    browser.close().await
}

#[tokio::test]
async fn what_comes_again_and_again_is_set_by_a_form_that_keeps_what_was_written() -> Result<()> {
    let (console, browser) = (with_letters(0).await?, Browser::start().await?);
    browser.open_until(&format!("{}/timers", console.url), "No timer waits").await?;
    browser.element("#set-timer").await?.click().await?;
    let text = browser.element("#publish-body").await?;
    text.clear().await?;
    text.send_keys(r#"{"event": "order_placed", "total": 12}"#).await?;
    browser.text_with("1 rivers would take it").await?;
    browser.element("#again summary").await?.click().await?;
    browser.element("input[name=schedule]").await?.send_keys("each hour").await?;
    browser.element("input[name=name]").await?.send_keys("report").await?;
    is_for_everybody(&browser).await?;
    browser.element("#publish").await?.click().await?;
    browser.text_with("the server reads no schedule in it").await?;
    is_for_everybody(&browser).await?;
    let schedule = browser.element("input[name=schedule]").await?;
    schedule.clear().await?;
    schedule.send_keys("@every 1h").await?;
    browser.element("#publish").await?.click().await?;
    browser.text_with("EVERY.report").await?;
    is_for_everybody(&browser).await?;
    browser.close().await
}

#[tokio::test]
async fn a_letter_is_commented_on_and_goes_to_the_successor_of_its_river() -> Result<()> {
    let (console, browser) = (with_letters(1).await?, Browser::start().await?);
    let collect = River::new("collect").event("order_placed").react(async |_: Packet| Ok(()));
    let config = Config::new(console.server.url());
    tokio::spawn(Service::new("billing", config).from_beginning().river(collect).run());
    let letter = format!("{}/dead-letters/payment.charge.1", console.url);
    browser.open_until(&letter, "would take it").await?;
    browser.element("textarea[name=text]").await?.send_keys("I ask the bank").await?;
    browser.element("#comment").await?.click().await?;
    browser.element("#letter-comments").await?;
    is_for_everybody(&browser).await?;
    let redirects = format!("{}/dead-letters/redirects", console.url);
    browser.open_until(&redirects, "Nothing is redirected").await?;
    browser.element("input[name=from]").await?.send_keys("payment/charge").await?;
    browser.element("input[name=to]").await?.send_keys("billing/collect").await?;
    browser.element("#redirect-set").await?.click().await?;
    browser.element("#redirects").await?;
    is_for_everybody(&browser).await?;
    browser.open_until(&letter, "goes to billing/collect instead").await?;
    browser.element("#letter-replay").await?.click().await?;
    browser.text_with("billing/collect has handled the packet").await?;
    is_for_everybody(&browser).await?;
    browser.close().await
}
