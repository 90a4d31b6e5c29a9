//! A packet full of script, markup and escapes does nothing.

use anyhow::Result;
use browser::{Browser, Console};
use rapids_client::Packet;
use serde_json::json;

const HOSTILE: &str = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>\
    <svg onload=window.hit=1>\"'><a href=\"javascript:window.hit=1\" hx-on:click='window.hit=1' \
    hx-get='/logout' hx-trigger='load'>x</a></script></textarea></title>\u{202e}\u{1b}[2J";

#[tokio::test]
async fn nothing_of_a_packet_runs() -> Result<()> {
    let (console, browser) = (Console::start(&[]).await?, Browser::start().await?);
    let body =
        json!({ "event": HOSTILE, HOSTILE: HOSTILE, "rapids": { "breadcrumbs": [HOSTILE] } });
    let first = Packet::from_bytes(body.to_string())?;
    let id = first.id().to_owned();
    let sequence = console.rapids.publish(first).await?.sequence;
    browser.open(&format!("{}/live", console.url)).await?;
    browser.text_with("window.hit").await?;
    // One more comes while the page is open.
    console.rapids.publish(Packet::event("second").with("text", HOSTILE)).await?;
    browser.text_with("second").await?;
    for path in [
        format!("/packets/{sequence}"),
        format!("/conversations/{id}"),
        "/map".to_owned(),
        "/".to_owned(),
    ] {
        browser.open(&format!("{}{path}", console.url)).await?;
        browser.element("main h1").await?;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let hit = browser.script("return window.hit ?? null", json!([])).await?;
        assert!(hit.is_null(), "{path}");
        let foreign =
            "return document.querySelectorAll('main img, main script[src], main [onload]').length";
        assert_eq!(browser.script(foreign, json!([])).await?, 0, "{path}");
    }
    browser.close().await
}
