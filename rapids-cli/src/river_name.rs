//! `--river SERVICE/RIVER`: a river of a running service, and the rules that it announces.

use std::fmt;
use std::str::FromStr;

use anyhow::Result;
use rapids_client::{Rules, ServiceInfo};

use crate::exit::Fault;

/// A river and its service.
#[derive(Debug, Clone)]
pub(crate) struct RiverName {
    pub(crate) service: String,
    pub(crate) river: String,
}

impl FromStr for RiverName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (service, river) =
            text.split_once('/').ok_or("expected a service and a river, as `payment/charge`")?;
        Ok(Self { service: service.to_owned(), river: river.to_owned() })
    }
}

impl fmt::Display for RiverName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.service, self.river)
    }
}

impl RiverName {
    /// The instances of its service among those that are up.
    pub(crate) fn instances<'a>(&self, up: &'a [ServiceInfo]) -> Vec<&'a ServiceInfo> {
        up.iter().filter(|instance| instance.name == self.service).collect()
    }

    /// The rules of the river that its instances announce; several if the instances differ.
    ///
    /// # Errors
    /// [`Fault::NotFound`] names the services that run, or the rivers of the service.
    pub(crate) fn announced_rules<'a>(&self, up: &'a [ServiceInfo]) -> Result<Vec<&'a Rules>> {
        let Self { service, river } = self;
        let instances = self.instances(up);
        if instances.is_empty() {
            let names = listed(up.iter().map(|instance| &instance.name));
            let words = format!("service `{service}` does not run; running services: {names}");
            return Err(Fault::NotFound(words).into());
        }
        let rules = || instances.iter().flat_map(|instance| &instance.rules);
        if rules().next().is_none() {
            let words =
                format!("service `{service}` announces no rules that this program can read");
            return Err(Fault::NotFound(words).into());
        }
        let mut found: Vec<&Rules> = Vec::new();
        for rules in rules().filter(|rules| rules.name == *river) {
            if !found.contains(&rules) {
                found.push(rules);
            }
        }
        if found.is_empty() {
            let names = listed(rules().map(|rules| &rules.name));
            let words = format!("service `{service}` has no river `{river}`; it has {names}");
            return Err(Fault::NotFound(words).into());
        }
        Ok(found)
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
