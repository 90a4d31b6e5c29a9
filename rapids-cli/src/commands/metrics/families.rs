//! The families of metrics that the server knows of, with their names and labels.

use std::collections::BTreeMap;

use rapids_client::monitoring::{Exposition, SERVICE, services};
use rapids_client::{Position, Timestamp};

use super::Snapshot;

/// The text for Prometheus.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut out = Exposition::default();
    services(&mut out, &snapshot.stats);
    instances(&mut out, snapshot);
    positions(&mut out, snapshot);
    stream(&mut out, snapshot);
    letters(&mut out, snapshot);
    out.into_text()
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
    each("rapids_redelivered", "Of these, packets delivered more than once.", |it| it.redelivered);
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
    out.gauge("rapids_dead_letters_counted", "1 if there was time to count all dead letters.");
    out.value(&[], u8::from(snapshot.waiting.is_some()));
    out.gauge("rapids_dead_letters", "Dead letters that wait for an operator.");
    for ([service, river, kind], count) in snapshot.waiting.iter().flatten() {
        let labels = [(SERVICE, service.as_str()), ("rapids_river", river), ("rapids_kind", kind)];
        out.value(&labels, count);
    }
}
