//! The first minute of a newcomer: the payment of the shop is broken, and mended, by buttons and links alone.

use anyhow::{Context, Result};
use browser::{Browser, Shop};
use serde_json::{Value, json};

/// Presses a button of the overview.
async fn press(browser: &Browser, shop: &Shop, place: usize) -> Result<()> {
    browser.open(&shop.url).await?;
    browser.element(&format!("#buttons button:nth-of-type({place})")).await?.click().await?;
    browser.element("#published").await?;
    Ok(())
}

/// Where the links of this kind lead.
async fn links(browser: &Browser, selector: &str) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll(arguments[0])].map((link) => link.href)";
    let found = browser.script(script, json!([selector])).await?;
    Ok(serde_json::from_value(found)?)
}

/// The map, once it has a payment service that is as it is to be.
async fn map(browser: &Browser, shop: &Shop, is_red: bool) -> Result<()> {
    browser.open(&format!("{}/map", shop.url)).await?;
    browser.element(".node[data-node='service:payment']").await?;
    match is_red {
        true => browser.element(".node.failing[data-node='service:payment']").await.map(|_| ()),
        false => browser.gone(".node.failing, .edge.failing").await,
    }
}

/// Gives a discount on the order of a letter.
async fn edit(browser: &Browser, letter: &str) -> Result<()> {
    browser.open(letter).await?;
    browser.element("#letter-edit").await?.click().await?;
    let text = browser.element("#edit-body").await?;
    let written = text.prop("value").await?.context("the letter has a packet")?;
    let mut packet: Value = serde_json::from_str(&written)?;
    packet["total"] = json!(100);
    text.clear().await?;
    text.send_keys(packet.to_string()).await?;
    browser.element(".difference .added").await?;
    browser.text_with("would take it").await?;
    browser.element("#send").await?.click().await?;
    browser.text_with("has handled the packet").await?;
    Ok(())
}

/// What came of the order of a letter: it is completed, unless there is not enough of what was ordered.
async fn ended(browser: &Browser, letter: &str) -> Result<bool> {
    browser.open(letter).await?;
    let conversation = links(browser, "#letter-conversation").await?.remove(0);
    browser.open(&conversation).await?;
    let is_short = browser.text().await?.contains("stock_short");
    if !is_short {
        browser.open_until(&conversation, "order_completed").await?;
    }
    Ok(!is_short)
}

#[tokio::test]
async fn payment_is_broken_by_a_button_and_its_letters_are_edited_and_retried() -> Result<()> {
    let (shop, browser) = (Shop::open(20).await?, Browser::start().await?);
    map(&browser, &shop, false).await?;
    press(&browser, &shop, 1).await?;
    browser.text_with("wait for a decision").await?;
    map(&browser, &shop, true).await?;
    press(&browser, &shop, 2).await?;
    browser.open(&format!("{}/dead-letters", shop.url)).await?;
    let [group] = &links(&browser, "#group-table th a[href*=group]").await?[..] else {
        panic!("one cause makes one group: {}", browser.text().await?);
    };
    browser.open(group).await?;
    browser.text_with("the bank refuses card payments").await?;
    let letters = links(&browser, "#letters th a").await?;
    assert!(letters.len() > 1, "{}", browser.text().await?);
    edit(&browser, &letters[0]).await?;
    browser.open(group).await?;
    browser.element("#group-replay").await?.click().await?;
    browser.text_with(&format!("Retry {} letter", letters.len() - 1)).await?;
    browser.element("#plan-begin").await?.click().await?;
    browser.text_with(&format!("{} done", letters.len() - 1)).await?;
    let mut completed = 0;
    for letter in &letters {
        completed += u32::from(ended(&browser, letter).await?);
    }
    assert!(completed > 1, "{completed} of {}", letters.len());
    browser.open(&shop.url).await?;
    browser.text_with("none waits").await?;
    map(&browser, &shop, false).await?;
    let complaints = browser.complaints().await?;
    assert!(complaints.is_empty(), "{complaints:#?}");
    browser.close().await?;
    shop.close().await
}
