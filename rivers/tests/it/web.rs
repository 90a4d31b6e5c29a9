//! The example `web`, with services of the shop as processes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rapids_client::{Config, Rapids};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use crate::bench::Bench;

#[path = "../../examples/web.rs"]
#[expect(dead_code, reason = "its `main` is for a process of its own")]
mod example;

/// Longer than an answer takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Too short for an answer where nobody answers.
const SHORT: Duration = Duration::from_millis(200);

const ORDER: &str = r#"{"customer":"ada","items":[{"sku":"summit/tent","quantity":2,"price":100}],
    "rapids":{"id":"mine"}}"#;

/// What a server answers.
struct Answer {
    status: String,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let lines = &mut self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
    }

    fn location(&self) -> &str {
        self.header("location")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends a request, such as `GET /orders/x`, and a further header.
fn send(address: &str, request: &str, header: &str, body: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    let head = format!("Host: {address}\r\nConnection: close\r\nContent-Length: {length}{header}");
    write!(stream, "{request} HTTP/1.1\r\n{head}\r\n\r\n{body}").unwrap();
    BufReader::new(stream)
}

async fn ask(address: &str, request: &str, body: &'static str) -> Answer {
    answer(address, request, "", body).await
}

/// Asks what is to know of the packet of this sequence.
async fn ask_knowing(address: &str, request: &str, sequence: &str) -> Answer {
    answer(address, request, &format!("\r\nRapids-Sequence: {sequence}"), "").await
}

async fn answer(address: &str, request: &str, header: &str, body: &'static str) -> Answer {
    let (address, request) = (address.to_owned(), request.to_owned());
    let header = header.to_owned();
    let asking = spawn_blocking(move || {
        let mut answer = String::new();
        send(&address, &request, &header, body).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let (status, head) = head.split_once("\r\n").unwrap();
        let status = status.trim_start_matches("HTTP/1.1 ");
        Answer { status: status.to_owned(), head: head.to_owned(), body: body.to_owned() }
    });
    asking.await.unwrap()
}

/// The server-sent events up to the first that contains this text.
async fn events(address: &str, request: &str, last: &'static str) -> Vec<String> {
    let (address, request) = (address.to_owned(), request.to_owned());
    let reading = spawn_blocking(move || {
        let mut events = Vec::new();
        for line in send(&address, &request, "", "").lines() {
            let line = line.unwrap();
            let Some(data) = line.strip_prefix("data: ") else { continue };
            events.push(data.to_owned());
            if data.contains(last) {
                break;
            }
        }
        events
    });
    reading.await.unwrap()
}

/// Serves the example on a free port; returns its address.
async fn serve(bench: &Bench, patience: Duration) -> String {
    let rapids = Rapids::connect(&Config::new(bench.url())).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, example::app(rapids, patience)).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_placed_over_http_and_followed() {
    let bench = Bench::start();
    let services = [env!("CARGO_BIN_EXE_order"), env!("CARGO_BIN_EXE_payment")];
    let _services = services.map(|program| bench.service(program));
    let address = serve(&bench, DEADLINE).await;

    let placed = ask(&address, "POST /orders", ORDER).await;
    assert_eq!(placed.status, "201 Created", "{}", placed.body);
    let outcome = placed.json();
    assert_eq!((&outcome["event"], &outcome["total"]), (&"order_placed".into(), &200.into()));
    let id = outcome["rapids"]["correlation_id"].as_str().unwrap();
    assert_eq!(placed.location(), format!("/orders/{id}"));
    assert_ne!(id, "mine");

    let request = format!("GET {}/events", placed.location());
    let followed = events(&address, &request, r#""event":"order_paid""#).await;
    assert!(
        followed[0].starts_with(r#"{"command":"place_order","customer":"ada""#),
        "{followed:?}"
    );
    // Placed, checked, charged, paid.
    assert_eq!(followed.len(), 5, "{followed:?}");
    let read = ask(&address, &format!("GET {}", placed.location()), "").await;
    assert_eq!(read.status, "200 OK");
    let packets: Vec<Value> = followed.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(read.json(), Value::from(packets));

    let refused = ask(&address, "POST /orders", r#"{"customer":"ada","items":[]}"#).await;
    assert_eq!(refused.status, "422 Unprocessable Entity", "{}", refused.body);
    assert_eq!(refused.json()["reasons"], Value::from(vec!["there are no items"]));
    assert_eq!(ask(&address, "POST /orders", "no order").await.status, "400 Bad Request");
    assert_eq!(ask(&address, "GET /orders/nobody", "").await.status, "404 Not Found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_placed_an_order_reads_that_it_is_open() {
    let bench = Bench::start();
    let address = serve(&bench, DEADLINE).await;
    let early = ask(&address, "GET /customers/ada/open_orders", "").await;
    assert_eq!(early.status, "503 Service Unavailable");
    assert!(early.body.contains("service `open_orders` is not known"), "{}", early.body);
    let services = [env!("CARGO_BIN_EXE_order"), env!("CARGO_BIN_EXE_open_orders")];
    let _services = services.map(|program| bench.service(program));
    for orders in 1..=5 {
        let placed = ask(&address, "POST /orders", ORDER).await;
        assert_eq!(placed.status, "201 Created", "{}", placed.body);
        let sequence = placed.header("rapids-sequence");
        let open = ask_knowing(&address, "GET /customers/ada/open_orders", sequence).await;
        assert_eq!(open.body, format!(r#"{{"orders":{orders},"value":{}}}"#, orders * 200));
    }
    let nobody = ask(&address, "GET /customers/nobody/open_orders", "").await;
    assert_eq!(nobody.body, r#"{"orders":0,"value":0}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_takes_longer_has_an_address_where_its_outcome_will_be() {
    let bench = Bench::start();
    let address = serve(&bench, SHORT).await;
    // The first time the connection is there, and nothing else.
    let accepted = loop {
        let answer = ask(&address, "POST /orders", ORDER).await;
        if answer.status != "503 Service Unavailable" {
            break answer;
        }
    };
    assert_eq!((&*accepted.status, &*accepted.body), ("202 Accepted", "[]"));
    let read = ask(&address, &format!("GET {}", accepted.location()), "").await;
    let packets = read.json();
    assert_eq!(packets.as_array().unwrap().len(), 1);
    assert_eq!(packets[0]["command"], "place_order");
}
