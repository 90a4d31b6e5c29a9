//! The order of things: server, rivers, orders, verification, and the way back.

use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use rapids_client::{Rapids, told_to_stop};
use tempfile::TempDir;

use crate::fleet::{Care, Crew, Ended, Fleet};
use crate::options::Options;
use crate::rivers::{self, Program};
use crate::rollcall;
use crate::scene::Scene;
use crate::screen::Screen;
use crate::stage::Stage;
use crate::verify::{self, Fact};
use crate::way::Way;

/// Services answer within milliseconds.
const QUIET: Duration = Duration::from_secs(1);

/// How the demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All facts hold.
    Holds,
    Broken,
    Interrupted,
}

/// Runs the demo, and leaves nothing running.
///
/// # Errors
/// If anything stands in the way of the verification.
pub(crate) async fn run(options: &Options, screen: &mut Screen) -> Result<Ending> {
    let (stage, programs) = tokio::select! {
        () = told_to_stop() => return Ok(Ending::Interrupted),
        prepared = prepare(options, screen) => prepared?,
    };
    let ending = perform(options, screen, &stage, &programs).await;
    stage.clear().await;
    ending
}

async fn prepare(options: &Options, screen: &mut Screen) -> Result<(Stage, Vec<Program>)> {
    let programs = options.way.processes(&rivers::build().await?)?;
    let stage = Stage::set(options.nats.as_deref()).await?;
    let whose = if stage.is_own() { "started a server at" } else { "using the server at" };
    screen.note(&format!("{whose} {}", stage.config()?.url()))?;
    Ok((stage, programs))
}

async fn perform(
    options: &Options,
    screen: &mut Screen,
    stage: &Stage,
    programs: &[Program],
) -> Result<Ending> {
    let (names, victims) = (rivers::services(programs), options.victims(programs)?);
    let logs = TempDir::with_prefix("rapids-demo-").context("cannot make a folder for the logs")?;
    let rapids = Rapids::connect(&stage.config()?).await?;
    let before = rollcall::present(&rapids).await?;
    let mut environment = stage.environment();
    environment.push(options.way.environment());
    if !victims.is_empty() {
        environment.push(Way::impatience());
    }
    let mut fleet = Fleet::launch(programs, &environment, Care::Report, logs.path())?;
    let scene = Scene {
        orders: options.orders,
        seed: options.seed,
        rate: options.rate,
        // Longer than packets of a killed process take to come back.
        quiet: if victims.is_empty() { QUIET } else { options.way.silence() * 2 },
        victims,
    };
    let crew = fleet.crew();
    let playing = async {
        rollcall::wait_for(&rapids, &names, &before).await.context("services are missing")?;
        screen.note(&format!(
            "{} services announced themselves: {}",
            names.len(),
            names.join(" ")
        ))?;
        play(scene, &rapids, crew, screen).await
    };
    let mut ending = tokio::select! {
        () = told_to_stop() => Ok(Ending::Interrupted),
        ended = fleet.ended() => Err(told_of(ended)),
        ending = playing => ending,
    };
    if options.stay && matches!(ending, Ok(Ending::Holds | Ending::Broken)) {
        screen.note(&invitation(&stage.url, options.way))?;
        tokio::select! {
            () = told_to_stop() => {}
            ended = fleet.ended() => ending = Err(told_of(ended)),
        }
    }
    fleet.stop().await;
    if matches!(ending, Err(_) | Ok(Ending::Broken)) {
        screen.release()?;
        screen.note(&format!("logs of the services: {}", logs.keep().display()))?;
    }
    ending
}

/// That a process ended, as an error: none is to end by itself.
fn told_of(ended: Result<Ended>) -> Error {
    ended.map_or_else(|error| error, |ended| anyhow!("{ended}"))
}

async fn play(scene: Scene, rapids: &Rapids, crew: Crew, screen: &mut Screen) -> Result<Ending> {
    let ledger = scene.play(rapids, crew, screen).await?;
    let facts = verify::facts(&ledger);
    screen.finish(&ledger, &facts)?;
    Ok(if facts.iter().all(Fact::holds) { Ending::Holds } else { Ending::Broken })
}

fn invitation(url: &str, way: Way) -> String {
    let position = match way.is_exclusive() {
        true => "kv get RAPIDS_POSITIONS payment",
        false => "consumer info RAPIDS payment",
    };
    format!(
        "
Everything keeps running until Ctrl-C. In another terminal:

  nats -s {url} sub rapids
  nats -s {url} pub rapids '{{\"event\":\"order_placed\",\"order_id\":\"o-1\",\"customer\":\"ada\",\"total\":7550,\"items\":[{{\"sku\":\"lunar/lantern\",\"quantity\":1,\"price\":7550}}]}}'
  nats -s {url} pub rapids '{{\"need\":\"car_rental_offer\",\"user_id\":\"ada\"}}'
  nats -s {url} {position}
  nats -s {url} micro info payment"
    )
}
