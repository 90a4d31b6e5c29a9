//! What packets contain is text, whatever it is; and what is masked is on no page.

use rapids_client::{Packet, River, reject};

use crate::bench::{Bench, PAGES};

const SCRIPT: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

/// No markup of a packet is markup of a page.
#[track_caller]
fn is_harmless(path: &str, body: &str) {
    for markup in ["<script>alert", "<img src=x", "onerror=alert(1)>\"", "'><img"] {
        assert!(!body.contains(markup), "{path} has {markup}");
    }
    // What somebody has typed stands in its field as it was typed.
    let values = body.split(" value=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let body = values.fold(body.to_owned(), |body, value| match value {
        "" => body,
        value => body.replace(value, ""),
    });
    for character in ['\u{202e}', '\u{1b}', '\u{0}', '\u{200b}'] {
        assert!(!body.contains(character), "{path} has {character:?}");
    }
}

#[tokio::test]
async fn markup_and_control_characters_are_text_on_every_page() {
    let bench = Bench::start().await;
    let hostile = format!("{SCRIPT}\u{202e}\u{1b}[2J\u{200b}");
    let river = River::new("charge").event("order_placed").react(
        async |packet: Packet| -> anyhow::Result<()> {
            Err(reject(packet.get::<String>("why")?.unwrap_or_default()))
        },
    );
    bench.serve("payment", vec![river]).await;
    let first = Packet::event("order_placed").with("why", &hostile).with("customer", &hostile);
    let id = first.id().to_owned();
    let sequence = bench.publish(first).await.sequence;
    let named = serde_json::json!({
        "event": hostile, hostile.as_str(): hostile,
        "rapids": {"id": hostile, "correlation_id": hostile, "causation_id": id, "breadcrumbs": [hostile]},
    });
    let other = bench.publish_raw(named.to_string()).await;
    let console = bench.console(&[]).await;
    console.get_with("/dead-letters", "rejected").await;
    console.get_with(&format!("/packets/{other}"), "alert(1)").await;
    let of_id: String = hostile.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let paths = [
        format!("/packets/{sequence}"),
        format!("/packets/{other}"),
        format!("/packets/{of_id}"),
        format!("/conversations/{id}"),
        format!("/conversations/{of_id}"),
        format!("/dead-letters/payment.charge.{sequence}"),
        format!("/dead-letters?q={of_id}"),
        format!("/live?where={of_id}"),
        format!("/live?from={of_id}"),
        format!("/map?focus={of_id}"),
        format!("/memories?service={of_id}&memory={of_id}"),
        format!("/timers?service={of_id}"),
        format!("/find?q={of_id}"),
        format!("/{of_id}"),
    ];
    for path in paths.iter().map(String::as_str).chain(PAGES) {
        is_harmless(path, &console.get(path).await.body);
    }
}

#[tokio::test]
async fn a_megabyte_on_one_line_is_shown_in_part() {
    let bench = Bench::start().await;
    let long = format!(r#"{{"event":"long","text":"{}"}}"#, "x".repeat(900_000));
    let sequence = bench.publish_raw(long.clone()).await;
    let console = bench.console(&[]).await;
    console.get_with("/live", "long").await;
    for path in ["/live", &format!("/packets/{sequence}")] {
        let answer = console.get(path).await;
        assert!(answer.status.starts_with("200") && answer.body.len() < 300_000, "{path}");
    }
    let bytes = console.get(&format!("/packets/{sequence}/bytes")).await;
    assert!(bytes.body == long, "the stored bytes");
}

#[tokio::test]
async fn what_is_masked_is_on_no_page() {
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event("order_placed")
        .require_that("@.customer == 'nobody'")
        .react(async |_: Packet| -> anyhow::Result<()> { Ok(()) });
    bench.serve("payment", vec![river]).await;
    let packet = Packet::event("order_placed").with("customer", "ada-lovelace");
    let packet = packet.with("items", serde_json::json!([{"price": 47_110_815, "sku": "tent"}]));
    let id = packet.id().to_owned();
    let sequence = bench.publish(packet).await.sequence;
    let console = bench.console(&["--mask", "customer,items[*].price"]).await;
    console.get_with("/dead-letters", "invalid").await;
    console.get_with(&format!("/packets/{sequence}"), "tent").await;
    let paths = [
        format!("/packets/{sequence}"),
        format!("/conversations/{id}"),
        format!("/dead-letters/payment.charge.{sequence}"),
        "/dead-letters?q=ada".to_owned(),
    ];
    for path in paths.iter().map(String::as_str).chain(PAGES) {
        let answer = console.get(path).await;
        assert!(answer.status.starts_with("200"), "{path}: {answer:?}");
        for value in ["lovelace", "47110815"] {
            assert!(!answer.body.contains(value), "{path} has {value}");
        }
    }
    let bytes = console.get(&format!("/packets/{sequence}/bytes")).await;
    assert!(bytes.status.starts_with("403") && !bytes.body.contains("lovelace"), "{bytes:?}");
    let filter = "/live?where=%40.customer%20%3D%3D%20%27ada-lovelace%27";
    let answer = console.get(filter).await;
    assert!(!answer.body.contains(&format!("/packets/{sequence}")), "a match tells the value");
}
