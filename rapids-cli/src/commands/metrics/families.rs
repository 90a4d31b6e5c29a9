//! The families of metrics, with their names and labels.

use std::collections::BTreeMap;

use rapids_client::{RiverFigures, ServiceFigures, ServiceStats, Timestamp};

use super::Snapshot;
use crate::prometheus::{Exposition, Label};

/// A counter of a service, or a gauge: its name, what it is, and where it stands.
type OfService = (&'static str, &'static str, fn(&ServiceFigures) -> u64);

const COUNTERS: [OfService; 7] = [
    ("messaging_client_consumed_messages_total", "Packets delivered.", |it| it.received),
    ("rapids_skipped_total", "Packets delivered that no river of the service wants.", |it| {
        it.skipped
    }),
    ("rapids_malformed_total", "Bodies delivered that are no packet.", |it| it.malformed),
    ("rapids_mistyped_total", "Members of `rapids` of the wrong type.", |it| it.mistyped),
    ("rapids_memory_steps_total", "Steps of memories saved.", |it| it.memory.steps),
    ("rapids_memory_saves_total", "Saves of memories' records.", |it| it.memory.saves),
    ("rapids_memory_conflicts_total", "Saves refused after another instance's.", |it| {
        it.memory.conflicts
    }),
];

const GAUGES: [OfService; 2] = [
    ("rapids_in_flight", "Packets delivered and not acknowledged.", |it| it.in_flight),
    ("rapids_waiting", "Reactions that wait for an earlier one or another attempt.", |it| {
        it.waiting
    }),
];

/// The text for Prometheus.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut out = Exposition::default();
    services(&mut out, &snapshot.stats);
    published(&mut out, &snapshot.stats);
    rivers(&mut out, &snapshot.stats);
    instances(&mut out, snapshot);
    positions(&mut out, snapshot);
    stream(&mut out, snapshot);
    letters(&mut out, snapshot);
    out.into_text()
}

/// The labels of everything that an instance counts.
fn labels<'a>(of: &'a ServiceStats, operation: &'static str) -> Vec<Label<'a>> {
    vec![
        ("messaging_system", "nats"),
        ("messaging_destination_name", "rapids"),
        ("messaging_operation_name", operation),
        ("messaging_consumer_group_name", &of.name),
        ("instance", &of.id),
    ]
}

fn services(out: &mut Exposition, stats: &[ServiceStats]) {
    for (name, help, count) in COUNTERS {
        out.counter(name, help);
        for of in stats {
            out.value(&labels(of, "receive"), count(&of.all));
        }
    }
    for (name, help, count) in GAUGES {
        out.gauge(name, help);
        for of in stats {
            out.value(&labels(of, "receive"), count(&of.all));
        }
    }
    out.gauge("rapids_start_timestamp_seconds", "When the instance started, in Unix time.");
    for of in stats {
        out.value(&labels(of, "receive"), of.started.as_second());
    }
}

fn published(out: &mut Exposition, stats: &[ServiceStats]) {
    let by_event = |out: &mut Exposition, bytes: bool| {
        for of in stats {
            for (event, figures) in &of.all.published {
                let mut labels = labels(of, "publish");
                labels.push(("rapids_event", event));
                out.value(&labels, if bytes { figures.bytes } else { figures.packets });
            }
        }
    };
    out.counter("messaging_client_sent_messages_total", "Packets published by reactions.");
    by_event(out, false);
    out.counter("rapids_published_bytes_total", "Bytes of the packets published by reactions.");
    by_event(out, true);
    let help = "Time until what a reaction returned was stored.";
    out.histogram("messaging_client_operation_duration_seconds", help);
    for of in stats {
        out.durations(&labels(of, "publish"), &of.all.publish_seconds);
    }
}

fn rivers(out: &mut Exposition, stats: &[ServiceStats]) {
    let each = |out: &mut Exposition,
                add: fn(&mut Exposition, &mut Vec<Label<'_>>, &RiverFigures)| {
        for of in stats {
            for (river, figures) in &of.rivers {
                let mut labels = labels(of, "process");
                labels.push(("rapids_river", river));
                add(out, &mut labels, figures);
            }
        }
    };
    out.histogram("messaging_process_duration_seconds", "Time that reactions took.");
    each(out, |out, labels, river| out.durations(labels, &river.reaction_seconds));
    out.counter("rapids_taken_total", "Packets that met a river's conditions and requirements.");
    each(out, |out, labels, river| out.value(labels, river.taken));
    out.counter(
        "rapids_outcomes_total",
        "Packets handled, attempts that failed, and dead letters by their kind.",
    );
    for of in stats {
        for (river, figures) in &of.rivers {
            let letters = figures.letters.iter().map(|(kind, count)| (kind.as_str(), *count));
            for (outcome, count) in [("handled", figures.handled), ("failed", figures.failed)]
                .into_iter()
                .chain(letters)
            {
                let mut labels = labels(of, "process");
                labels.extend([("rapids_river", river.as_str()), ("rapids_outcome", outcome)]);
                out.value(&labels, count);
            }
        }
    }
}

fn instances(out: &mut Exposition, snapshot: &Snapshot) {
    let mut instances: BTreeMap<&str, u64> =
        snapshot.positions.iter().map(|position| (position.service.as_str(), 0)).collect();
    for of in &snapshot.stats {
        *instances.entry(&of.name).or_default() += 1;
    }
    out.gauge("rapids_instances", "Instances that answer.");
    for (service, count) in instances {
        out.value(&[("messaging_consumer_group_name", service)], count);
    }
}

fn positions(out: &mut Exposition, snapshot: &Snapshot) {
    let positions = &snapshot.positions;
    let mut each = |name, help, read: fn(&rapids_client::Position) -> u64| {
        out.gauge(name, help);
        for position in positions {
            out.value(&[("messaging_consumer_group_name", &position.service)], read(position));
        }
    };
    each("rapids_lag", "Packets that no instance was given yet.", |it| it.pending);
    each("rapids_unacknowledged", "Packets given to an instance and not acknowledged.", |it| {
        it.unacknowledged
    });
    each("rapids_position", "The sequence up to which every packet is acknowledged.", |it| {
        it.acknowledged
    });
}

fn stream(out: &mut Exposition, snapshot: &Snapshot) {
    let Some(contents) = &snapshot.contents else { return };
    out.gauge("rapids_stream_packets", "Packets in the stream.");
    out.value(&[], contents.packets);
    out.gauge("rapids_stream_bytes", "Bytes in the stream.");
    out.value(&[], contents.bytes);
    if let Some(limit) = contents.max_bytes {
        out.gauge("rapids_stream_limit_bytes", "Bytes that the stream may hold.");
        out.value(&[], limit);
    }
    out.gauge("rapids_stream_last_sequence", "The sequence of the last packet stored.");
    out.value(&[], contents.last_sequence);
    if let Some(oldest) = contents.oldest {
        out.gauge("rapids_stream_oldest_packet_age_seconds", "Age of the oldest packet.");
        out.value(&[], Timestamp::now().duration_since(oldest).as_secs_f64());
    }
}

fn letters(out: &mut Exposition, snapshot: &Snapshot) {
    out.gauge("rapids_dead_letters", "Dead letters that wait for an operator.");
    for ([service, river, kind], count) in &snapshot.waiting {
        let labels = [
            ("messaging_consumer_group_name", service.as_str()),
            ("rapids_river", river),
            ("rapids_kind", kind),
        ];
        out.value(&labels, count);
    }
}
