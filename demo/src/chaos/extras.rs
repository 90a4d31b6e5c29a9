//! The services that exist for chaos only. Their processes run the demo's own program.

mod echo;
mod pulse;
mod taster;

use std::env;

use anyhow::{Context, Result};
use clap::ValueEnum;
use rapids_client::{Packet, River, Service, telemetry};

use crate::rivers::Program;

pub(crate) use echo::{AT, SHOUTED};
pub(crate) use pulse::{BEAT, PULSE, publish as publish_pulses};
pub(crate) use taster::{MEAL, POISONOUS, SERVED, TASTED};

/// A service that exists for chaos only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Extra {
    /// Aborts at a poisonous meal.
    Taster,
    /// The three echoes answer each other.
    EchoA,
    EchoB,
    EchoC,
    /// Answers at once, beside a cluster.
    Pulse,
}

/// The services that answer each other, in the order in which they do.
pub(crate) const ECHOES: [Extra; 3] = [Extra::EchoA, Extra::EchoB, Extra::EchoC];

impl Extra {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Taster => "taster",
            Self::EchoA => "echo_a",
            Self::EchoB => "echo_b",
            Self::EchoC => "echo_c",
            Self::Pulse => "pulse",
        }
    }

    fn river(self) -> River {
        match self {
            Self::Taster => taster::taste(),
            Self::Pulse => pulse::beat(),
            Self::EchoA => echo::answer(Self::EchoA.name(), Self::EchoB.name()),
            Self::EchoB => echo::answer(Self::EchoB.name(), Self::EchoC.name()),
            Self::EchoC => echo::answer(Self::EchoC.name(), Self::EchoA.name()),
        }
    }

    /// Runs the service in this process, with the settings of the environment.
    ///
    /// # Errors
    /// The errors of the service.
    pub(crate) async fn run(self) -> Result<()> {
        telemetry::init();
        Service::from_env(self.name())?.river(self.river()).run().await?;
        Ok(())
    }
}

/// How to start each of them; the last only if there is a cluster.
///
/// # Errors
/// If the demo cannot tell where its own program is.
pub(crate) fn programs(is_cluster: bool) -> Result<Vec<Program>> {
    let path = env::current_exe().context("cannot tell where the demo itself was built")?;
    let program = |extra: &Extra| {
        let name = extra.name().to_owned();
        let arguments = vec!["extra".to_owned(), name.clone()];
        Program { services: vec![name.clone()], name, path: path.clone(), arguments }
    };
    let here = |extra: &&Extra| is_cluster || **extra != Extra::Pulse;
    Ok(Extra::value_variants().iter().filter(here).map(program).collect())
}

/// A meal, with or without poison.
pub(crate) fn meal(number: usize, poisonous: bool) -> Packet {
    Packet::event(SERVED).with(MEAL, number).with(POISONOUS, poisonous)
}

/// The first packet of a loop, which ends when packets have made too many hops.
pub(crate) fn shout() -> Packet {
    Packet::event(SHOUTED).with(AT, ECHOES[0].name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_test::TestRapids;

    #[test]
    fn services_are_named_on_the_command_line_as_they_announce_themselves() {
        for extra in Extra::value_variants() {
            let value = extra.to_possible_value().unwrap();
            assert_eq!(value.get_name(), extra.name());
        }
    }

    #[tokio::test]
    async fn good_meal_is_tasted_once() {
        let mut rapids = TestRapids::new().service("taster", [Extra::Taster.river()]);
        rapids.publish(meal(7, false)).await;
        assert_eq!(rapids.only(TASTED).get::<usize>(MEAL).unwrap(), Some(7));
    }

    #[tokio::test]
    async fn shout_is_answered_twice_at_each_hop_until_it_has_made_nine() {
        let rapids = TestRapids::new();
        let mut rapids = ECHOES
            .into_iter()
            .fold(rapids, |rapids, echo| rapids.service(echo.name(), [echo.river()]));
        rapids.publish(shout()).await;
        assert_eq!(rapids.events(SHOUTED).len(), (1 << 10) - 1);
    }
}
