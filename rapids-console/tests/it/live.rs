//! The live page: what it streams, and that nothing is lost between two connections.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use rapids_client::Packet;
use tokio::task::spawn_blocking;

use crate::bench::{Bench, Console, DEADLINE};

/// Reads a stream of events until its lines are enough; returns them.
async fn events(
    console: &Console,
    path: &str,
    last: Option<String>,
    is_enough: impl Fn(&[String]) -> bool + Send + 'static,
) -> Vec<String> {
    let (address, path) = (console.address.clone(), path.to_owned());
    let reading = spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n").unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(stream).lines() {
            lines.push(line.unwrap_or_else(|error| panic!("{error}: {lines:#?}")));
            if is_enough(&lines) {
                break;
            }
        }
        lines
    });
    reading.await.unwrap()
}

fn last_id(lines: &[String]) -> Option<String> {
    let id = lines.iter().rev().find_map(|line| line.strip_prefix("id:"))?;
    Some(id.trim().to_owned())
}

#[tokio::test]
async fn who_connects_again_gets_what_came_meanwhile_and_nothing_twice() {
    let bench = Bench::start().await;
    bench.publish(Packet::event("first")).await;
    let console = bench.console(&[]).await;
    console.get_with("/live", "first").await;
    bench.publish(Packet::event("second")).await;
    let lines = events(&console, "/live/events?after=1", None, |lines| {
        lines.iter().any(|line| line.contains("second")) && last_id(lines).as_deref() == Some("2")
    })
    .await;
    assert!(!lines.iter().any(|line| line.contains(">first")), "{lines:?}");
    for event in ["third", "fourth"] {
        bench.publish(Packet::event(event)).await;
    }
    let lines = events(&console, "/live/events?after=1", last_id(&lines), |lines| {
        lines.iter().any(|line| line.contains("fourth"))
    })
    .await;
    assert!(lines.iter().any(|line| line.contains("third")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("second")), "{lines:?}");
}

#[tokio::test]
async fn only_what_matches_comes_and_the_rest_is_counted() {
    let bench = Bench::start().await;
    for total in 0..20 {
        bench.publish(Packet::event("order_placed").with("total", total)).await;
    }
    let console = bench.console(&[]).await;
    console.get_with("/live", "order_placed").await;
    let path = "/live/events?after=0&where=%40.total%20%3D%3D%2017";
    let lines = events(&console, path, None, |lines| {
        lines.iter().any(|line| line.contains("/packets/18"))
            && last_id(lines).as_deref() == Some("20")
    })
    .await;
    assert!(!lines.iter().any(|line| line.contains("/packets/17")), "{lines:?}");
}

#[tokio::test]
async fn a_fault_of_the_expression_is_told_with_its_column() {
    let bench = Bench::start().await;
    let console = bench.console(&[]).await;
    let said = console.get_with("/live/check?where=%40.total%20%3E", "olumn").await;
    assert!(said.status.starts_with("200"), "{said:?}");
    let well = console.get("/live/check?where=%40.total%20%3E%201").await;
    assert!(!well.body.contains("olumn"), "{well:?}");
    let page = console.get("/live?where=%40.total%20%3E").await;
    assert!(page.body.contains("olumn"), "{page:?}");
}
