//! Chaos: runs the demo's shop while services and the server are killed and bad packets come, and
//! verifies that nothing was lost and nothing happened twice.
//!
//! Runs one part after the other; each part has a file of its own.

mod backpressure;
mod end_of_day;
mod event_log;
mod extras;
mod facts;
mod fault_ids;
mod letters;
mod load;
mod malformed;
mod observer;
mod options;
mod packet_counts;
mod pause_table;
mod positions;
mod report;
mod run_folder;
mod script;
mod script_runner;
mod servers;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use rapids_client::{Config, DeadLetter, Rapids, Start, shutdown_signal};
use tokio::sync::mpsc;

use crate::counters::Counters;
use crate::delivery::DeliveryMode;
use crate::exit::Exit;
use crate::fleet::{Fleet, RestartPolicy};
use crate::logins::Logins;
use crate::prices::Prices;
use crate::rivers::Program;
use crate::tracker::Tracker;
use crate::verify::Fact;
use crate::{discovery, minutes, open_orders, outside, overdue, rivers, server, verify};
use backpressure::Backpressure;
use facts::Findings;
use fault_ids::FaultIds;
use load::{Load, Published};
use malformed::RawPublisher;
use observer::Observer;
use positions::Positions;
use report::{Outcome, Report};
use run_folder::RunFolder;
use script_runner::{Monkey, ScriptRunner};
use servers::{FaultKind, NODES, Servers};

pub(crate) use extras::Extra;
pub(crate) use options::Options;

/// Runs chaos, and stops every process that it started.
///
/// # Errors
/// If something prevents the verification.
pub(crate) async fn run(options: &Options) -> Result<Exit> {
    let seed = options.seed();
    let report = Report::new(options.json);
    let run = Run { options, seed, report, folder: RunFolder::create(seed)? };
    let exit = Box::pin(run.start()).await;
    let Run { report, mut folder, .. } = run;
    if matches!(exit, Err(_) | Ok(Exit::FactsBroken)) {
        folder.keep();
        let path = folder.path().display();
        report.note(&format!("seed {seed}; histories, logs and the server's store: {path}"))?;
    }
    exit
}

/// One run of chaos.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Options,
    seed: u64,
    report: Report,
    folder: RunFolder,
}

/// What a run is going to do.
#[derive(Debug)]
struct Plan {
    load: Load,
    steps: Vec<script::Step>,
    period: Duration,
    /// The services of the demo, without those that exist for chaos only.
    shop: Vec<String>,
    processes: Vec<Program>,
}

/// What was observed during a run, and what is on the server at its end.
#[derive(Debug)]
struct Observed<'a> {
    observer: Observer<'a>,
    positions: Positions,
    letters: Vec<DeadLetter>,
    told: Counters,
    timers: Fact,
    open_orders: Fact,
    /// What the server has kept of others, where somebody else was there.
    control: Option<Fact>,
}

