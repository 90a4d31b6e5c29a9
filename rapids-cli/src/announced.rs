//! What running services announce of a river.

use anyhow::Result;
use rapids_client::{RiverName, Rules, ServiceInfo};

use crate::exit::Fault;

/// The instances of its service among those that are up.
pub(crate) fn instances<'a>(river: &RiverName, up: &'a [ServiceInfo]) -> Vec<&'a ServiceInfo> {
    up.iter().filter(|instance| instance.name == river.service()).collect()
}

/// The rules of the river that its instances announce; several if the instances differ.
///
/// # Errors
/// [`Fault::NotFound`] names the services that run, or the rivers of the service.
pub(crate) fn rules<'a>(name: &RiverName, up: &'a [ServiceInfo]) -> Result<Vec<&'a Rules>> {
    let (service, river) = (name.service(), name.river());
    let instances = instances(name, up);
    if instances.is_empty() {
        let names = listed(up.iter().map(|instance| &instance.name));
        let words = format!("service `{service}` does not run; running services: {names}");
        return Err(Fault::NotFound(words).into());
    }
    let rules = || instances.iter().flat_map(|instance| &instance.rules);
    if rules().next().is_none() {
        let words = format!("service `{service}` announces no rules that this program can read");
        return Err(Fault::NotFound(words).into());
    }
    let mut found: Vec<&Rules> = Vec::new();
    for rules in rules().filter(|rules| rules.name == river) {
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

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
