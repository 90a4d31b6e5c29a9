//! Takes the pictures of the console that README and docs show, of the shop.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use browser::{Browser, Look, Shop, Theme};
use tokio::time::sleep;

/// Until what moves has come to rest.
const REST: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("name a folder for the pictures")?;
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder).context("cannot make the folder")?;
    let (shop, browser) = (Shop::open(60).await?, Browser::start().await?);
    take(&shop, &browser, &folder).await?;
    browser.close().await?;
    shop.close().await
}

async fn take(shop: &Shop, browser: &Browser, folder: &Path) -> Result<()> {
    let at = |path: &str| format!("{}{path}", shop.url);
    browser.open(&at("/live?where=%40.event%20%3D%3D%20%27order_paid%27")).await?;
    let link = browser.element("main a[href*='/conversations/']").await?;
    let conversation = link.prop("href").await?.context("a link has an address")?;
    browser.look(Look::desk(Theme::Light)).await?;
    let group = break_payment(shop, browser).await?;
    let pages = [
        ("overview", at("/")),
        ("live", at("/live")),
        ("map", at("/map")),
        ("conversation", conversation),
        ("group", group),
        ("failing", at("/map?focus=service%3Apayment")),
    ];
    for (name, address) in &pages {
        browser.open(address).await?;
        browser.element("main h1").await?;
        sleep(REST).await;
        browser.picture(&folder.join(format!("{name}.png"))).await?;
    }
    Ok(())
}

/// Has letters written; the address of their group.
async fn break_payment(shop: &Shop, browser: &Browser) -> Result<String> {
    browser.open(&shop.url).await?;
    browser.element("#buttons button").await?.click().await?;
    browser.open_until(&format!("{}/dead-letters/all", shop.url), "1 to 5 of 5").await?;
    browser.open(&format!("{}/dead-letters", shop.url)).await?;
    let link = browser.element("#group-table th a[href*=group]").await?;
    link.prop("href").await?.context("a link has an address")
}