impl Run<'_> {
    /// Starts the server and the services, runs the plan, and stops them again.
    async fn start(&self) -> Result<Exit> {
        let Options { orders, kills, delivery, secure, .. } = self.options;
        let rivers = rivers::build().await?;
        let shop = rivers::services(&rivers);
        let outside = vec![outside::program()?];
        let processes = [
            delivery.processes(&rivers)?,
            outside,
            extras::programs(self.options.faults().is_some())?,
        ]
        .concat();
        let logins = match secure {
            true => Some(Logins::make(&processes, *delivery).await?),
            false => None,
        };
        let config = logins.as_ref().map(Logins::server_config).unwrap_or_default();
        let mut server = match self.options.faults() {
            None => Servers::one(&self.folder.store(), config).await?,
            Some(_) => Box::pin(Servers::three(&self.folder.store(), *orders)).await?,
        };
        if let Some(logins) = &logins {
            logins.provision(&server.url, true).await?;
        }
        let faults = self.options.faults().map(|it| format!(", {it} faults of servers"));
        self.report.note(&format!(
            "seed {}: {orders} orders, {kills} kills{}\nstarted at {}",
            self.seed,
            faults.unwrap_or_default(),
            server.url
        ))?;
        let config = server::own_config(&server.url, logins.as_ref());
        let config = if self.options.faults().is_some() { config.replicas(NODES) } else { config };
        let rapids = Rapids::connect(&config).await?;
        let url = server.url.clone();
        let environment = |program: &Program| self.environment(&url, logins.as_ref(), program);
        let (policy, logs) = (RestartPolicy::Always, self.folder.path());
        let mut fleet = Fleet::launch(&processes, environment, policy, logs)?;
        let kinds = self.possible_kinds(&server)?;
        let plan = self.plan(shop, processes, &kinds);
        let exit = tokio::select! {
            () = shutdown_signal() => Ok(Exit::Interrupted),
            exit = Box::pin(self.execute(plan, (&rapids, &config), &mut fleet, &mut server)) => exit,
        };
        fleet.stop().await;
        self.folder.write("nats-server.log", [server.stop().await])?;
        exit
    }

    /// The kinds of faults that can happen to the servers.
    fn possible_kinds(&self, server: &Servers) -> Result<Vec<FaultKind>> {
        let mut kinds = self.options.kinds();
        if let Some(reason) = &server.no_disks {
            self.report.note(&format!("no disk will be full: {reason}"))?;
            kinds.retain(|kind| !kind.needs_disk());
        }
        ensure!(!kinds.is_empty(), "no fault of these kinds can happen on this machine");
        Ok(kinds)
    }

    /// The variables of a program.
    fn environment(
        &self,
        url: &str,
        logins: Option<&Logins>,
        program: &Program,
    ) -> Vec<(&'static str, String)> {
        let mut environment = server::own_environment(url, logins, program);
        environment.extend([
            self.options.delivery.environment(),
            overdue::environment(),
            minutes::environment(),
            DeliveryMode::short_ack_wait(),
            ("RAPIDS_READ_LIMIT", facts::HOPS.to_string()),
            // Backtraces would fill the last lines of a log, which reports quote.
            ("RUST_LIB_BACKTRACE", "0".to_owned()),
        ]);
        if self.options.faults().is_some() {
            environment.push(("RAPIDS_REPLICAS", NODES.to_string()));
        }
        environment
    }

    /// Everything that follows from the seed.
    fn plan(&self, shop: Vec<String>, processes: Vec<Program>, kinds: &[FaultKind]) -> Plan {
        let Options { orders, kills, rate, delivery, .. } = *self.options;
        // Its pauses tell of the servers alone.
        let spared = Extra::Pulse.name();
        let names: Vec<_> = processes.iter().map(|process| process.name.clone()).collect();
        let names: Vec<_> = names.into_iter().filter(|name| name != spared).collect();
        let mut load = load::load(orders, self.seed);
        let mut random = Rng::with_seed(self.seed);
        let (takeover, faults) = (delivery.takeover_time(), self.options.faults());
        let actions =
            script::actions((kills, faults.map(|it| (it, kinds))), &names, takeover, &mut random);
        let items = std::mem::take(&mut load.items);
        let faults = faults.unwrap_or_default();
        let period =
            script::period((orders, rate), items.len(), (actions.len(), faults), names.len());
        Plan { load, steps: script::steps(items, actions, &mut random), period, shop, processes }
    }

    /// Runs the script, observes what follows, and verifies it.
    async fn execute(
        &self,
        plan: Plan,
        (rapids, config): (&Rapids, &Config),
        fleet: &mut Fleet,
        server: &mut Servers,
    ) -> Result<Exit> {
        let Plan { load, steps, period, shop, processes } = plan;
        let Load { orders, offers, published, .. } = load;
        let services = rivers::services(&processes);
        let started = discovery::wait_for(rapids, &services, &HashSet::new()).await;
        started.context("services are missing")?;
        let (names, count) = (services.join(" "), services.len());
        self.report.note(&format!("{count} services announced themselves: {names}"))?;

        let tail = rapids.tail(Start::Beginning).await?;
        let (done, events) = mpsc::unbounded_channel();
        let runner = ScriptRunner {
            rapids: rapids.clone(),
            prices: Prices::new(rapids),
            raw_publisher: RawPublisher::new(rapids),
            monkey: Monkey { fleet: fleet.handle(), server: server.attacker(), done },
            steps,
            period,
            // Only the shop: the extra services may be down for long.
            backpressure: Backpressure::of(shop, rapids.clone(), self.options.patience()),
        };
        let is_cluster = self.options.faults().is_some();
        let work = async {
            tokio::select! {
                ran = runner.run() => ran?,
                failed = extras::publish_pulses(rapids), if is_cluster => failed?,
            }
            let patience = self.options.patience();
            positions::wait_until_idle(rapids, &services, patience).await;
            end_of_day::end(rapids, patience).await.context("cannot end the day")?;
            Ok(positions::wait_until_idle(rapids, &services, patience).await)
        };
        let observer =
            Observer::new(&self.report, Tracker::new(orders, offers), server.ours.clone());
        let observing = Box::pin(observer.observe(work, tail, events, fleet, server));
        let (observer, positions) = observing.await?;
        let letters = Box::pin(letters::read(config)).await;
        let letters = letters.context("cannot read the dead letters")?;
        let told = Counters::told(&discovery::stats(rapids).await?);

        let timers = overdue::timers(rapids, &observer.tracker.orders).await?;
        let open_orders = open_orders::fact(rapids).await?;
        let control = server.control_fact().await?;
        let mut observed =
            Observed { observer, positions, letters, told, timers, open_orders, control };
        let facts = self.verify(&mut observed, &published, &processes)?;
        if facts.iter().all(Fact::holds) {
            return Ok(Exit::FactsHold);
        }
        self.write_evidence(&facts, &observed, rapids).await?;
        Ok(Exit::FactsBroken)
    }

    /// Verifies all facts and reports the outcome.
    fn verify(
        &self,
        observed: &mut Observed<'_>,
        published: &Published,
        processes: &[Program],
    ) -> Result<Vec<Fact>> {
        let Observed { observer, positions, letters, told, timers, open_orders, control } =
            observed;
        let Observer { tracker, packet_counts, event_log, .. } = observer;
        let sorted = letters::sort(letters, published, event_log, processes);
        tracker.excuse(&sorted.excused);
        if letters.iter().any(|letter| letter.id.service() == minutes::SERVICE) {
            tracker.minutes.excuse();
        }
        let findings = Findings {
            published,
            packet_counts,
            letters: &sorted,
            positions,
            services: &rivers::services(processes),
            event_log,
        };
        let mut facts = verify::facts(tracker);
        facts.extend(findings.facts());
        // What the service could not handle it cannot tell.
        if letters.iter().all(|letter| !open_orders::SERVICES.contains(&letter.id.service())) {
            facts.push(open_orders.clone());
        }
        facts.extend([timers.clone(), tracker.published.fact(told, true)]);
        facts.extend(control.take());
        self.report.finish(&Outcome {
            seed: self.seed,
            tracker,
            published,
            counts: event_log.counts(),
            felt: event_log.felt(),
            letters: letters.len(),
            remarks: &sorted.suspects,
            took: event_log.elapsed(),
            facts: &facts,
        })?;
        Ok(facts)
    }

    /// Writes the facts, the events, and every packet and letter that a fault names into the folder
    /// of the run.
    async fn write_evidence(
        &self,
        facts: &[Fact],
        observed: &Observed<'_>,
        rapids: &Rapids,
    ) -> Result<()> {
        let Observed { observer, positions, letters, .. } = observed;
        self.folder.write("monkey.log", observer.event_log.lines())?;
        self.folder.write("facts.txt", facts.iter().flat_map(lines))?;
        let ids = FaultIds::of(facts);
        let about = letters.iter().filter(|letter| ids.name_letter(letter));
        self.folder.write("letters.txt", about.map(|letter| format!("{letter:?}")))?;
        let history = Box::pin(ids.history(rapids, positions.last())).await;
        self.folder.write("history.txt", history.context("cannot read the histories")?)
    }
}

/// A fact and its faults, a line each.
fn lines(fact: &Fact) -> Vec<String> {
    let mark = if fact.holds() { "✓" } else { "✗" };
    let mut lines = vec![format!("{mark} {}", fact.claim)];
    lines.extend(fact.faults.iter().map(|fault| format!("    {fault}")));
    lines
}
