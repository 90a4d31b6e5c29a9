//! Chaos: the demo's shop while everything goes wrong, and a verification that nothing of it
//! shows.
//!
//! Puts things in order; each of them is left to the file that is named after it.

mod census;
mod diary;
mod evidence;
mod extras;
mod facts;
mod letters;
mod load;
mod malformed;
mod options;
mod pace;
mod report;
mod rest;
mod script;
mod server;
mod stagehand;
mod watch;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use rapids_client::{Config, DeadLetter, Rapids, Start, told_to_stop};
use tokio::sync::mpsc;

use crate::fleet::{Care, Fleet};
use crate::ledger::Ledger;
use crate::rivers::Program;
use crate::show::Ending;
use crate::verify::Fact;
use crate::way::Way;
use crate::{rivers, rollcall, stage, verify};
use evidence::{Folder, Named};
use facts::Findings;
use load::Load;
use malformed::Scribbler;
use pace::Pace;
use report::{Outcome, Report};
use server::Server;
use stagehand::{Hands, Stagehand};
use watch::Watch;

pub(crate) use extras::Extra;
pub(crate) use options::Options;

/// How long all may take to come to rest after the last packet: so long, and a share per order.
const PATIENCE: Duration = Duration::from_secs(180);
const PATIENCE_PER_ORDER: Duration = Duration::from_millis(60);

/// Runs chaos, and leaves nothing running.
///
/// # Errors
/// If anything stands in the way of the verification.
pub(crate) async fn run(options: &Options) -> Result<Ending> {
    let seed = options.seed();
    let run = Run { options, seed, report: Report::new(options.json), folder: Folder::make(seed)? };
    let ending = Box::pin(run.perform()).await;
    let Run { report, mut folder, .. } = run;
    if matches!(ending, Err(_) | Ok(Ending::Broken)) {
        folder.keep();
        let path = folder.path().display();
        report.note(&format!("seed {seed}; histories, logs and the server's store: {path}"))?;
    }
    ending
}

/// One run of chaos.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Options,
    seed: u64,
    report: Report,
    folder: Folder,
}

/// What a run is about to do.
#[derive(Debug)]
struct Plan {
    load: Load,
    steps: Vec<script::Step>,
    period: Duration,
    /// The services of the demo.
    shop: Vec<String>,
    processes: Vec<Program>,
}

