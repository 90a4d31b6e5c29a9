//! Attempts that fail, and packets that come late or again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use rapids_client::{
    Config, DeadLetters, Note, Packet, Rapids, RetryPolicy, River, Service, Start, reject,
};
use rapids_test::NatsServer;
use tokio::time::timeout;
use tracing::{Instrument, Span, info_span};

use crate::gateway::{SPAN, TRACE, publish};
use crate::process::{Process, fault};
use crate::receiver::{Receiver, Recorded};

pub(crate) const PAYMENT: &str = "payment-of-attempts";
const DEADLINE: Duration = Duration::from_secs(60);

/// Fails at the first packet's first attempt, and rejects those without a total unless they are replayed.
pub(crate) fn service(config: Config) -> Service {
    let runs = AtomicU32::new(0);
    let retry = RetryPolicy::new().first(Duration::from_millis(1));
    let charge = River::new("charge").event("placed").retry(retry).react(move |packet: Packet| {
        let is_first = runs.fetch_add(1, Ordering::SeqCst) == 0;
        let present = Span::current();
        async move {
            let is_again = packet.is_sent_again();
            if is_first {
                return Err(anyhow!("the bank is closed"));
            }
            if packet.get::<u64>("total")?.is_none() && !is_again {
                return Err(reject("no total"));
            }
            let noting = async { info_span!("take note").in_scope(|| ()) };
            tokio::spawn(noting.instrument(present)).await?;
            Ok(Packet::event("paid"))
        }
        .instrument(info_span!("ask the bank"))
    });
    Service::new(PAYMENT, config).from_beginning().river(charge)
}

fn attempts(spans: &[Recorded]) -> Vec<&Recorded> {
    spans.iter().filter(|span| span.name == "process rapids").collect()
}

#[tokio::test]
async fn each_attempt_is_a_span_and_what_is_sent_again_is_a_trace_of_its_own() {
    let (server, receiver) = (NatsServer::start().unwrap(), Receiver::start());
    let config = Config::new(server.url());
    let _rapids = Rapids::connect(&config).await.unwrap();
    publish(&server, r#"{"event":"placed","total":1}"#).await;
    let process = Process::spawn(PAYMENT, &server.url(), &receiver, &[]);
    let spans = receiver.once(|spans| attempts(spans).len() == 2 && spans.len() == 6);
    let [failed, well] = attempts(&spans)[..] else { panic!("{spans:#?}") };
    for attempt in [failed, well] {
        assert_eq!((attempt.trace.as_str(), attempt.parent.as_str()), (TRACE, SPAN));
        assert_eq!(attempt.attributes["rapids.river"], "charge");
    }
    assert_eq!(failed.attributes["error.type"], "failed");
    assert_eq!(failed.failure.as_deref(), Some("the bank is closed"));
    assert_eq!((well.attributes.get("error.type"), &well.failure), (None, &None));
    let published = spans.iter().find(|span| span.name == "publish rapids").unwrap();
    assert_eq!(published.parent, well.id);
    let of_reaction = spans.iter().filter(|span| span.name == "ask the bank");
    let parents: Vec<_> = of_reaction.map(|span| span.parent.as_str()).collect();
    assert_eq!(parents, [failed.id.as_str(), well.id.as_str()]);
    let noted = spans.iter().find(|span| span.name == "take note").unwrap();
    assert_eq!(noted.parent, well.id, "of a task that the reaction began");

    publish(&server, r#"{"event":"placed"}"#).await;
    let spans = receiver.once(|spans| attempts(spans).len() == 3);
    let rejected = attempts(&spans)[2];
    assert_eq!(rejected.attributes["error.type"], "rejected");
    let letters = DeadLetters::open(&config).await.unwrap().unwrap();
    let id = format!("{PAYMENT}.charge.3").parse().unwrap();
    let replaying = async { while letters.replay(&id, &Note::new("ada")).await.is_err() {} };
    timeout(DEADLINE, replaying).await.unwrap();
    let spans = receiver.once(|spans| attempts(spans).len() == 4 && spans.len() == 12);
    let again = attempts(&spans)[3];
    assert_ne!(again.trace, TRACE);
    assert_eq!(again.parent, "");
    assert_eq!(again.links, [(TRACE.to_owned(), SPAN.to_owned())]);
    let within: Vec<_> = spans.iter().filter(|span| span.parent == again.id).collect();
    assert!(
        within.len() == 3 && within.iter().all(|span| span.trace == again.trace),
        "{within:#?}"
    );
    process.stop();
}

#[tokio::test]
async fn a_packet_that_waited_for_long_begins_a_trace_that_is_linked_to_its_own() {
    let (server, receiver) = (NatsServer::start().unwrap(), Receiver::start());
    let _rapids = Rapids::connect(&Config::new(server.url())).await.unwrap();
    publish(&server, r#"{"event":"placed","total":1}"#).await;
    // Its process takes longer to begin.
    let gap = [("RAPIDS_TRACE_GAP", "1ms")];
    let process = Process::spawn(PAYMENT, &server.url(), &receiver, &gap);
    let spans = receiver.once(|spans| attempts(spans).len() == 2);
    for attempt in attempts(&spans) {
        assert_ne!(attempt.trace, TRACE);
        assert_eq!(attempt.links, [(TRACE.to_owned(), SPAN.to_owned())]);
    }
    process.stop();
}

#[tokio::test]
async fn without_a_receiver_services_work_and_end_as_ever() {
    let server = NatsServer::start().unwrap();
    let rapids = Rapids::connect(&Config::new(server.url())).await.unwrap();
    let receiver = Receiver::start();
    // Of the discard protocol: nobody listens there.
    let nowhere = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
    let process = Process::spawn(PAYMENT, &server.url(), &receiver, &nowhere);
    publish(&server, r#"{"event":"placed","total":1}"#).await;
    let mut tail = rapids.tail(Start::Sequence(2)).await.unwrap();
    let paid = timeout(DEADLINE, tail.next()).await.unwrap().unwrap();
    assert_eq!(paid.event_name().as_deref(), Some("paid"));
    process.stop();
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error() {
    let (server, receiver) = (NatsServer::start().unwrap(), Receiver::start());
    let wrong = [("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")];
    let words = fault(PAYMENT, &server.url(), &receiver, &wrong);
    assert!(
        words.contains("traces cannot be exported: look at OTEL_EXPORTER_OTLP_ENDPOINT"),
        "{words}"
    );
}
