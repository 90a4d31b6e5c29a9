//! A dead letter for tests.

use bytes::Bytes;
use jiff::Timestamp;

use super::{DeadLetter, Kind, LetterId};
use crate::trace::TraceContext;

/// A letter that has every field.
pub(crate) fn letter() -> DeadLetter {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    DeadLetter {
        id: LetterId::of_replay("payment", "charge", 3),
        kind: Kind::TimedOut,
        reason: "no answer from `bank`\nwithin 30 s".to_owned(),
        causes: vec!["connection refused".to_owned(), " os error 111 ".to_owned()],
        attempts: 5,
        instance: "Xa81".to_owned(),
        sequence: 17,
        stored: at("2026-11-21T09:30:00.123456789Z"),
        first_failure: at("2026-11-21T09:30:01Z"),
        last_failure: at("2026-11-21T09:31:00Z"),
        packet_id: r"RAPIDS-1-17 \n".to_owned(),
        name: Some("order_placed".to_owned()),
        correlation_id: "c-1".to_owned(),
        breadcrumbs: vec!["order".to_owned(), "stock".to_owned()],
        publisher: Some("stock".to_owned()),
        first: Some(LetterId::of_packet("payment", "charge", 17)),
        epoch: 2,
        former: Some("payment.charge.17-2".parse().unwrap()),
        trace: TraceContext::new(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            Some("a=1"),
        ),
        body: Bytes::from_static(b"{}"),
    }
}