impl Run<'_> {
    async fn perform(&self) -> Result<Ending> {
        let Options { orders, kills, way, .. } = self.options;
        let rivers = rivers::build().await?;
        let shop = rivers::services(&rivers);
        let programs = [way.processes(&rivers)?, extras::programs()?].concat();
        let mut server = Server::start(&self.folder.store()).await?;
        self.report.note(&format!(
            "seed {}: {orders} orders, {kills} kills\nstarted a server at {}",
            self.seed, server.url
        ))?;
        let plan = self.plan(shop, programs.clone());
        let mut environment = stage::own_environment(&server.url);
        environment.extend([way.environment(), Way::impatience()]);
        environment.push(("RAPIDS_READ_LIMIT", facts::HOPS.to_string()));
        // Last words are to be words.
        environment.push(("RUST_LIB_BACKTRACE", "0".to_owned()));
        let rapids = Rapids::connect(&Config::new(&server.url)).await?;
        let mut fleet = Fleet::launch(&programs, &environment, Care::Restart, self.folder.path())?;
        let ending = tokio::select! {
            () = told_to_stop() => Ok(Ending::Interrupted),
            ending = Box::pin(self.play(plan, &rapids, &mut fleet, &mut server)) => ending,
        };
        fleet.stop().await;
        self.folder.write("nats-server.log", [server.stop().await])?;
        ending
    }

    /// Everything that follows from the seed.
    fn plan(&self, shop: Vec<String>, processes: Vec<Program>) -> Plan {
        let Options { orders, kills, rate, way, .. } = *self.options;
        let names: Vec<_> = processes.iter().map(|process| process.name.clone()).collect();
        let mut load = load::load(orders, self.seed);
        let mut random = Rng::with_seed(self.seed);
        let deeds = script::deeds(kills, &names, way.silence(), &mut random);
        let items = std::mem::take(&mut load.items);
        let period = script::period((orders, rate), items.len(), deeds.len(), names.len());
        Plan { load, steps: script::steps(items, deeds, &mut random), period, shop, processes }
    }

    async fn play(
        &self,
        plan: Plan,
        rapids: &Rapids,
        fleet: &mut Fleet,
        server: &mut Server,
    ) -> Result<Ending> {
        let Plan { load, steps, period, shop, processes } = plan;
        let services = rivers::services(&processes);
        let Load { orders, offers, published, .. } = load;
        let none_before = HashSet::new();
        let there = rollcall::wait_for(rapids, &services, &none_before).await;
        there.context("services are missing")?;
        let (names, count) = (services.join(" "), services.len());
        self.report.note(&format!("{count} services announced themselves: {names}"))?;

        let (done, deeds) = mpsc::unbounded_channel();
        let hands = Hands { crew: fleet.crew(), server: server.trigger(), done };
        let tail = rapids.tail(Start::Beginning).await?;
        let stagehand = Stagehand {
            rapids: rapids.clone(),
            scribbler: Scribbler::connect(&server.url).await?,
            hands,
            steps,
            period,
            // The extra services may be down for long, which is no reason to wait.
            pace: Pace::of(shop, rapids.clone()),
        };
        let patience =
            PATIENCE + PATIENCE_PER_ORDER * u32::try_from(self.options.orders).unwrap_or(u32::MAX);
        let work = async {
            stagehand.play().await?;
            Ok(rest::wait(rapids, &services, patience).await)
        };
        let watch = Watch::new(&self.report, Ledger::new(orders, offers));
        let watching = Box::pin(watch.over(work, tail, deeds, fleet, server));
        let (watch, standing) = watching.await?;

        let letters = Box::pin(letters::read(&server.url));
        let letters = letters.await.context("cannot read the dead letters")?;
        let Watch { mut ledger, census, diary, .. } = watch;
        let sorted = letters::sort(&letters, &published, &diary, &processes);
        ledger.excuse(&sorted.excused);
        let findings = Findings {
            published: &published,
            census: &census,
            letters: &sorted,
            standing: &standing,
            services: &services,
            diary: &diary,
        };
        let mut facts = verify::facts(&ledger);
        facts.extend(findings.facts());
        self.report.finish(&Outcome {
            seed: self.seed,
            ledger: &ledger,
            published: &published,
            counts: diary.counts(),
            letters: letters.len(),
            remarks: &sorted.suspects,
            took: diary.elapsed(),
            facts: &facts,
        })?;
        if facts.iter().all(Fact::holds) {
            return Ok(Ending::Holds);
        }
        self.folder.write("monkey.log", diary.lines())?;
        self.folder.write("facts.txt", facts.iter().flat_map(in_lines))?;
        self.write_history(&facts, &letters, rapids, standing.last()).await?;
        Ok(Ending::Broken)
    }

    /// Writes down every packet and letter that a fault names, with all of its conversation.
    async fn write_history(
        &self,
        facts: &[Fact],
        letters: &[DeadLetter],
        rapids: &Rapids,
        last: u64,
    ) -> Result<()> {
        let named = Named::in_faults(facts);
        let about = letters.iter().filter(|letter| named.has(letter));
        self.folder.write("letters.txt", about.map(|letter| format!("{letter:?}")))?;
        let history = Box::pin(named.history(rapids, last)).await;
        self.folder.write("history.txt", history.context("cannot read the histories")?)
    }
}

/// A fact with everything that speaks against it.
fn in_lines(fact: &Fact) -> Vec<String> {
    let mark = if fact.holds() { "✓" } else { "✗" };
    let mut lines = vec![format!("{mark} {}", fact.claim)];
    lines.extend(fact.faults.iter().map(|fault| format!("    {fault}")));
    lines
}
