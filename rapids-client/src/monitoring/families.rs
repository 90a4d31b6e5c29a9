//! The families of what instances of services count, with their names and labels.

use std::collections::BTreeMap;

use super::exposition::{Exposition, Label};
use crate::{Kind, RiverFigures, ServiceFigures, ServiceStats};

/// The label with the name of a service.
pub const SERVICE: &str = "messaging_consumer_group_name";

/// A counter or a gauge: its name, what it is, and where it stands.
type Single<T> = (&'static str, &'static str, fn(&T) -> u64);

const COUNTERS: [Single<ServiceFigures>; 12] = [
    ("rapids_skipped_total", "Packets delivered that no river of the service wants.", |it| {
        it.skipped
    }),
    ("rapids_malformed_total", "Bodies delivered that are no packet.", |it| it.malformed),
    ("rapids_mistyped_total", "Members of `rapids` of the wrong type.", |it| it.mistyped),
    ("rapids_undeclared_total", "Packets published that their river does not declare.", |it| {
        it.undeclared
    }),
    ("rapids_ids_taken_total", "Ids of outputs that others had used before.", |it| it.ids_taken),
    ("rapids_timers_set_total", "Timers that reactions have set.", |it| it.timers_set),
    ("rapids_timers_cancelled_total", "Timers that reactions have cancelled.", |it| {
        it.timers_cancelled
    }),
    ("rapids_memory_steps_total", "Steps of memories saved.", |it| it.memory.steps),
    ("rapids_memory_saves_total", "Saves of memories' records with steps.", |it| it.memory.saves),
    ("rapids_memory_conflicts_total", "Saves that did not count.", |it| it.memory.conflicts),
    ("rapids_lost_total", "Packets that expired before the service read them.", |it| it.lost),
    ("rapids_reconnects_total", "How often the connection was made again.", |it| it.reconnects),
];

const GAUGES: [Single<ServiceFigures>; 4] = [
    ("rapids_in_flight", "Packets delivered and not acknowledged.", |it| it.in_flight),
    ("rapids_waiting", "Reactions that wait for more than a free slot.", |it| it.waiting),
    ("rapids_paused", "1 while it asks for no packets, since too many wait.", |it| {
        it.paused.into()
    }),
    ("rapids_active", "1 if the instance reads packets, 0 while it stands by.", |it| {
        it.active.into()
    }),
];

/// What not every instance knows.
type Place = (&'static str, &'static str, fn(&ServiceFigures) -> Option<u64>);

const PLACES: [Place; 2] = [
    (
        "rapids_instance_position",
        "The highest sequence given to an instance of the service.",
        |it| it.position,
    ),
    ("rapids_instance_lag", "Packets that no instance was given yet, as this one knows.", |it| {
        it.lag
    }),
];

const OF_RIVERS: [Single<RiverFigures>; 2] = [
    ("rapids_breaker_open", "1 while the river's breaker is open.", |it| it.breaker_open.into()),
    ("rapids_blocked_seconds", "For how long a reaction has blocked its thread by now.", |it| {
        it.blocked_seconds
    }),
];

/// Adds everything that these instances count.
pub fn services(out: &mut Exposition, stats: &[ServiceStats]) {
    delivery(out, stats);
    published(out, stats);
    rivers(out, stats);
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

fn delivery(out: &mut Exposition, stats: &[ServiceStats]) {
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
    for (name, help, read) in PLACES {
        out.gauge(name, help);
        for of in stats {
            read(&of.all).into_iter().for_each(|value| out.value(&labels(of), value));
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
        for (error, durations) in &figures.failed_seconds {
            out.durations(&[&labels[..], &[("error_type", error)]].concat(), durations);
        }
    }
    out.counter("rapids_taken_total", "Packets that met a river's conditions and requirements.");
    for (of, river, figures) in rivers() {
        out.value(&of_river(of, river), figures.taken);
    }
    out.counter("rapids_failed_attempts_total", "Reactions that failed and were not rejections.");
    for (of, river, figures) in rivers() {
        out.value(&of_river(of, river), figures.failed);
    }
    out.counter("rapids_late_packets_total", "Packets that came after their memory had ended.");
    for (of, river, figures) in rivers() {
        out.value(&of_river(of, river), figures.late_packets);
    }
    for (name, help, read) in OF_RIVERS {
        out.gauge(name, help);
        for (of, river, figures) in rivers() {
            out.value(&of_river(of, river), read(figures));
        }
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
