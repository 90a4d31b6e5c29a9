//! One order of the shop is one trace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rapids_client::{Config, Packet, Rapids, Service, Start};
use rapids_test::NatsServer;
use tokio::time::timeout;

use crate::gateway::{TRACE, publish};
use crate::process::Process;
use crate::receiver::Receiver;

#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../../../rivers/src/bin/inventory.rs"]
mod inventory;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../../../rivers/src/bin/notification.rs"]
mod notification;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../../../rivers/src/bin/order.rs"]
mod order;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../../../rivers/src/bin/payment.rs"]
mod payment;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../../../rivers/src/bin/shipping.rs"]
mod shipping;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../../../rivers/src/bin/vendor.rs"]
mod vendor;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../../../rivers/src/bin/warehouse.rs"]
mod warehouse;

const SERVICES: [&str; 7] =
    ["inventory", "notification", "order", "payment", "shipping", "vendor", "warehouse"];
/// What the conversation ends with, in any order.
const ENDS: [&str; 4] =
    ["customer_notified", "order_completed", "stock_updated", "vendor_notified"];
const ORDER: &str = r#"{"command":"place_order","customer":"ada","items":[{"sku":"riverside/canoe","quantity":1,"price":7550}]}"#;
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn service(name: &str) -> Service {
    let service = match name {
        "inventory" => inventory::service(),
        "notification" => notification::service(),
        "order" => order::service(),
        "payment" => payment::service(),
        "shipping" => shipping::service(),
        "vendor" => vendor::service(),
        "warehouse" => warehouse::service(),
        other => panic!("no part `{other}`"),
    };
    service.unwrap()
}

/// All packets until everything has come of the order.
async fn conversation(rapids: &Rapids) -> Vec<Packet> {
    let mut tail = rapids.tail(Start::Beginning).await.unwrap();
    let reading = async {
        let mut packets = Vec::<Packet>::new();
        let has_come = |packets: &[Packet], name| {
            packets.iter().any(|packet| packet.event_name().as_deref() == Some(name))
        };
        while !ENDS.iter().all(|name| has_come(&packets, name)) {
            packets.push(tail.next().await.unwrap());
        }
        packets
    };
    timeout(DEADLINE, reading).await.unwrap()
}

/// The trace and the span that a packet names.
fn named(packet: &Packet) -> (String, String) {
    let parent = packet.trace().unwrap().parent();
    let mut parts = parent.split('-').skip(1).map(str::to_owned);
    (parts.next().unwrap(), parts.next().unwrap())
}

#[tokio::test]
async fn one_order_is_one_trace_through_all_its_services() {
    let (server, receiver) = (NatsServer::start().unwrap(), Receiver::start());
    let rapids = Rapids::connect(&Config::new(server.url())).await.unwrap();
    let url = server.url();
    let processes = SERVICES.map(|name| Process::spawn(name, &url, &receiver, &[]));
    let up = async || rapids.services(Duration::from_millis(100)).await.unwrap().len();
    timeout(DEADLINE, async { while up().await < SERVICES.len() {} }).await.unwrap();
    publish(&server, ORDER).await;
    let packets = conversation(&rapids).await;
    processes.into_iter().for_each(Process::stop);
    let spans = receiver.once(|spans| !spans.is_empty());

    let by_id: BTreeMap<_, _> = packets.iter().map(|packet| (packet.id(), packet)).collect();
    let effects = packets.iter().filter_map(|packet| Some((packet, packet.causation_id()?)));
    let mut count = 0;
    for (packet, cause) in effects {
        let cause = by_id[cause];
        let service = packet.shown_publisher().unwrap();
        let published =
            spans.iter().find(|span| span.is_of("publish rapids", packet.id())).unwrap();
        assert_eq!(named(packet), (TRACE.to_owned(), published.id.clone()), "{packet}");
        assert_eq!((published.process.as_str(), published.kind), (service, 4));
        let processed = spans.iter().find(|span| span.id == published.parent).unwrap();
        assert!(processed.is_of("process rapids", cause.id()), "{processed:#?}");
        assert_eq!((processed.process.as_str(), processed.kind), (service, 5));
        assert_eq!((processed.trace.as_str(), &processed.parent), (TRACE, &named(cause).1));
        let attribute = |name: &str| processed.attributes[name].as_str();
        assert_eq!(attribute("messaging.consumer.group.name"), service);
        assert_eq!(attribute("messaging.message.conversation_id"), packet.correlation_id());
        let constants = [
            ("messaging.system", "nats"),
            ("messaging.operation.name", "process"),
            ("messaging.operation.type", "process"),
            ("messaging.destination.name", "rapids"),
        ];
        assert!(constants.iter().all(|(name, value)| attribute(name) == *value), "{processed:#?}");
        assert!(!attribute("rapids.river").is_empty());
        count += 1;
    }
    assert_eq!(count, packets.len() - 1, "all but the order itself");
    let services: BTreeSet<_> = spans.iter().map(|span| span.process.as_str()).collect();
    assert_eq!(services, SERVICES.into());
    assert!(spans.iter().all(|span| span.trace == TRACE && span.failure.is_none()), "{spans:#?}");
}
