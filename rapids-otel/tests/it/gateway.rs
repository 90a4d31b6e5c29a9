//! A publisher that traces, too, and whose packets begin the traces here.

use async_nats::HeaderMap;
use rapids_test::NatsServer;

/// The trace, and the span in which its packets are published.
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const SPAN: &str = "00f067aa0ba902b7";

pub(crate) async fn publish(server: &NatsServer, body: &str) {
    let client = async_nats::connect(server.url()).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", format!("00-{TRACE}-{SPAN}-01"));
    let jetstream = async_nats::jetstream::new(client);
    let body = body.to_owned().into();
    let stored = jetstream.publish_with_headers("rapids", headers, body).await.unwrap();
    stored.await.unwrap();
}
