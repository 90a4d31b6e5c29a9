//! The live page: filtered, paused, and at many packets a second.

use std::time::Duration;

use anyhow::Result;
use browser::{Browser, Console};
use rapids_client::Packet;
use tokio::time::{Instant, interval};

/// How long packets come at the rate; `just soak` takes longer.
fn how_long() -> Duration {
    let seconds = std::env::var("LIVE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

#[tokio::test]
async fn a_paused_page_stands_still_and_misses_nothing() -> Result<()> {
    let (console, browser) = (Console::start(&[]).await?, Browser::start().await?);
    console.rapids.publish(Packet::event("first")).await?;
    browser.open(&format!("{}/live", console.url)).await?;
    browser.text_with("first").await?;
    browser.element("#pause").await?.click().await?;
    for number in 0..30 {
        console.rapids.publish(Packet::event(format!("missed_{number}"))).await?;
    }
    // The window loses the focus and gets it again.
    browser.script("window.dispatchEvent(new Event('blur')); document.dispatchEvent(new Event('visibilitychange')); window.dispatchEvent(new Event('focus'))", serde_json::json!([])).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let text = browser.text().await?;
    assert!(!text.contains("missed_"), "{text}");
    browser.element("#pause").await?.click().await?;
    let text = browser.text_with("missed_29").await?;
    for number in 0..30 {
        assert!(text.contains(&format!("missed_{number}")), "{number} in {text}");
    }
    browser.close().await
}

#[tokio::test]
async fn a_fault_is_told_while_it_is_typed_and_a_filter_is_an_address() -> Result<()> {
    let (console, browser) = (Console::start(&[]).await?, Browser::start().await?);
    for event in ["order_placed", "paid"] {
        console.rapids.publish(Packet::event(event)).await?;
    }
    browser.open(&format!("{}/live", console.url)).await?;
    let input = browser.element("input[name=where]").await?;
    input.send_keys("@.event = ").await?;
    browser.text_with("Column").await?;
    input.clear().await?;
    input.send_keys("@.event == 'paid'").await?;
    browser.text_until(|text| !text.contains("Column")).await?;
    input.send_keys("\u{e007}").await?;
    browser.text_until(|text| text.contains("paid") && !text.contains("order_placed")).await?;
    assert!(browser.address().await?.contains("where="), "{}", browser.address().await?);
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_packets_a_second_leave_the_page_as_it_is() -> Result<()> {
    // So few that the index is full, and grows no more, before the first look at the memory.
    let index = ["--index", "10000"];
    let (console, browser) = (Console::start(&index).await?, Browser::start().await?);
    console.rapids.publish(Packet::event("first")).await?;
    browser.open(&format!("{}/live", console.url)).await?;
    browser.text_with("first").await?;
    let rapids = console.rapids.clone();
    let publishing = tokio::spawn(async move {
        let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(100)));
        let mut number = 0;
        while began.elapsed() < how_long() {
            ticks.tick().await;
            let packets = (0..500).map(|at| {
                Packet::event("many").with("number", number + at).with("text", "x".repeat(100))
            });
            rapids.publish_all(packets).await?;
            number += 500;
        }
        anyhow::Ok(number)
    });
    tokio::time::sleep(how_long() / 2).await;
    let (heap, memory) = (browser.heap().await?, memory_in_kib());
    let published = publishing.await??;
    let rows = browser.count("#rows tr").await?;
    let (later, now) = (browser.heap().await?, memory_in_kib());
    println!(
        "{published} packets, {rows} rows; tab {heap} -> {later} bytes, process {memory} -> {now} KiB"
    );
    assert!(rows <= 510, "{rows} rows");
    assert!(later < heap + 8 * 1024 * 1024, "the tab grew from {heap} to {later}");
    assert!(now < memory + 16 * 1024, "the process grew from {memory} to {now} KiB");
    browser.text_with(&format!("{} passed", console_count(published))).await?;
    browser.close().await
}

/// How a number is written on the page.
fn console_count(number: i32) -> String {
    let digits = number.to_string();
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    if head.is_empty() { tail.to_owned() } else { format!("{head},{tail}") }
}

/// The memory of this process in KiB.
fn memory_in_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
