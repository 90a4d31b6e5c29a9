//! Every page of the shop: in both themes and sizes, for who cannot see it, and without a script.

use anyhow::Result;
use browser::{Browser, Look, Shop};

/// The address that the first link of this kind leads to.
async fn link(browser: &Browser, selector: &str) -> Result<String> {
    let link = browser.element(selector).await?;
    Ok(link.prop("href").await?.unwrap_or_default())
}

#[tokio::test]
async fn every_page_of_the_shop_can_be_used_by_everybody() -> Result<()> {
    let (shop, browser) = (Shop::open(30).await?, Browser::start().await?);
    let at = |path: &str| format!("{}{path}", shop.url);
    browser.open(&at("/live?where=%40.event%20%3D%3D%20%27order_completed%27")).await?;
    let packet = link(&browser, "main a[href*='/packets/']").await?;
    browser.open(&packet).await?;
    let conversation = link(&browser, "main a[href*='/conversations/']").await?;
    browser.open(&at("/memories")).await?;
    let memory = link(&browser, "main a[href*='memory=']").await?;
    let mut pages = [
        "/",
        "/live",
        "/map",
        "/map?focus=service%3Apayment",
        "/dead-letters",
        "/dead-letters/redirects",
        "/timers",
        "/memories",
        "/nothing",
        "/packets/1",
        "/find?q=",
        "/publish",
        "/services/payment/position",
        "/services/payment/position/plan?to=beginning&forget=yes",
        "/operations",
        "/operations/plan?action=replay&all=yes",
    ]
    .map(at)
    .to_vec();
    pages.extend([packet, conversation, memory]);
    let mut wrong = Vec::new();
    for look in Look::all() {
        browser.look(look).await?;
        for page in &pages {
            browser.open(page).await?;
            browser.element("main h1").await?;
            let faults = browser.faults().await?;
            wrong.extend(faults.iter().map(|it| format!("{} {page}: {it}", look.name())));
        }
    }
    let complaints = browser.complaints().await?;
    let own: Vec<_> = complaints.iter().filter(|it| !it.contains("404")).collect();
    assert!(wrong.is_empty() && own.is_empty(), "{}\n{own:#?}", wrong.join("\n"));
    browser.close().await?;
    shop.close().await
}
