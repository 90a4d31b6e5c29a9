//! The families of metrics, with their names and labels.

use std::collections::BTreeMap;

use rapids_client::{Kind, Position, ServiceFigures, ServiceStats, Timestamp};

use super::Snapshot;
use crate::prometheus::{Exposition, Label};

/// The label with the name of a service.
const SERVICE: &str = "messaging_consumer_group_name";

/// A counter of a service, or a gauge: its name, what it is, and where it stands.
type OfService = (&'static str, &'static str, fn(&ServiceFigures) -> u64);

const COUNTERS: [OfService; 6] = [
    ("rapids_skipped_total", "Packets delivered that no river of the service wants.", |it| {
        it.skipped
    }),
    ("rapids_malformed_total", "Bodies delivered that are no packet.", |it| it.malformed),
    ("rapids_mistyped_total", "Members of `rapids` of the wrong type.", |it| it.mistyped),
    ("rapids_memory_steps_total", "Steps of memories saved.", |it| it.memory.steps),
    ("rapids_memory_saves_total", "Saves of memories' records with steps.", |it| it.memory.saves),
    ("rapids_memory_conflicts_total", "Saves that did not count.", |it| it.memory.conflicts),
];

const GAUGES: [OfService; 2] = [
    ("rapids_in_flight", "Packets delivered and not acknowledged.", |it| it.in_flight),
    ("rapids_waiting", "Reactions that wait for more than a free slot.", |it| it.waiting),
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
fn labels(of: &ServiceStats) -> Vec<Label<'_>> {
    vec![(SERVICE, &of.name), ("instance", &of.id)]
}

/// Those, and what OpenTelemetry's conventions ask for.
fn messaging<'a>(of: &'a ServiceStats, operation: &'static str) -> Vec<Label<'a>> {
    let mut labels = labels(of);
    labels.extend([
        ("messaging_system", "nats"),
        ("messaging_destination_name", "rapids"),
        ("messaging_operation_name", operation),
    ]);
    labels
}

fn services(out: &mut Exposition, stats: &[ServiceStats]) {
    out.counter("messaging_client_consumed_messages_total", "Packets delivered.");
    for of in stats {
        out.value(&messaging(of, "receive"), of.all.received);
    }
    for (name, help, count) in COUNTERS {
        out.counter(name, help);
        for of in stats {
            out.value(&labels(of), count(&of.all));
        }
    }
    for (name, help, count) in GAUGES {
        out.gauge(name, help);
        for of in stats {
            out.value(&labels(of), count(&of.all));
        }
    }
    out.gauge("rapids_start_timestamp_seconds", "When the instance started, in Unix time.");
    for of in stats {
        out.value(&labels(of), of.started.as_second());
    }
}

fn published(out: &mut Exposition, stats: &[ServiceStats]) {
    let help = "Packets published by reactions.";
    out.counter("messaging_client_sent_messages_total", help);
    for of in stats {
        for (event, figures) in &of.all.published {
            let labels = [&messaging(of, "publish")[..], &[("rapids_event", event)]].concat();
            out.value(&labels, figures.packets);
        }
    }
    out.counter("rapids_published_bytes_total", "Bytes of the packets published by reactions.");
    for of in stats {
        for (event, figures) in &of.all.published {
            out.value(&[&labels(of)[..], &[("rapids_event", event)]].concat(), figures.bytes);
        }
    }
    let help = "Time until what a reaction returned was stored.";
    out.histogram("messaging_client_operation_duration_seconds", help);
    for of in stats {
        out.durations(&messaging(of, "publish"), &of.all.publish_seconds);
    }
}

fn rivers(out: &mut Exposition, stats: &[ServiceStats]) {
    let rivers = || {
        stats
            .iter()
            .flat_map(|of| of.rivers.iter().map(move |(river, figures)| (of, river, figures)))
    };
    let of_river = |of, river| [&labels(of)[..], &[("rapids_river", river)]].concat();
    out.histogram("messaging_process_duration_seconds", "Time that reactions took.");
    for (of, river, figures) in rivers() {
        let labels = [&messaging(of, "process")[..], &[("rapids_river", river)]].concat();
        out.durations(&labels, &figures.reaction_seconds);
    }
    out.counter("rapids_taken_total", "Packets that met a river's conditions and requirements.");
    for (of, river, figures) in rivers() {
        out.value(&of_river(of, river), figures.taken);
    }
    out.counter("rapids_failed_attempts_total", "Reactions that failed and were not rejections.");
    for (of, river, figures) in rivers() {
        out.value(&of_river(of, river), figures.failed);
    }
    out.counter("rapids_outcomes_total", "Packets handled, and dead letters by their kind.");
    for (of, river, figures) in rivers() {
        // All kinds, also those that have not occurred: a first one is to be seen as an increase.
        let known = Kind::ALL.iter().map(|kind| (kind.as_str(), 0));
        let letters = figures.letters.iter().map(|(kind, count)| (kind.as_str(), *count));
        let outcomes: BTreeMap<_, _> =
            known.chain(letters).chain([("handled", figures.handled)]).collect();
        for (outcome, count) in outcomes {
            let outcome = [("rapids_outcome", outcome)];
            out.value(&[&of_river(of, river)[..], &outcome].concat(), count);
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
        out.value(&[(SERVICE, service)], count);
    }
}

fn positions(out: &mut Exposition, snapshot: &Snapshot) {
    let positions = &snapshot.positions;
    let mut each = |name, help, read: fn(&Position) -> u64| {
        out.gauge(name, help);
        for position in positions {
            out.value(&[(SERVICE, &position.service)], read(position));
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
        let labels = [(SERVICE, service.as_str()), ("rapids_river", river), ("rapids_kind", kind)];
        out.value(&labels, count);
    }
}
