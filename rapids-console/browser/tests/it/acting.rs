//! Acting on dead letters as an operator does, with a mouse and a keyboard.

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
