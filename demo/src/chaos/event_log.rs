//! What happened to the processes, and at what time.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::script::Action;
use super::servers::Felt;

/// Something that happened to a process.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The monkey did something.
    Monkey(Action),
    /// A fault of the servers is over.
    Fault(Felt),
    /// A service aborted itself.
    Aborted { service: String },
    /// A process ended by itself in another way, described in words.
    Ended(String),
}

/// All events so far.
#[derive(Debug)]
pub(crate) struct EventLog {
    began: Instant,
    entries: Vec<(Duration, Event)>,
}

/// How often each kind of event happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// How often a service was killed.
    pub(crate) services: usize,
    /// How often the server was killed.
    pub(crate) servers: usize,
    /// How many faults the servers of a cluster had.
    pub(crate) faults: usize,
    pub(crate) pauses: usize,
    pub(crate) second_instances: usize,
    pub(crate) aborts: usize,
    /// How often a process ended for no known reason.
    pub(crate) others: usize,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), entries: Vec::new() }
    }

    /// Adds an event, and returns its line.
    pub(crate) fn record(&mut self, event: Event) -> String {
        let line = line(self.elapsed(), &event);
        self.entries.push((self.elapsed(), event));
        line
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, event) in &self.entries {
            let count = match event {
                Event::Monkey(Action::Kill { .. }) => &mut counts.services,
                Event::Monkey(Action::KillServer { .. }) => &mut counts.servers,
                Event::Monkey(Action::Pause { .. }) => &mut counts.pauses,
                Event::Monkey(Action::SecondInstance { .. }) => &mut counts.second_instances,
                Event::Fault(_) | Event::Monkey(Action::Fault(_)) => &mut counts.faults,
                Event::Aborted { .. } => &mut counts.aborts,
                Event::Ended(_) => &mut counts.others,
            };
            *count += 1;
        }
        counts
    }

    /// The times, in seconds, at which the monkey killed or paused this process. A packet that was
    /// handled alone at such a time is suspected of having ended the process.
    pub(crate) fn attacks_on(&self, name: &str) -> Vec<String> {
        let is_attack = |event: &Event| {
            matches!(event, Event::Monkey(Action::Kill { process, .. } | Action::Pause { process, .. })
                if process == name)
        };
        let attacks = self.entries.iter().filter(|(_, event)| is_attack(event));
        attacks.map(|(at, _)| format!("{:.1}", at.as_secs_f64())).collect()
    }

    /// The processes that ended by themselves, apart from aborts of the service that is meant to
    /// abort.
    pub(crate) fn unexpected_ends(&self, aborting: &str) -> Vec<String> {
        let unexpected = |(at, event): &(Duration, Event)| match event {
            Event::Aborted { service } if service == aborting => None,
            Event::Aborted { .. } | Event::Ended(_) => Some(line(*at, event)),
            Event::Monkey(_) | Event::Fault(_) => None,
        };
        self.entries.iter().filter_map(unexpected).collect()
    }

    /// How the faults of servers were felt, in their order.
    pub(crate) fn felt(&self) -> Vec<Felt> {
        let felt =
            |event: &Event| if let Event::Fault(felt) = event { Some(felt.clone()) } else { None };
        self.entries.iter().filter_map(|(_, event)| felt(event)).collect()
    }

    /// Every entry as a line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.entries.iter().map(|(at, event)| line(*at, event))
    }
}

fn line(at: Duration, event: &Event) -> String {
    format!("{:>8.2} s  {event}", at.as_secs_f64())
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Monkey(action) => action.fmt(formatter),
            Self::Fault(Felt { kind, servers, whole, leaderless, plain, ours }) => write!(
                formatter,
                "{kind} ({servers}), all current after {:.1} s; without leaders {:.1} s, without an answer for a \
                 plain client {:.1} s, without a packet of a service {:.1} s",
                whole.as_secs_f64(),
                leaderless.as_secs_f64(),
                plain.as_secs_f64(),
                ours.as_secs_f64()
            ),
            Self::Aborted { service } => write!(formatter, "{service} aborted itself"),
            Self::Ended(how) => how.fmt(formatter),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |duration: &Duration| duration.as_secs_f64();
        match self {
            Self::Kill { process, absence } => {
                write!(formatter, "killed {process}, back after {:.1} s", seconds(absence))
            }
            Self::KillServer { absence } => {
                write!(formatter, "killed the server, back after {:.1} s", seconds(absence))
            }
            Self::Fault(fault) => write!(formatter, "{}", fault.kind),
            Self::Pause { process, length } => {
                write!(formatter, "paused {process} for {:.1} s", seconds(length))
            }
            Self::SecondInstance { process, length } => {
                write!(formatter, "second {process} for {:.1} s", seconds(length))
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { services, servers, faults, pauses, second_instances, aborts, others } = self;
        write!(
            formatter,
            "{} kills ({services} of services, {servers} of the server), {pauses} pauses, \
             {second_instances} second instances, {aborts} aborts by poison",
            services + servers
        )?;
        if *faults > 0 {
            write!(formatter, ", {faults} faults of servers")?;
        }
        if *others > 0 {
            write!(formatter, ", {others} unexplained ends")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn kill(process: &str) -> Event {
        Event::Monkey(Action::Kill {
            process: process.to_owned(),
            absence: Duration::from_millis(800),
        })
    }

    fn abort(service: &str) -> Event {
        Event::Aborted { service: service.to_owned() }
    }

    #[test]
    fn entries_read_as_sentences_with_their_times() {
        let line = EventLog::new().record(kill("payment"));
        assert!(line.ends_with(" s  killed payment, back after 0.8 s"), "{line}");
        assert!(line.starts_with("    0.0"), "{line}");
    }

    #[test]
    fn each_kind_is_counted_apart() {
        let mut event_log = EventLog::new();
        for event in [kill("payment"), abort("taster"), kill("order"), abort("order")] {
            event_log.record(event);
        }
        let counts = event_log.counts();
        assert_eq!((counts.services, counts.aborts, counts.servers), (2, 2, 0));
        assert_eq!(event_log.attacks_on("payment").len(), 1);
        let unexpected = event_log.unexpected_ends("taster");
        assert_eq!(unexpected.len(), 1);
        assert!(unexpected[0].ends_with("order aborted itself"));
    }
}
