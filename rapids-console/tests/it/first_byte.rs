//! How long each page takes until it begins, with many packets and letters. `just soak` runs it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use rapids_client::{Packet, River, reject};
use rapids_test::HttpAnswer;
use tokio::task::spawn_blocking;

use crate::bench::{Bench, Console};

const PACKETS: u64 = 1_000_000;
const LETTERS: u64 = 100_000;
/// How often each page is asked for.
const TIMES: usize = 9;
/// How long it may take until all is read.
const PATIENCE: Duration = Duration::from_secs(300);
/// What no page is to exceed.
const MOST: Duration = Duration::from_millis(100);

/// Publishes orders, each with three packets that follow from one another.
async fn publish(bench: &Bench) {
    let packet = |number: u64| {
        let (order, place) = (number / 4, number % 4);
        let name = ["order_placed", "paid", "scheduled", "packaged"][place as usize];
        let from = [None, Some("payment"), Some("shipping"), Some("warehouse")][place as usize];
        let cause = (place > 0).then(|| format!("o-{order}-{}", place - 1));
        let body = serde_json::json!({
            "event": name, "order_id": order, "total": number % 1_000,
            "rapids": {
                "id": format!("o-{order}-{place}"), "correlation_id": format!("o-{order}-0"),
                "causation_id": cause, "breadcrumbs": from.into_iter().collect::<Vec<_>>(),
            },
        });
        Packet::from_bytes(body.to_string()).unwrap()
    };
    for begin in (0..PACKETS).step_by(50_000) {
        bench.rapids.publish_all((begin..begin + 50_000).map(packet)).await.unwrap();
    }
}

/// Writes letters as a service has written the first one.
async fn write_letters(bench: &Bench) {
    let river = River::new("charge")
        .event("odd_order")
        .react(async |_: Packet| -> anyhow::Result<()> { Err(reject("order o-1 is unknown")) });
    bench.serve("payment", vec![river]).await;
    let sequence = bench.publish(Packet::event("odd_order")).await.sequence;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client.clone());
    let subject = format!("dead_letters.payment.charge.{sequence}");
    let stream = jetstream.get_stream("DEAD_LETTERS").await.unwrap();
    let first = loop {
        match stream.get_last_raw_message_by_subject(&subject).await {
            Ok(letter) => break letter,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    for number in sequence + 1..=sequence + LETTERS {
        let mut headers = HeaderMap::new();
        for (name, values) in
            first.headers.iter().filter(|(name, _)| !name.to_string().starts_with("Nats"))
        {
            values.iter().for_each(|value| headers.append(name.clone(), value.clone()));
        }
        headers.insert("Rapids-Sequence", number.to_string());
        headers.insert("Rapids-Packet-Id", format!("o-{number}"));
        headers.insert("Rapids-Correlation-Id", format!("o-{number}"));
        let reason = format!(
            "bank {} does not know order o-{number}",
            char::from(b'A' + (number % 20) as u8)
        );
        headers.insert("Rapids-Reason", reason);
        let subject = format!("dead_letters.payment.charge.{number}");
        client.publish_with_headers(subject, headers, first.payload.clone()).await.unwrap();
    }
    client.flush().await.unwrap();
    let mut stream = jetstream.get_stream("DEAD_LETTERS").await.unwrap();
    while stream.info().await.unwrap().state.messages <= LETTERS {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long a page takes until its first byte, and until its last.
async fn times_of(console: &Console, path: &str) -> [Duration; 2] {
    let (address, path) = (console.address.clone(), path.to_owned());
    let asking = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let head = "Host: localhost\r\nAccept: text/html\r\nConnection: close";
        let request = format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n");
        let began = Instant::now();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0];
        stream.read_exact(&mut answer).unwrap();
        let first = began.elapsed();
        stream.read_to_end(&mut answer).unwrap();
        let last = began.elapsed();
        let status = String::from_utf8_lossy(&answer[..15]).into_owned();
        assert_eq!(status, "HTTP/1.1 200 OK", "{path}");
        [first, last]
    });
    asking.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and a build with optimisation: `just soak` runs it"]
async fn every_page_begins_within_a_tenth_of_a_second() {
    let bench = Bench::start().await;
    publish(&bench).await;
    write_letters(&bench).await;
    let console = bench.console(&[]).await;
    let known = |page: &HttpAnswer| page.body.contains("100,001");
    console.get_within(PATIENCE, "/dead-letters", known).await;
    let indexed = |page: &HttpAnswer| page.body.contains("The newest 500,000 packets");
    console.get_within(PATIENCE, "/", indexed).await;
    let is_drawn = |page: &HttpAnswer| page.body.contains("odd_order");
    console.get_within(PATIENCE, "/map", is_drawn).await;
    let letter = PACKETS + 500;
    let last = PACKETS / 4 - 1;
    let pages = [
        "/".to_owned(),
        "/live".to_owned(),
        "/live?where=%40.event%20%3D%3D%20%27nothing%27".to_owned(),
        "/map".to_owned(),
        "/map?focus=service%3Apayment".to_owned(),
        "/dead-letters".to_owned(),
        "/dead-letters?q=o-1000".to_owned(),
        "/dead-letters/all".to_owned(),
        format!("/dead-letters/payment.charge.{letter}"),
        "/packets/1".to_owned(),
        format!("/packets/{}", PACKETS - 5),
        format!("/packets/o-{last}-2"),
        "/packets/o-7-2".to_owned(),
        format!("/conversations/o-{last}-0"),
        "/conversations/o-7-0".to_owned(),
        "/timers".to_owned(),
        "/memories".to_owned(),
    ];
    let mut slow = Vec::new();
    println!(
        "| page | first byte, median ms | longest ms | last byte, median ms |\n|---|---|---|---|"
    );
    for page in pages {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let [until_first, until_last] = times_of(&console, &page).await;
            first.push(until_first);
            last.push(until_last);
        }
        first.sort();
        last.sort();
        let [median, longest, whole] =
            [first[TIMES / 2], first[TIMES - 1], last[TIMES / 2]].map(|it| it.as_secs_f64() * 1e3);
        println!("| `{page}` | {median:.1} | {longest:.1} | {whole:.1} |");
        if first[TIMES / 2] > MOST {
            slow.push(page);
        }
    }
    assert!(slow.is_empty(), "too slow: {slow:?}");
}
