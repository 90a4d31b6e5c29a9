//! A packet as a line.

use std::collections::BTreeMap;

use rapids_client::{Packet, printable};
use rapids_views::own_facts;
use serde_json::value::RawValue;

use crate::line::Line;
use crate::palette::Palette;
use crate::shorten::shortened;

/// Width of the column of names, in characters.
const NAME: usize = 24;

/// Width of the column of services, in characters.
const SERVICE: usize = 14;

/// Longest value of a fact in characters.
const VALUE: usize = 40;

/// Longest list of facts in characters.
const FACTS: usize = 160;

/// How many characters of a correlation id are shown.
const ID: usize = 6;

/// When it was stored (UTC), its sequence, kind and name, the service that published it, its conversation,
/// and its facts.
pub(crate) fn line(packet: &Packet, palette: Palette) -> Line {
    let arrival = packet.arrival();
    let time = arrival.map_or(packet.created(), |arrival| arrival.stored);
    let time = time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let sequence = arrival.map_or("-".to_owned(), |arrival| arrival.sequence.to_string());
    let (kind, name) = kind_and_name(packet);
    let name = shortened(&name, NAME);
    let service = packet.shown_publisher().unwrap_or("-");
    let service = shortened(service, SERVICE);
    let mut facts = facts(packet);
    if let Some(claimed) = packet.claimed_id() {
        facts.push_str(&format!(" (its id is {}, though its body says {claimed})", packet.id()));
    }
    Line::new()
        .styled(palette.faint, time)
        .text(format_args!(" {sequence:>8}  {kind:7} "))
        .styled(palette.name, format_args!("{name:NAME$}"))
        .text(format_args!(" {service:SERVICE$} "))
        .styled(palette.faint, format_args!("{:7}", conversation(packet)))
        .text(format_args!(" {facts}"))
        .trimmed()
}

/// The conversation of a packet in short: the end of its correlation id, as `~3f2a9c`.
fn conversation(packet: &Packet) -> String {
    let id = packet.correlation_id();
    let begin = id.char_indices().rev().nth(ID - 1).map_or(0, |(begin, _)| begin);
    format!("~{}", printable(&id[begin..]))
}

/// What a packet is, and its event, need or command.
pub(crate) fn kind_and_name(packet: &Packet) -> (&'static str, String) {
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

/// The facts as `key=value`, with every digit, up to a length. Ids come first, because they show which
/// lines belong together.
pub(crate) fn facts(packet: &Packet) -> String {
    shortened(&all_facts(packet), FACTS)
}

fn all_facts(packet: &Packet) -> String {
    match own_facts(packet) {
        Some(facts) => {
            let facts = facts.iter().map(|(key, value)| fact(key, value.get()));
            facts.collect::<Vec<_>>().join(" ")
        }
        None => packet.to_string(),
    }
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
        let arrival = Arrival::at(17, stored);
        Packet::arrived(body.to_owned(), arrival).unwrap()
    }

    fn shown(body: &str) -> String {
        line(&stored(body), Palette::plain()).painted().to_owned()
    }

    #[test]
    fn a_line_holds_time_sequence_kind_name_service_and_facts() {
        let body = r#"{"event":"payment_received","amount":9007199254740993,"items":[1,2],
            "levels":{"a":1},"order_id":"o-1","price":1.10,
            "rapids":{"breadcrumbs":["order","payment"],"correlation_id":"0193-3f2a9c"}}"#;
        assert_eq!(
            shown(body),
            "2026-11-21T09:30:00.123Z       17  event   payment_received         payment        \
             ~3f2a9c order_id=o-1 amount=9007199254740993 items[2] levels{1} price=1.10"
        );
        assert_eq!(
            shown(r#"{"need":["a","b"]}"#),
            "2026-11-21T09:30:00.123Z       17  need    a + b                    -              \
             ~400-17"
        );
    }

    #[test]
    fn a_conversation_is_shown_by_the_end_of_its_id() {
        let shown = |id: &str| {
            let body = serde_json::json!({"event": "x", "rapids": {"correlation_id": id}});
            conversation(&stored(&body.to_string()))
        };
        assert_eq!(shown("0193a5c2-7d1e-7b4a-9c55-51e7d03f2a9c"), "~3f2a9c");
        assert_eq!((&*shown("o-1"), &*shown("ééééééé")), ("~o-1", "~éééééé"));
        assert_eq!(shown("x\u{202e}\u{200b}abcd"), r"~\u{202e}\u{200b}abcd");
    }

    #[test]
    fn a_body_that_claims_another_id_is_pointed_out() {
        let at = "2026-11-21T09:30:00Z".parse().unwrap();
        let message_id = Some("m-1".to_owned());
        let arrival = Arrival { message_id, ..Arrival::at(17, at) };
        let body = r#"{"event":"x","rapids":{"id":"p-1"}}"#;
        let line = line(&Packet::arrived(body, arrival).unwrap(), Palette::plain());
        let shown = line.painted();
        assert!(shown.ends_with("(its id is m-1, though its body says p-1)"), "{shown}");
    }

    #[test]
    fn a_line_stays_short_whatever_the_packet_holds() {
        let long = "x".repeat(10_000);
        let keys: String = (0..500).map(|n| format!(",\"k{n}\":{n}")).collect();
        let body = format!(r#"{{"event":"{long}","text":"{long}"{keys}}}"#);
        assert!(shown(&body).chars().count() <= 260);
    }

    #[test]
    fn no_packet_can_break_the_line_or_the_terminal() {
        let shown = shown(r#"{"event":"a\nb","text":"\u001b[2Jx"}"#);
        assert!(shown.contains(r"a\nb") && shown.contains(r"text=\u{1b}[2Jx"), "{shown}");
    }
}
