//! One run of the demo: starts the server and the rivers, places orders, verifies the facts, and
//! stops everything again.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use rapids_client::{Rapids, shutdown_signal};
use tempfile::TempDir;

use crate::console;
use crate::counters::Counters;
use crate::delivery::DeliveryMode;
use crate::discovery;
use crate::exit::Exit;
use crate::fleet::{Ended, Fleet, FleetHandle, RestartPolicy};
use crate::minutes;
use crate::open_orders;
use crate::options::Options;
use crate::outside;
use crate::overdue;
use crate::prices::Prices;
use crate::rivers::{self, Program};
use crate::scenario::Scenario;
use crate::screen::Screen;
use crate::server::Server;
use crate::verify::{self, Fact};

/// After this time without a packet, nothing more will come: services answer within milliseconds.
const QUIET: Duration = Duration::from_secs(1);

/// Runs the demo, and stops every process that it started.
///
/// # Errors
/// If something prevents the verification.
pub(crate) async fn run(options: &Options, screen: &mut Screen) -> Result<Exit> {
    let (server, programs) = tokio::select! {
        () = shutdown_signal() => return Ok(Exit::Interrupted),
        prepared = prepare(options, screen) => prepared?,
    };
    let exit = run_services(options, screen, &server, &programs).await;
    server.close().await;
    exit
}

async fn prepare(options: &Options, screen: &mut Screen) -> Result<(Server, Vec<Program>)> {
    let others: &[&str] = if options.console.is_some() { &[console::NAME] } else { &[] };
    let programs = options.delivery.processes(&rivers::build(others).await?)?;
    let server = Server::open(options.nats.as_deref()).await?;
    let whose = if server.is_own() { "started a server at" } else { "using the server at" };
    screen.note(&format!("{whose} {}", server.config()?.url()))?;
    Ok((server, programs))
}

/// Starts the services, runs the scenario, and stops the services.
async fn run_services(
    options: &Options,
    screen: &mut Screen,
    server: &Server,
    programs: &[Program],
) -> Result<Exit> {
    let (names, victims) = (rivers::services(programs), options.victims(programs)?);
    let logs = TempDir::with_prefix("rapids-demo-").context("cannot make a folder for the logs")?;
    let rapids = Rapids::connect(&server.config()?).await?;
    let before = discovery::instances(&rapids).await?;
    let environment = environment(options, server, &victims);
    let mut all = [programs, &[outside::program()?]].concat();
    if let Some(address) = options.console {
        all.push(console::program(address)?);
        screen.note(&format!("the console is at http://{address}/"))?;
    }
    let prices = Prices::connect(&server.url, server.is_own()).await?;
    let mut fleet = Fleet::launch(&all, &environment, RestartPolicy::Never, logs.path())?;
    let scenario = Scenario {
        orders: options.orders,
        seed: options.seed,
        rate: options.rate,
        // Longer than it takes until the packets of a killed process are delivered again.
        quiet: if victims.is_empty() { QUIET } else { options.delivery.takeover_time() * 2 },
        victims,
    };
    let handle = fleet.handle();
    let running = async {
        let services = rivers::services(&all);
        discovery::wait_for(&rapids, &services, &before).await.context("services are missing")?;
        screen.note(&format!(
            "{} services announced themselves: {}",
            names.len(),
            names.join(" ")
        ))?;
        run_and_verify(scenario, (&rapids, prices.clone()), (handle, &before), screen).await
    };
    let mut exit = tokio::select! {
        () = shutdown_signal() => Ok(Exit::Interrupted),
        ended = fleet.ended() => Err(early_end(ended)),
        exit = running => exit,
    };
    let stays = options.stay || options.console.is_some();
    if stays && matches!(exit, Ok(Exit::FactsHold | Exit::FactsBroken)) {
        screen.note(&commands_to_try(&server.url, options.delivery))?;
        let ended = stay(options, (&rapids, &prices), &mut fleet).await;
        exit = ended.and(exit);
    }
    fleet.stop().await;
    if matches!(exit, Err(_) | Ok(Exit::FactsBroken)) {
        screen.release()?;
        screen.note(&format!("logs of the services: {}", logs.keep().display()))?;
    }
    exit
}

/// The variables of the services.
fn environment(
    options: &Options,
    server: &Server,
    victims: &[String],
) -> Vec<(&'static str, String)> {
    let mut environment = server.environment();
    environment.extend([
        options.delivery.environment(),
        overdue::environment(),
        minutes::environment(),
    ]);
    if !victims.is_empty() {
        environment.push(DeliveryMode::short_ack_wait());
    }
    environment
}

/// Keeps everything running until Ctrl-C; where there is a console, customers order on.
async fn stay(
    options: &Options,
    (rapids, prices): (&Rapids, &Prices),
    fleet: &mut Fleet,
) -> Result<()> {
    tokio::select! {
        () = shutdown_signal() => Ok(()),
        ended = fleet.ended() => Err(early_end(ended)),
        ordered = console::keep_ordering(rapids, prices, options.seed),
            if options.console.is_some() => ordered.context("cannot place orders any more"),
    }
}

/// The end of a process as an error, since no process may end by itself.
fn early_end(ended: Result<Ended>) -> Error {
    ended.map_or_else(|error| error, |ended| anyhow!("{ended}"))
}

async fn run_and_verify(
    scenario: Scenario,
    (rapids, prices): (&Rapids, Prices),
    (handle, before): (FleetHandle, &HashSet<String>),
    screen: &mut Screen,
) -> Result<Exit> {
    let kills = !scenario.victims.is_empty();
    let tracker = scenario.run(rapids, prices, handle, screen).await?;
    let mut facts = verify::facts(&tracker);
    facts.push(overdue::timers(rapids, &tracker.orders).await?);
    facts.push(open_orders::fact(rapids).await?);
    let stats = discovery::stats(rapids).await?;
    let told = Counters::told(stats.iter().filter(|instance| !before.contains(&instance.id)));
    facts.push(tracker.published.fact(&told, kills));
    screen.finish(&tracker, &facts)?;
    Ok(if facts.iter().all(Fact::holds) { Exit::FactsHold } else { Exit::FactsBroken })
}

fn commands_to_try(url: &str, delivery: DeliveryMode) -> String {
    let position = match delivery.is_exclusive() {
        true => "kv get RAPIDS_POSITIONS payment",
        false => "consumer info RAPIDS payment",
    };
    format!(
        "
Everything keeps running until Ctrl-C. In another terminal:

  nats -s {url} sub rapids
  nats -s {url} pub rapids '{{\"event\":\"order_placed\",\"order_id\":\"o-1\",\"customer\":\"ada\",\"total\":7550,\"items\":[{{\"sku\":\"lunar/lantern\",\"quantity\":1,\"price\":7550}}]}}'
  nats -s {url} pub rapids '{{\"need\":\"car_rental_offer\",\"user_id\":\"ada\"}}'
  nats -s {url} req catalogue.price '{{\"sku\":\"summit/tent\"}}'
  nats -s {url} {position}
  nats -s {url} micro info payment"
    )
}
