//! A conversation as lines.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use rapids_client::{
    Action, ActionKind, Conversation, Found, Node, Packet, Rapids, ReadingEnd, State, StoredLetter,
    Subject, Timestamp,
};
use rapids_views::Known;

use crate::line::Line;
use crate::packet_line::{facts, kind_and_name};
use crate::palette::Palette;
use crate::screen::Screen;
use crate::shorten::shortened;

/// Longest name in characters.
const NAME: usize = 60;
/// Longest reason of a letter in characters.
const REASON: usize = 120;
/// How many levels of the tree are drawn; beyond that, a number tells the level.
const LEVELS: usize = 16;

/// The lines that were printed before the conversation was read.
#[derive(Debug, Default)]
pub(super) struct Head {
    has_title: bool,
    /// The sequence of the packet that was printed.
    first: Option<u64>,
}

impl Head {
    /// Prints what is certain of a conversation once it is found: its id, and its first packet if nothing
    /// can come before that.
    ///
    /// # Errors
    /// Those of [`Rapids::packet`]; if the output cannot be written.
    pub(super) async fn print(
        found: &Found,
        rapids: &Rapids,
        has_state: bool,
        screen: &Screen,
    ) -> Result<Self> {
        screen.line(title(&found.conversation, found.stored, screen.data))?;
        let mut head = Self { has_title: true, first: None };
        // What a packet changes is known once all before it in the stream are read.
        if !has_state
            && let Some(first) = Box::pin(rapids.packet(found.sequence)).await?
            && first.causation_id().is_none()
            && first.id() == found.conversation
        {
            let times = [Some(Duration::ZERO), None];
            screen.line(packet_line(&first, &facts(&first), times, "", screen.data))?;
            head.first = Some(found.sequence);
        }
        Ok(head)
    }

    /// Whether the line of a node is there already. The first packet may have expired since it was printed.
    fn has(&self, node: &Node<'_>) -> bool {
        let Subject::Packet(packet) = node.subject else {
            return false;
        };
        self.first.is_some() && self.first == sequence(packet)
    }
}

/// Prints a conversation, without the lines that are there already; with what each packet changes in place
/// of its facts, on request.
pub(super) fn print(
    conversation: &Conversation,
    head: &Head,
    has_state: bool,
    screen: &Screen,
) -> Result<()> {
    let palette = screen.data;
    let mut known = has_state.then(Known::default);
    let changes = known.as_mut().map(|known| {
        let packets = conversation.packets.iter();
        packets.map(|packet| (sequence(packet), known.take(packet).shown())).collect()
    });
    let first = conversation.packets.first().map_or_else(Timestamp::now, stored);
    let nodes = conversation.tree();
    if !head.has_title {
        screen.line(title(&conversation.id, first, palette))?;
    }
    let mut guides = Guides::default();
    for node in &nodes {
        let guide = guides.of(node);
        if !head.has(node) {
            screen.line(line(node, changes.as_ref(), &guide, conversation, palette))?;
        }
    }
    if let Some(known) = known {
        let line = Line::new().styled(palette.name, "state").text("  ").text(known.shown());
        screen.line(line.trimmed())?;
    }
    screen.line(Line::new().styled(palette.faint, summary(conversation)))
}

fn title(conversation: &str, first: Timestamp, palette: Palette) -> Line {
    let first = first.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    Line::new()
        .styled(palette.faint, "conversation ")
        .styled(palette.name, conversation)
        .styled(palette.faint, format_args!(" since {first}"))
}

/// What stands in front of the nodes of a tree.
#[derive(Debug, Default)]
struct Guides {
    /// Of each level above, whether something follows on it.
    levels: Vec<bool>,
}

impl Guides {
    /// The guide of the next node of the tree.
    fn of(&mut self, node: &Node<'_>) -> String {
        self.levels.truncate(node.depth);
        if node.depth == 0 {
            self.levels.push(false);
            return String::new();
        }
        let mut guide = String::new();
        let hidden = self.levels.len().saturating_sub(LEVELS);
        if hidden > 0 {
            guide.push_str(&format!("…{hidden} "));
        }
        for follows in self.levels.iter().skip(hidden.max(1)) {
            guide.push_str(if *follows { "│  " } else { "   " });
        }
        guide.push_str(if node.is_last { "└─ " } else { "├─ " });
        self.levels.push(!node.is_last);
        guide
    }
}

/// The line of a node; with the changes of packets, by their sequences, in place of their facts.
fn line(
    node: &Node<'_>,
    changes: Option<&HashMap<Option<u64>, String>>,
    guide: &str,
    conversation: &Conversation,
    palette: Palette,
) -> Line {
    let times = [node.since_first, node.since_cause];
    match node.subject {
        Subject::Packet(packet) => {
            let change = changes.and_then(|changes| changes.get(&sequence(packet))).cloned();
            let told = change.unwrap_or_else(|| facts(packet));
            let line = packet_line(packet, &told, times, guide, palette);
            if node.is_in_circle {
                return line.styled(palette.warning, "  (its cause is one of its effects)");
            }
            line
        }
        Subject::Letter(letter) => letter_line(letter, times, guide, palette),
        Subject::Missing(id) => {
            let place =
                if conversation.has_expired { "the stream any more" } else { "the conversation" };
            columns("", times, guide, palette)
                .styled(palette.warning, format_args!("… cause {id} is not in {place}"))
        }
        _ => columns("", times, guide, palette),
    }
}

