//! A service as a line of the overview.

use rapids_views::ServiceStatus;

use crate::badge::Badge;
use crate::console::Console;
use crate::frame::Frame;
use crate::pages::position::address;
use crate::reading::status::Status;
use crate::sparkline::{Sparkline, sparkline};
use crate::text::{short, shown};
use crate::times::{self, count, duration, rate};

/// A line of the table.
pub(in crate::pages) struct ServiceRow {
    pub(in crate::pages) name: String,
    /// For browsers, so that a line stays the same one when others come and go.
    pub(in crate::pages) anchor: String,
    pub(in crate::pages) map: String,
    /// The page of its position.
    pub(in crate::pages) position: String,
    pub(in crate::pages) delivery: Option<&'static str>,
    pub(in crate::pages) badge: Badge,
    pub(in crate::pages) details: Vec<String>,
    pub(in crate::pages) up: String,
    pub(in crate::pages) handled: String,
    pub(in crate::pages) lag: String,
    pub(in crate::pages) unread: String,
    pub(in crate::pages) unacknowledged: String,
    pub(in crate::pages) letters: String,
    pub(in crate::pages) letters_address: String,
    pub(in crate::pages) chart: Sparkline,
}

impl ServiceRow {
    pub(in crate::pages) fn of(
        console: &Console,
        status: &Status,
        frame: &Frame,
        (name, service): (&str, &ServiceStatus),
    ) -> Self {
        let position = service.position.as_ref();
        let number = |number: Option<u64>| number.map_or("–".to_owned(), count);
        let handled = status.handled.get(name).map_or("–".to_owned(), |it| rate(*it));
        Self {
            name: shown(name),
            anchor: format!("service-{name}"),
            map: frame.on_map(name),
            position: address(frame, name),
            delivery: service.delivery(),
            badge: service.state().into(),
            details: details(service),
            up: count(service.instances.len() as u64),
            handled,
            lag: number(position.map(|position| position.pending)),
            unread: unread(console, status, service),
            unacknowledged: number(position.map(|position| position.unacknowledged)),
            letters: count(console.letters.waiting(Some(name))),
            letters_address: frame.to("/dead-letters?service=", name),
            chart: sparkline(&console.packets.per_minute(Some(name)), "packets published"),
        }
    }
}

/// What instances say of themselves.
fn details(service: &ServiceStatus) -> Vec<String> {
    let exclusive = service.exclusive().map(|exclusive| {
        let waiting = exclusive.standing_by;
        format!("{waiting} {} by", if waiting == 1 { "stands" } else { "stand" })
    });
    let rebuilding = service.instances.iter().find_map(ServiceStatus::rebuilding);
    let rebuilding = rebuilding.map(|how_far| format!("rebuilding: {how_far}"));
    let problems = service.instances.iter().flat_map(|instance| {
        let problems = ServiceStatus::problems(instance);
        problems.map(|(fact, value)| format!("{fact}: {value} ({})", instance.id))
    });
    exclusive.into_iter().chain(rebuilding).chain(problems).map(short).collect()
}

/// How long the oldest packet waits that no instance was given.
fn unread(console: &Console, status: &Status, service: &ServiceStatus) -> String {
    let Some(position) = service.position.as_ref().filter(|position| position.pending > 0) else {
        return "–".to_owned();
    };
    match console.packets.stored_from(position.delivered + 1) {
        Some(stored) => format!("{} ago", duration(times::since(stored))),
        // It is not kept any more, so it is older than the oldest that is; nor is it older than the stream.
        None => match status.contents.as_ref().and_then(|contents| contents.oldest) {
            Some(oldest) => format!("up to {} ago", duration(times::since(oldest))),
            None => "–".to_owned(),
        },
    }
}
