//! One run of the demo: starts the server and the rivers, places orders, verifies the facts, and
//! stops everything again.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use rapids_client::{Rapids, shutdown_signal};
use tempfile::TempDir;

use crate::console;
use crate::counters::Counters;
use crate::delivery::DeliveryMode;
use crate::discovery;
use crate::exit::Exit;
use crate::fleet::{Ended, Fleet, RestartPolicy};
use crate::logins::Logins;
use crate::minutes;
use crate::open_orders;
use crate::options::Options;
use crate::outside;
use crate::overdue;
use crate::prices::Prices;
use crate::rivers::{self, Program};
use crate::scenario::Scenario;
use crate::screen::Screen;
use crate::secrets;
use crate::server::Server;
use crate::tracker::Tracker;
use crate::verify::{self, Fact};

/// Ends once the demo is told to stop.
type Stopped = Shared<BoxFuture<'static, ()>>;

/// After this time without a packet, nothing more will come: services answer within milliseconds.
const QUIET: Duration = Duration::from_secs(1);

/// Runs the demo, and stops every process that it started.
///
/// # Errors
/// If something prevents the verification.
pub(crate) async fn run(options: &Options, screen: &mut Screen) -> Result<Exit> {
    // One for all of it: a signal that comes between two waits is not lost.
    let stopped = shutdown_signal().boxed().shared();
    let (server, programs) = tokio::select! {
        () = stopped.clone() => return Ok(Exit::Interrupted),
        prepared = prepare(options, screen) => prepared?,
    };
    let exit = run_services(options, screen, (&server, &programs), &stopped).await;
    server.close().await;
    exit
}

async fn prepare(options: &Options, screen: &mut Screen) -> Result<(Server, Vec<Program>)> {
    let programs = options.delivery.processes(&rivers::build().await?)?;
    if options.console.is_some() {
        rivers::build_other(console::NAME, console::NAME).await?;
    }
    let logins = match options.secure {
        true => {
            let all = [&programs[..], &[outside::program()?]].concat();
            Some(Logins::make(&all, options.delivery).await?)
        }
        false => None,
    };
    let server = Server::open(options.nats.as_deref(), logins).await?;
    if let Some(logins) = &server.logins {
        logins.provision(&server.url, !options.kill.is_empty()).await?;
    }
    let whose = match (server.is_own(), options.secure) {
        (true, false) => "started a server at",
        (true, true) => "started a server with TLS and a login for each service at",
        (false, _) => "using the server at",
    };
    screen.note(&format!("{whose} {}", server.config()?.url()))?;
    Ok((server, programs))
}

/// Starts the services, runs the scenario, and stops the services.
async fn run_services(
    options: &Options,
    screen: &mut Screen,
    (server, programs): (&Server, &[Program]),
    stopped: &Stopped,
) -> Result<Exit> {
    let (names, victims) = (rivers::services(programs), options.victims(programs)?);
    let logs = TempDir::with_prefix("rapids-demo-").context("cannot make a folder for the logs")?;
    let rapids = Rapids::connect(&server.config()?).await?;
    let before = discovery::instances(&rapids).await?;
    let environment = |program: &Program| environment(options, server, &victims, program);
    let mut all = [programs, &[outside::program()?]].concat();
    if let Some(address) = options.console {
        all.push(console::program(address)?);
        screen.note(&format!("the console is at http://{address}/"))?;
    }
    let prices = Prices::new(&rapids);
    let mut fleet = Fleet::launch(&all, environment, RestartPolicy::Never, logs.path())?;
    let kills = !victims.is_empty();
    let scenario = Scenario {
        orders: options.orders,
        seed: options.seed,
        rate: options.rate,
        // Longer than it takes until the packets of a killed process are delivered again.
        quiet: if kills { options.delivery.takeover_time() * 2 } else { QUIET },
        victims: victims.clone(),
        services: names.clone(),
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
        let tracker = scenario.run(&rapids, prices.clone(), handle, screen).await?;
        let facts = facts((&tracker, kills), (&rapids, &before), (server, logs.path())).await?;
        screen.finish(&tracker, &facts)?;
        Ok(if facts.iter().all(Fact::holds) { Exit::FactsHold } else { Exit::FactsBroken })
    };
    let mut exit = tokio::select! {
        () = stopped.clone() => Ok(Exit::Interrupted),
        ended = fleet.ended() => Err(early_end(ended)),
        exit = running => exit,
    };
    let stays = options.stay || options.console.is_some();
    if stays && matches!(exit, Ok(Exit::FactsHold | Exit::FactsBroken)) {
        screen.note(&commands_to_try(server, options.delivery))?;
        let ended = stay(options, (&rapids, &prices), (&mut fleet, stopped)).await;
        exit = ended.and(exit);
    }
    fleet.stop().await;
    if matches!(exit, Err(_) | Ok(Exit::FactsBroken)) {
        screen.release()?;
        screen.note(&format!("logs of the services: {}", logs.keep().display()))?;
    }
    exit
}

