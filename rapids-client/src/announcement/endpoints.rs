//! The endpoints that a service shows (ADR-32): one for each river, and the last, `delivery`, for what
//! concerns the whole service.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::repetition::Repetition;
use crate::metrics::figures::{RiverFigures, ServiceFigures};
use crate::metrics::{RiverMetrics, ServiceMetrics};
use crate::names::SUBJECT;

pub(super) const DELIVERY: &str = "delivery";
/// What stands in front of the words of an error: as in HTTP, for readers that split it off.
const ERROR_CODE: &str = "500:";

#[derive(Serialize)]
pub(super) struct Endpoint<'a> {
    name: &'a str,
    subject: &'static str,
    queue_group: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    stats: Option<Stats>,
}

#[derive(Serialize)]
struct Stats {
    num_requests: u64,
    num_errors: u64,
    last_error: String,
    /// In nanoseconds, as is the average.
    processing_time: u128,
    average_processing_time: u128,
    data: Figures,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Figures {
    River(RiverFigures),
    Service(Box<ServiceFigures>),
}

impl<'a> Endpoint<'a> {
    fn new(name: &'a str) -> Self {
        Self { name, subject: SUBJECT, queue_group: "", metadata: None, stats: None }
    }
}

/// As they are listed in the answer to `$SRV.INFO`: each river with what its reaction makes of a packet
/// that it has handled.
pub(super) fn listed<'a>(
    metrics: &'a ServiceMetrics,
    repetitions: &[Repetition],
) -> Vec<Endpoint<'a>> {
    let names = metrics.rivers().iter().map(RiverMetrics::name).chain([DELIVERY]);
    let repetitions = repetitions.iter().map(Repetition::metadata).chain([BTreeMap::new()]);
    let endpoint = |(name, metadata)| Endpoint { metadata: Some(metadata), ..Endpoint::new(name) };
    names.zip(repetitions).map(endpoint).collect()
}

/// With their figures, for the answer to `$SRV.STATS`.
pub(super) fn counted(metrics: &ServiceMetrics) -> Vec<Endpoint<'_>> {
    let rivers = metrics.rivers().iter().map(|river| (river.name(), of_river(river)));
    let endpoint = |(name, stats)| Endpoint { stats: Some(stats), ..Endpoint::new(name) };
    rivers.chain([(DELIVERY, of_service(metrics))]).map(endpoint).collect()
}

/// Its requests are the reactions that have ended, and the packets that were given up without one; the
/// average is that of the reactions.
fn of_river(river: &RiverMetrics) -> Stats {
    let (errors, last_error) = river.last_error();
    let (reactions, time) = river.reactions();
    Stats {
        num_requests: reactions + river.unreacted(),
        num_errors: errors,
        last_error: if last_error.is_empty() {
            last_error
        } else {
            ERROR_CODE.to_owned() + &last_error
        },
        processing_time: time.as_nanos(),
        average_processing_time: average(time, reactions),
        data: Figures::River(river.figures()),
    }
}

/// Its requests are the packets delivered, and its errors what was no packet.
fn of_service(metrics: &ServiceMetrics) -> Stats {
    Stats {
        num_requests: metrics.received.get(),
        num_errors: metrics.malformed.get(),
        last_error: String::new(),
        processing_time: 0,
        average_processing_time: 0,
        data: Figures::Service(Box::new(metrics.figures())),
    }
}

fn average(total: Duration, count: u64) -> u128 {
    total.as_nanos().checked_div(u128::from(count)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::ErrorType;
    use crate::river::River;
    use serde_json::{json, to_value};

    #[test]
    fn each_river_has_an_endpoint_with_its_figures_and_the_service_the_last() {
        let metrics = ServiceMetrics::of(&[River::new("charge"), River::new("refund")]);
        metrics.reacted(0, Duration::from_micros(300), None);
        metrics.reacted(0, Duration::from_micros(100), Some(ErrorType::Failed));
        metrics.river(0).error("no such card: 17");
        metrics.received.add(5);
        let endpoints = to_value(counted(&metrics)).unwrap();
        let mut charge = endpoints[0].clone();
        assert_eq!(charge["data"].take()["handled"], 0);
        assert_eq!(
            charge,
            json!({
                "name": "charge", "subject": "rapids", "queue_group": "", "num_requests": 2,
                "num_errors": 1, "last_error": "500:no such card: 17", "data": null,
                "processing_time": 400_000, "average_processing_time": 200_000,
            })
        );
        assert_eq!(
            (&endpoints[1]["name"], &endpoints[1]["last_error"]),
            (&json!("refund"), &json!(""))
        );
        assert_eq!(
            (&endpoints[2]["name"], &endpoints[2]["num_requests"]),
            (&json!("delivery"), &json!(5))
        );
        assert_eq!(endpoints[2]["data"]["received"], 5);
        let repetitions = [Repetition::Once, Repetition::Memory("refunds".to_owned())];
        assert_eq!(
            to_value(&listed(&metrics, &repetitions)[1..]).unwrap(),
            json!([
                {"name": "refund", "subject": "rapids", "queue_group": "",
                 "metadata": {"rapids.once": "false", "rapids.memory": "refunds"}},
                {"name": "delivery", "subject": "rapids", "queue_group": "", "metadata": {}},
            ])
        );
    }
}
