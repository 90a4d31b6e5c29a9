//! A packet as one line: readable, or as it is stored.

use std::collections::BTreeMap;

use rapids_client::Packet;
use serde_json::value::RawValue;

use crate::fitting::{printable, shortened};
use crate::palette::{Palette, paint};

/// Width of the column of names, in characters.
const NAME: usize = 24;

/// Width of the column of services, in characters.
const SERVICE: usize = 14;

/// Longest value of a fact in characters.
const VALUE: usize = 40;

/// Longest list of facts in characters.
const FACTS: usize = 160;

/// When it was stored (UTC), sequence, kind and name, the service that published it, and its facts.
pub(crate) fn line(packet: &Packet, palette: Palette) -> String {
    let arrival = packet.arrival();
    let time = arrival.map_or(packet.created(), |arrival| arrival.stored);
    let time = time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let sequence = arrival.map_or("-".to_owned(), |arrival| arrival.sequence.to_string());
    let (kind, name) = kind_and_name(packet);
    let name = printable(&shortened(&name, NAME));
    let service = packet.breadcrumbs().last().map_or("-", String::as_str);
    let service = printable(&shortened(service, SERVICE));
    let facts = printable(&shortened(&facts(packet), FACTS));
    let facts = match packet.claimed_id() {
        None => facts,
        Some(claimed) => {
            let (id, claimed) = (printable(packet.id()), printable(claimed));
            format!("{facts} (its id is {id}, though its body says {claimed})")
        }
    };
    let (time, name) = (paint(palette.faint, &time), paint(palette.name, &format!("{name:NAME$}")));
    format!("{time} {sequence:>8}  {kind:7} {name} {service:SERVICE$} {facts}")
        .trim_end()
        .to_owned()
}

/// The body as it is stored, but on one line, and with no character that could move a cursor.
pub(crate) fn compact(packet: &Packet) -> String {
    let mut text = String::new();
    for character in packet.to_string().chars() {
        match character {
            // Inside of strings JSON has these only as escapes, so they stand between tokens here.
            '\n' | '\r' | '\t' => text.push(' '),
            control if control.is_control() => {
                text.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => text.push(other),
        }
    }
    text
}

fn kind_and_name(packet: &Packet) -> (&'static str, String) {
    if let Some(name) = packet.event_name() {
        return ("event", name);
    }
    if let Some(name) = packet.command_name() {
        return ("command", name);
    }
    match packet.need_names().as_slice() {
        [] => ("packet", "-".to_owned()),
        names => ("need", names.join(" + ")),
    }
}

/// The facts as `key=value` with every digit, ids first because they tie lines together.
fn facts(packet: &Packet) -> String {
    let Ok(fields) = packet.parse::<BTreeMap<String, Box<RawValue>>>() else {
        return packet.to_string();
    };
    let is_fact = |key: &str| !["event", "need", "command", "rapids"].contains(&key);
    let mut facts: Vec<_> = fields.iter().filter(|(key, _)| is_fact(key)).collect();
    facts.sort_by_key(|(key, _)| !key.ends_with("_id"));
    facts.iter().map(|(key, value)| fact(key, value.get())).collect::<Vec<_>>().join(" ")
}

fn fact(key: &str, value: &str) -> String {
    if value.starts_with('[')
        && let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(value)
    {
        return format!("{key}[{}]", values.len());
    }
    if value.starts_with('{')
        && let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(value)
    {
        return format!("{key}{{{}}}", members.len());
    }
    let text = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned());
    format!("{key}={}", shortened(&text, VALUE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Arrival;

    fn stored(body: &str) -> Packet {
        let stored = "2026-11-21T09:30:00.123456Z".parse().unwrap();
        let arrival = Arrival {
            sequence: 17,
            stored,
            stream_created: stored,
            replay: None,
            message_id: None,
        };
        Packet::arrived(body.to_owned(), arrival).unwrap()
    }

    fn shown(body: &str) -> String {
        line(&stored(body), Palette::plain())
    }

    #[test]
    fn a_line_holds_time_sequence_kind_name_service_and_facts() {
        let body = r#"{"event":"payment_received","amount":9007199254740993,"items":[1,2],
            "levels":{"a":1},"order_id":"o-1","price":1.10,
            "rapids":{"breadcrumbs":["order","payment"]}}"#;
        assert_eq!(
            shown(body),
            "2026-11-21T09:30:00.123Z       17  event   payment_received         payment        \
             order_id=o-1 amount=9007199254740993 items[2] levels{1} price=1.10"
        );
        assert_eq!(
            shown(r#"{"need":["a","b"]}"#),
            "2026-11-21T09:30:00.123Z       17  need    a + b                    -"
        );
    }

    #[test]
    fn a_body_that_claims_another_id_is_told() {
        let at = "2026-11-21T09:30:00Z".parse().unwrap();
        let message_id = Some("m-1".to_owned());
        let arrival =
            Arrival { sequence: 17, stored: at, stream_created: at, replay: None, message_id };
        let body = r#"{"event":"x","rapids":{"id":"p-1"}}"#;
        let shown = line(&Packet::arrived(body, arrival).unwrap(), Palette::plain());
        assert!(shown.ends_with("(its id is m-1, though its body says p-1)"), "{shown}");
    }

    #[test]
    fn a_line_stays_short_whatever_the_packet_holds() {
        let long = "x".repeat(10_000);
        let keys: String = (0..500).map(|n| format!(",\"k{n}\":{n}")).collect();
        let body = format!(r#"{{"event":"{long}","text":"{long}"{keys}}}"#);
        assert!(shown(&body).chars().count() <= 250);
    }

    #[test]
    fn no_packet_can_break_the_line_or_the_terminal() {
        let shown = shown(r#"{"event":"a\nb","text":"\u001b[2Jx"}"#);
        assert!(shown.contains("a·b") && shown.contains("text=·[2Jx"), "{shown}");
    }

    #[test]
    fn json_is_what_is_stored_on_one_line() {
        let body = "{\"event\": \"x\",\r\n\t\"n\": 9007199254740993, \"p\":1.10}\n";
        assert_eq!(
            compact(&stored(body)),
            "{\"event\": \"x\",   \"n\": 9007199254740993, \"p\":1.10}"
        );
        assert_eq!(compact(&stored("{\"a\":\"\u{9b}2J\"}")), r#"{"a":"\u009b2J"}"#);
    }
}
