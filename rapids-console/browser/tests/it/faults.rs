//! The server of NATS and the console go away while pages are open.

use anyhow::Result;
use browser::{Browser, Console};
use rapids_client::Packet;

#[tokio::test]
async fn pages_say_that_the_server_is_away_and_go_on() -> Result<()> {
    let (mut console, browser) = (Console::start(&[]).await?, Browser::start().await?);
    console.rapids.publish(Packet::event("before")).await?;
    browser.open(&console.url).await?;
    browser.text_with("per second now").await?;
    console.server.kill();
    browser.text_with("The server has not answered").await?;
    console.server.restart()?;
    browser.text_until(|text| !text.contains("The server has not answered")).await?;
    browser.close().await
}

#[tokio::test]
async fn live_goes_on_where_it_was_when_the_server_comes_back() -> Result<()> {
    let (mut console, browser) = (Console::start(&[]).await?, Browser::start().await?);
    console.rapids.publish(Packet::event("before")).await?;
    browser.open(&format!("{}/live", console.url)).await?;
    browser.text_with("before").await?;
    console.server.kill();
    console.server.restart()?;
    console.rapids.publish(Packet::event("behind")).await?;
    let text = browser.text_with("event behind").await?;
    assert_eq!(text.matches("event before").count(), 1, "{text}");
    browser.close().await
}
