//! Every page of the shop: in both themes and sizes, for who cannot see it, and without a script.

use anyhow::Result;
use browser::{Browser, Look, Shop};

/// The script of axe-core, which `just test-browser` fetches.
fn axe() -> String {
    let path = std::env::var("AXE").expect("AXE names the script of axe-core");
    std::fs::read_to_string(path).unwrap()
}

/// The address that the first link of this kind leads to.
async fn link(browser: &Browser, selector: &str) -> Result<String> {
    let link = browser.element(selector).await?;
    Ok(link.prop("href").await?.unwrap_or_default())
}

#[tokio::test]
async fn every_page_of_the_shop_can_be_used_by_everybody() -> Result<()> {
    let (shop, browser, axe) = (Shop::open(30).await?, Browser::start().await?, axe());
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
        "/timers",
        "/memories",
        "/nothing",
        "/packets/1",
        "/find?q=",
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
            for violation in browser.axe(&axe).await? {
                wrong.push(format!("{} {page}: {violation}", look.name()));
            }
            let is_wide = "return document.documentElement.scrollWidth > window.innerWidth + 1";
            if browser.script(is_wide, serde_json::json!([])).await? == true {
                wrong.push(format!("{} {page}: the page is wider than the window", look.name()));
            }
        }
    }
    let complaints = browser.complaints().await?;
    let own: Vec<_> = complaints.iter().filter(|it| !it.contains("404")).collect();
    assert!(wrong.is_empty() && own.is_empty(), "{}\n{own:#?}", wrong.join("\n"));
    browser.close().await?;
    shop.close().await
}
