//! Which packet caused which, as text.

use std::fmt;

use rapids_client::Packet;

use crate::Problem;

/// The packets of a [`TestRapids`](crate::TestRapids), each below the one that led to it, with
/// the service that published it.
#[derive(Debug, Clone, Copy)]
pub struct Trail<'a> {
    pub(crate) packets: &'a [Packet],
    pub(crate) problems: &'a [Problem],
}

impl Trail<'_> {
    fn write(
        &self,
        formatter: &mut fmt::Formatter<'_>,
        packet: &Packet,
        depth: usize,
    ) -> fmt::Result {
        let indent = "  ".repeat(depth);
        let publisher = match (packet.causation_id(), packet.shown_publisher()) {
            (Some(_), Some(service)) => format!("  ({service})"),
            _ => String::new(),
        };
        writeln!(formatter, "{indent}- {}{publisher}", name(packet))?;
        for problem in self.problems.iter().filter(|problem| problem.packet_id == packet.id()) {
            let (service, river) = (&problem.service, &problem.river);
            writeln!(formatter, "{indent}  ! {service}/{river}: {}", problem.reason)?;
        }
        self.packets
            .iter()
            .filter(|effect| effect.causation_id() == Some(packet.id()))
            .try_for_each(|effect| self.write(formatter, effect, depth + 1))
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |id: &str| self.packets.iter().any(|packet| packet.id() == id);
        self.packets
            .iter()
            .filter(|packet| !packet.causation_id().is_some_and(known))
            .try_for_each(|first| self.write(formatter, first, 0))
    }
}

fn name(packet: &Packet) -> String {
    let need = || (!packet.need_names().is_empty()).then(|| packet.need_names().join(", "));
    packet
        .event_name()
        .or_else(|| packet.command_name().map(|name| format!("command {name}")))
        .or_else(|| need().map(|names| format!("need {names}")))
        .unwrap_or_else(|| packet.to_string())
}
