//! Where a service stands: the part of its page that moves.

use askama::Template;
use rapids_client::{Error, Position, ServiceInfo};
use rapids_views::ServiceStatus;

use super::unknown;
use crate::console::Console;
use crate::fault::{Result, with_causes};
use crate::frame::Frame;
use crate::pages::overview::service_row::ServiceRow;
use crate::text::{short, shown};
use crate::times::count;

#[derive(Template)]
#[template(path = "position_part.html")]
pub(super) struct Standing {
    frame: Frame,
    row: ServiceRow,
    place: Option<Place>,
    /// Why the position cannot be used.
    fault: Option<String>,
    instances: Vec<Instance>,
    /// Whether the page is there already, and its notice changes with the part.
    is_update: bool,
}

struct Place {
    done: String,
    given: String,
}

struct Instance {
    id: String,
    version: String,
    /// What it says of itself.
    facts: Vec<String>,
}

impl Standing {
    pub(super) async fn of(console: &Console, frame: Frame, service: &str) -> Result<Self> {
        let status = console.status.latest();
        let instances = status.services.get(service).map(|known| known.instances.clone());
        // What was asked for in turn may be of before a move.
        let (position, fault) = match console.link.rapids()?.position(service).await {
            Ok(position) => (position, None),
            Err(error @ (Error::Position { .. } | Error::Record { .. })) => {
                (None, Some(shown(with_causes(&error))))
            }
            Err(error) => return Err(error.into()),
        };
        if position.is_none() && instances.is_none() && fault.is_none() {
            return Err(unknown(service));
        }
        let place = position.as_ref().map(Place::of);
        let known = ServiceStatus { instances: instances.unwrap_or_default(), position };
        Ok(Self {
            row: ServiceRow::of(console, &status, &frame, (service, &known)),
            place,
            fault,
            instances: known.instances.iter().map(Instance::of).collect(),
            frame,
            is_update: false,
        })
    }

    /// As it is sent to a page that is there already.
    pub(super) fn update(self) -> Self {
        Self { is_update: true, ..self }
    }
}

impl Place {
    fn of(position: &Position) -> Self {
        Self { done: count(position.acknowledged), given: count(position.delivered) }
    }
}

impl Instance {
    fn of(instance: &ServiceInfo) -> Self {
        let fact = |(fact, value): (&String, &String)| short(format!("{fact}: {value}"));
        Self {
            id: short(&instance.id),
            version: short(&instance.version),
            facts: instance.facts.iter().map(fact).collect(),
        }
    }
}
