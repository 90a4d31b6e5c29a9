//! Which charts the documentation shows.

use super::chart::{Chart, Line};
use super::recorded::Recorded;
use crate::figure::Figure;

/// One chart, of the case that it names.
#[derive(Debug)]
struct Plan {
    file: &'static str,
    case: &'static str,
    title: &'static str,
    x: &'static str,
    y: &'static str,
    /// The figure and the side of each line, and the line's name.
    lines: &'static [(Figure, &'static str, &'static str)],
}

const PLANS: [Plan; 5] = [
    Plan {
        file: "services-server.svg",
        case: "services",
        title: "What one packet costs the server",
        x: "services on the stream",
        y: "us of CPU for a packet of 300 B, storing included",
        lines: &[
            (Figure::ServerMicros, "shared", "shared"),
            (Figure::ServerMicros, "exclusive", "exclusive"),
            (Figure::ServerMicros, "bundled", "bundled"),
            (Figure::ServerMicros, "tuned", "async-nats, tuned"),
            (Figure::ServerMicros, "live", "plain subscribers"),
        ],
    },
    Plan {
        file: "services-rate.svg",
        case: "services",
        title: "How many packets one core of the server takes",
        x: "services on the stream",
        y: "packets of 300 B per second",
        lines: &[
            (Figure::ServerCapacity, "shared", "shared"),
            (Figure::ServerCapacity, "exclusive", "exclusive"),
            (Figure::ServerCapacity, "bundled", "bundled"),
            (Figure::ServerCapacity, "tuned", "async-nats, tuned"),
            (Figure::ServerCapacity, "live", "plain subscribers"),
        ],
    },
    Plan {
        file: "rivers.svg",
        case: "rivers",
        title: "What one packet costs a service with many rivers",
        x: "rivers in the service",
        y: "us of CPU for a packet of 300 B",
        lines: &[
            (Figure::ClientMicros, "one service", "the service"),
            (Figure::ServerMicros, "one service", "the server"),
        ],
    },
    Plan {
        file: "rivers-memory.svg",
        case: "rivers",
        title: "The memory of a service with many rivers",
        x: "rivers in the service",
        y: "MiB resident",
        lines: &[(Figure::ResidentMebibytes, "one service", "the service")],
    },
    Plan {
        file: "size.svg",
        case: "size",
        title: "What one packet costs that nobody wants",
        x: "bytes of the packet",
        y: "us of CPU",
        lines: &[
            (Figure::ClientMicros, "ours", "the service"),
            (Figure::ClientMicros, "tuned", "async-nats, tuned"),
            (Figure::ServerMicros, "ours", "the server, ours"),
            (Figure::ServerMicros, "tuned", "the server, tuned"),
        ],
    },
];

/// The names and pictures of all charts for which there is data.
pub(super) fn draw(recorded: &Recorded) -> impl Iterator<Item = (&'static str, String)> {
    PLANS.iter().filter_map(|plan| Some((plan.file, chart(recorded, plan).svg()?)))
}

fn chart<'a>(recorded: &Recorded, plan: &'a Plan) -> Chart<'a> {
    let line = |(figure, side, name): &'a (Figure, &'static str, &'static str)| {
        let points = recorded.steps(plan.case, *figure, side);
        Line { name, points: points.into_iter().map(|(x, y)| (x as f64, y)).collect() }
    };
    let lines = plan.lines.iter().map(line).filter(|line| !line.points.is_empty());
    Chart { title: plan.title, x: plan.x, y: plan.y, lines: lines.collect() }
}
