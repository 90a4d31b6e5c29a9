//! `rapids what-if`: which rivers would react to a packet, and what usually follows.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::map::{AnnouncedRiver, Flow, RapidsMap};
use rapids_client::{Explanation, Packet, PacketName, Verdict};
use rapids_views::verdict::{reason, would};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::exit::Answer;
use crate::explanation::{Subject, json};
use crate::line::Line;
use crate::observing::WindowArgument;
use crate::packet_argument::{PacketArgument, open};
use crate::palette::Palette;
use crate::screen::Format;
use crate::session::Session;
use crate::times::{duration, to_the_second};

/// Tell which rivers would react to a packet, which would not and why, and what usually follows
///
/// The rivers are those of the services that answer, with the rules that they announce. What usually
/// follows is what followed from packets of the same name in the window. Nothing is published.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids what-if '{\"event\":\"order_placed\",\"order_id\":\"o-1\",\"total\":7550}'
  rapids what-if --since 1d - < packet.json
  rapids what-if --sequence 17 -o json

Exit code: 0 if a river would take the packet, 1 if none would.

With -o json one object: `packet`, its id; `names`, each with `kind` and `name`; `taken`, whether a river
would take it; `rivers`, each as `rapids explain -o json` prints it; `since`; `packets`, how many of these
names there were in the window; and `follows`, each with `cause`, `publisher`, `effect`, `packets` and
`per_second`.")]
pub(crate) struct WhatIf {
    #[command(flatten)]
    packet: PacketArgument,

    #[command(flatten)]
    window: WindowArgument,

    /// How to print the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,

    /// How long to wait for the answers of services
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

/// What would come of a packet.
struct Outcome<'a> {
    packet: &'a Packet,
    names: Vec<PacketName>,
    /// The rivers, each with what it makes of the packet.
    rivers: Vec<(AnnouncedRiver, Explanation)>,
    map: &'a RapidsMap,
}

#[derive(Serialize)]
struct OutcomeJson<'a> {
    packet: &'a str,
    names: &'a [PacketName],
    taken: bool,
    rivers: Vec<Box<RawValue>>,
    since: String,
    packets: u64,
    follows: Vec<&'a Flow>,
}

impl WhatIf {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let mut opened = None;
        let packet = self.packet.read(session, &mut opened).await?;
        let rapids = open(session, &mut opened).await?;
        // Without rivers there is no answer.
        let up = rapids.services(self.wait).await?;
        let map = self.window.map(session, rapids, Some(&up)).await?;
        let mut rivers = Vec::new();
        for river in AnnouncedRiver::all(&up) {
            let explanation = Subject::from(river.clone()).explain(&packet).await?;
            rivers.push((river, explanation));
        }
        let outcome = Outcome { names: packet.names(), packet: &packet, rivers, map: &map };
        match self.output {
            Format::Json => session.screen.json(&outcome.json()?)?,
            Format::Line => {
                for line in outcome.lines(session.screen.data) {
                    session.screen.line(line)?;
                }
            }
        }
        Ok(Answer::from(outcome.is_taken()))
    }
}

impl Outcome<'_> {
    fn is_taken(&self) -> bool {
        self.rivers.iter().any(|(_, explanation)| explanation.verdict == Verdict::Matches)
    }

    /// How many packets of these names there were.
    fn packets(&self) -> u64 {
        self.names.iter().map(|name| self.map.packets_of(name)).sum()
    }

    fn follows(&self) -> Vec<&Flow> {
        self.names.iter().flat_map(|name| self.map.follows(name)).collect()
    }

    fn lines(&self, palette: Palette) -> Vec<Line> {
        let (mut lines, mut others) = (Vec::new(), Vec::new());
        for (river, explanation) in &self.rivers {
            let is_ignored = explanation.verdict == Verdict::NotForMe;
            if is_ignored && !river.admits_one_of(&self.names) {
                others.push(river.to_string());
            } else {
                lines.push(line(river, explanation, palette));
            }
        }
        if !self.is_taken() {
            lines.insert(0, Line::new().styled(palette.bad, "no running river would take it"));
        }
        if !others.is_empty() {
            others.sort_unstable();
            others.dedup();
            let words = format!("take other names only: {}", others.join(", "));
            lines.push(Line::new().styled(palette.faint, words));
        }
        let names: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let (names, packets, since) =
            (names.join(", "), self.packets(), to_the_second(self.map.from));
        if packets == 0 {
            lines.push(Line::from(format_args!("no packet of its names came since {since}")));
            return lines;
        }
        lines
            .push(Line::from(format_args!("of {packets} packets {names} since {since} followed:")));
        let follows = self.follows();
        if follows.is_empty() {
            lines.push(Line::from("  nothing"));
        }
        lines.extend(follows.into_iter().map(|flow| followed(flow, packets, palette)));
        lines
    }

    /// # Errors
    /// None: everything in it can be written as JSON.
    fn json(&self) -> Result<String> {
        let river = |(river, explanation): &(AnnouncedRiver, Explanation)| {
            let json = json(&Subject::from(river.clone()), explanation)?;
            Ok(RawValue::from_string(json)?)
        };
        Ok(serde_json::to_string(&OutcomeJson {
            packet: self.packet.id(),
            names: &self.names,
            taken: self.is_taken(),
            rivers: self.rivers.iter().map(river).collect::<Result<_>>()?,
            since: self.map.from.to_string(),
            packets: self.packets(),
            follows: self.follows(),
        })?)
    }
}

/// A line such as ``✗ audit/large ignores it: takes only `@.total > 100`, but @.total = 5``.
fn line(river: &AnnouncedRiver, explanation: &Explanation, palette: Palette) -> Line {
    let (mark, style) = match &explanation.verdict {
        Verdict::Matches => ("✓", palette.good),
        Verdict::NotForMe => ("✗", palette.faint),
        Verdict::Invalid(_) | Verdict::TooCostly(_) | Verdict::Looped => ("✗", palette.bad),
    };
    let words = would(&explanation.verdict);
    let line = Line::new().styled(style, mark).text(format_args!(" {river} {words}"));
    match reason(explanation) {
        Some(reason) => line.text(": ").text(reason),
        None => line,
    }
}

fn followed(flow: &Flow, packets: u64, palette: Palette) -> Line {
    let effect = flow.effect.as_ref().map_or("(no kind)".to_owned(), ToString::to_string);
    let percent = flow.packets.saturating_mul(100) / packets.max(1);
    let publisher = flow.publisher.as_deref().unwrap_or("outside");
    Line::from("  ")
        .styled(palette.name, effect)
        .text(format_args!(" of {publisher}: {} ({percent} %)", flow.packets))
}
