//! monitor: shows every packet as one line.
//!
//! Listens for everything.
//! Publishes nothing. Two monitors share the packets between them, like instances of any service.
//! Run: `just river monitor`

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde_json::Value;

/// Width of the column of names, in characters.
const NAME: usize = 24;

/// Width of the column of facts, in characters.
const FACTS: usize = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("monitor")?.river(show()))
}

fn show() -> River {
    River::new("show").react(on_packet)
}

async fn on_packet(packet: Packet) -> Result<()> {
    match writeln!(io::stdout().lock(), "{}", line(&packet)) {
        // The output is closed, as by `head`: the packet was not shown, and stays unhandled.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}

/// Time (UTC), sequence, kind and name, facts, and the services passed.
fn line(packet: &Packet) -> String {
    let time = packet.created().strftime("%H:%M:%S%.3f");
    let sequence = packet.arrival().map(|arrival| arrival.sequence.to_string());
    let (kind, name) = kind_and_name(packet);
    let name = shortened(&name, NAME - 1, 0);
    let facts = shortened(&facts(packet), FACTS - 1, 0);
    let services = packet.breadcrumbs().join(" > ");
    let sequence = sequence.as_deref().unwrap_or("-");
    let line = format!("{time} {sequence:>8}  {kind:7} {name:NAME$}  {facts:FACTS$}  {services}");
    // A packet may contain anything, such as line feeds and sequences that move the cursor.
    line.trim_end().replace(char::is_control, "·")
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

/// The facts as `key=value`, ids first because they tie lines together.
fn facts(packet: &Packet) -> String {
    let Ok(fields) = packet.parse::<BTreeMap<String, Value>>() else {
        return packet.to_string();
    };
    let is_fact = |key: &str| !["event", "need", "command", "rapids"].contains(&key);
    let mut facts: Vec<_> = fields.iter().filter(|(key, _)| is_fact(key)).collect();
    facts.sort_by_key(|(key, _)| !key.ends_with("_id"));
    facts.iter().map(|(key, value)| fact(key, value)).collect::<Vec<_>>().join(" ")
}

fn fact(key: &str, value: &Value) -> String {
    match value {
        // Show both ends, because ids of the same moment differ only in their last characters.
        Value::String(id) if key.ends_with("_id") => format!("{key}={}", shortened(id, 8, 7)),
        Value::String(text) => format!("{key}={text}"),
        Value::Array(values) => format!("{key}[{}]", values.len()),
        Value::Object(members) => format!("{key}{{{}}}", members.len()),
        scalar => format!("{key}={scalar}"),
    }
}

/// Keeps `head` characters of the beginning and `tail` of the end.
fn shortened(text: &str, head: usize, tail: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= head + tail + 1 {
        return text.to_owned();
    }
    let end = &characters[characters.len() - tail..];
    characters[..head].iter().chain(&['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::{Arrival, Verdict};
    use rapids_test::TestRapids;

    fn shown(body: &str) -> String {
        let stored = "2026-11-21T09:30:00.123456Z".parse().unwrap();
        let arrival = Arrival::at(17, stored);
        line(&Packet::arrived(body.to_owned(), arrival).unwrap())
    }

    #[test]
    fn every_packet_is_taken() {
        for packet in [Packet::event("x"), Packet::need("y"), Packet::command("z")] {
            assert_eq!(show().judge(&packet), Verdict::Matches);
        }
        assert_eq!(show().to_string(), "@");
        let explained = show().explain(&Packet::event("x"));
        assert!(explained.clauses.is_empty(), "{explained}");
    }

    #[test]
    fn a_line_holds_time_sequence_kind_name_facts_and_way() {
        let body = r#"{"event":"payment_received","amount":7550,"items":[1,2],"levels":{"a":1},
            "order_id":"01939a5b-0000-7000-8000-00003f2a77cc","paid":true,
            "rapids":{"breadcrumbs":["order","payment"]}}"#;
        let facts = "order_id=01939a5b…f2a77cc amount=7550 items[2] levels{1} paid=t…";
        assert_eq!(
            shown(body),
            format!(
                "09:30:00.123       17  event   payment_received          {facts}  order > payment"
            )
        );
    }

    #[test]
    fn columns_stay_where_they_are() {
        let long = format!(
            r#"{{"command":"{}","text":"{}","a":1,"rapids":{{"breadcrumbs":["way"]}}}}"#,
            "c".repeat(90),
            "t".repeat(900)
        );
        let numbers = format!(
            r#"{{"need":["a","b"],"n":{},"rapids":{{"breadcrumbs":["way"]}}}}"#,
            (1..60).map(|n| format!("{n},\"n{n}\":")).collect::<String>() + "0"
        );
        let column = |line: String| line.chars().position(|c| c == 'w');
        let short = shown(r#"{"x":1,"rapids":{"breadcrumbs":["way"]}}"#);
        assert!(short.contains("packet  -"), "{short}");
        assert!(shown(&numbers).contains("need    a + b "), "{numbers}");
        assert_eq!(column(shown(&long)), column(short.clone()));
        assert_eq!(column(shown(&numbers)), column(short));
    }

    #[test]
    fn no_packet_can_break_the_line_or_the_terminal() {
        let line = shown(r#"{"event":"a\nb","text":"\u001b[2Jx"}"#);
        assert!(line.contains("a·b") && line.contains("text=·[2Jx"), "{line}");
    }

    #[test]
    fn facts_that_do_not_parse_are_shown_as_they_came() {
        let line = shown(r#"{"event":"x","huge":1e999}"#);
        assert!(line.contains(r#"{"event":"x","huge":1e999}"#), "{line}");
    }

    #[tokio::test]
    async fn a_shown_packet_publishes_nothing() {
        let mut rapids = TestRapids::new().service("monitor", [show()]);
        rapids.publish(Packet::event("x")).await;
        assert_eq!(rapids.packets().len(), 1, "{}", rapids.trail());
        assert!(rapids.problems().is_empty(), "{}", rapids.trail());
        assert!(on_packet(Packet::event("y")).await.is_ok());
    }
}