/// What each line begins with.
pub(super) fn columns(
    sequence: &str,
    [first, cause]: [Option<Duration>; 2],
    guide: &str,
    palette: Palette,
) -> Line {
    let [first, cause] = [first, cause].map(|time| time.map_or("-".to_owned(), elapsed));
    Line::new()
        .text(format_args!("{sequence:>9}  "))
        .styled(palette.faint, format_args!("{first:>9}  {cause:>9}  {guide}"))
}

/// A packet, with what is told of it, and the times since the first one and since its cause.
pub(super) fn packet_line(
    packet: &Packet,
    told: &str,
    times: [Option<Duration>; 2],
    guide: &str,
    palette: Palette,
) -> Line {
    let sequence = sequence(packet).map_or("-".to_owned(), |sequence| sequence.to_string());
    let line = columns(&sequence, times, guide, palette);
    let line = match kind_and_name(packet) {
        ("event", name) => line.styled(palette.name, shortened(&name, NAME)),
        (kind, name) => line.text(kind).text(" ").styled(palette.name, shortened(&name, NAME)),
    };
    line.styled(palette.faint, format_args!("  {}", shortened(publisher(packet), NAME)))
        .text(format_args!("  {told}"))
        .trimmed()
}

/// The service that published a packet.
pub(super) fn publisher(packet: &Packet) -> &str {
    packet.shown_publisher().unwrap_or("outside")
}

/// A dead letter: which river failed, why, and what has become of it.
pub(super) fn letter_line(
    stored: &StoredLetter,
    times: [Option<Duration>; 2],
    guide: &str,
    palette: Palette,
) -> Line {
    let letter = &stored.letter;
    let state = match stored.state {
        State::Waiting | State::Unfinished | State::FailedAgain => palette.warning,
        State::Replayed | State::Edited | State::Discarded => palette.faint,
    };
    let mut line = columns("letter", times, guide, palette)
        .styled(palette.bad, format_args!("✗ {} {}", letter.id, letter.kind))
        .text(" ")
        .styled(state, stored.state)
        .text(": ")
        .styled(palette.bad, shortened(&letter.reason, REASON));
    for action in &stored.actions {
        line = line.styled(palette.faint, format_args!("; {}", outcome(action)));
    }
    if let Some(again) = &stored.again {
        line = line.styled(palette.faint, format_args!("; failed again as {again}"));
    }
    line
}

/// Who did what, with what result.
fn outcome(action: &Action) -> String {
    let Action { kind, who, replay, packet_id, sequence, .. } = action;
    let who = shortened(who, NAME);
    match (kind, packet_id, replay, sequence) {
        (ActionKind::ReplayToAll, _, _, Some(sequence)) => {
            format!("{kind} by {who}: sequence {sequence}")
        }
        (ActionKind::Edit, Some(packet), Some(replay), _) => {
            format!("{kind} by {who}: packet {packet} as replay {replay}")
        }
        (_, _, Some(replay), _) => format!("{kind} by {who}: replay {replay}"),
        _ => format!("{kind} by {who}"),
    }
}

/// How much there is of a conversation, and how far it was read.
fn summary(conversation: &Conversation) -> String {
    let Conversation { packets, letters, read_to, end, .. } = conversation;
    let counted = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let mut text = counted(packets.len(), "packet");
    if let [first, .., last] = packets.as_slice() {
        let span = Duration::try_from(stored(last).duration_since(stored(first)));
        text.push_str(&format!(" in {}", elapsed(span.unwrap_or_default())));
    }
    if !letters.is_empty() {
        let is_open =
            |letter: &&StoredLetter| matches!(letter.state, State::Waiting | State::Unfinished);
        let open = letters.iter().filter(is_open).count();
        text.push_str(&format!(", {}, {open} of them open", counted(letters.len(), "dead letter")));
    }
    match end {
        ReadingEnd::Quiet => {
            let words = "later packets were not looked for";
            text.push_str(&format!("; quiet, read up to sequence {read_to}: {words}"));
        }
        ReadingEnd::Stream => text.push_str("; read up to the end of the stream"),
        ReadingEnd::Moment => {
            text.push_str(&format!("; read up to sequence {read_to}: what came later is left out"));
        }
        ReadingEnd::Limit => {
            text.push_str(&format!(
                "; too many, read up to sequence {read_to}: the rest is left out"
            ));
        }
        _ => text.push_str(&format!("; read up to sequence {read_to}")),
    }
    text
}

fn sequence(packet: &Packet) -> Option<u64> {
    packet.arrival().map(|arrival| arrival.sequence)
}

pub(super) fn stored(packet: &Packet) -> Timestamp {
    packet.arrival().map_or(packet.created(), |arrival| arrival.stored)
}

/// A time in three or four digits.
fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.as_millis() < 100 => format!("{:.1} ms", time.as_secs_f64() * 1_000.0),
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.2} s", time.as_secs_f64()),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_whatever_they_are() {
        for (milliseconds, expected) in [
            (0, "0.0 ms"),
            (3, "3.0 ms"),
            (120, "120 ms"),
            (1_234, "1.23 s"),
            (65_000, "1m 05s"),
            (3_840_000, "1h 04m"),
            (180_000_000, "2d 02h"),
        ] {
            assert_eq!(elapsed(Duration::from_millis(milliseconds)), expected);
        }
    }
}