/// The variables of a program.
fn environment(
    options: &Options,
    server: &Server,
    victims: &[String],
    program: &Program,
) -> Vec<(&'static str, String)> {
    let mut environment = server.environment(program);
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
    (fleet, stopped): (&mut Fleet, &Stopped),
) -> Result<()> {
    tokio::select! {
        () = stopped.clone() => Ok(()),
        ended = fleet.ended() => Err(early_end(ended)),
        ordered = console::keep_ordering(rapids, prices, options.seed),
            if options.console.is_some() => ordered.context("cannot place orders any more"),
    }
}

/// The end of a process as an error, since no process may end by itself.
fn early_end(ended: Result<Ended>) -> Error {
    ended.map_or_else(|error| error, |ended| anyhow!("{ended}"))
}

/// All facts of a run; `before` are the instances that were there before it, and `logs` is the folder with the
/// logs of its own.
async fn facts(
    (tracker, kills): (&Tracker, bool),
    (rapids, before): (&Rapids, &HashSet<String>),
    (server, logs): (&Server, &Path),
) -> Result<Vec<Fact>> {
    let mut facts = verify::facts(tracker);
    facts.push(overdue::timers(rapids, &tracker.orders).await?);
    facts.push(open_orders::fact(rapids).await?);
    let stats = discovery::stats(rapids).await?;
    let told = Counters::told(stats.iter().filter(|instance| !before.contains(&instance.id)));
    facts.push(tracker.published.fact(&told, kills));
    if let Some(logins) = &server.logins {
        let told = format!("{stats:?} {:?}", discovery::announced(rapids).await?);
        let folder = server.folder();
        let folders: Vec<_> = folder.iter().map(PathBuf::as_path).chain([logs]).collect();
        facts.push(secrets::fact(&logins.secrets()?, &folders, &told)?);
    }
    Ok(facts)
}

fn commands_to_try(server: &Server, delivery: DeliveryMode) -> String {
    let url = &server.url;
    let position = match delivery.is_exclusive() {
        true => "kv get RAPIDS_POSITIONS payment",
        false => "consumer info RAPIDS payment",
    };
    // The login of an operator, who may not listen to what others publish.
    let (login, watch) = match &server.logins {
        Some(logins) => (logins.exports(), "stream view RAPIDS"),
        None => (String::new(), "sub rapids"),
    };
    format!(
        "
Everything keeps running until Ctrl-C. In another terminal:

{login}  nats -s {url} {watch}
  nats -s {url} pub rapids '{{\"event\":\"order_placed\",\"order_id\":\"o-1\",\"customer\":\"ada\",\"total\":7550,\"items\":[{{\"sku\":\"lunar/lantern\",\"quantity\":1,\"price\":7550}}]}}'
  nats -s {url} pub rapids '{{\"need\":\"car_rental_offer\",\"user_id\":\"ada\"}}'
  nats -s {url} req catalogue.price '{{\"sku\":\"summit/tent\"}}'
  nats -s {url} {position}
  nats -s {url} micro info payment"
    )
}
