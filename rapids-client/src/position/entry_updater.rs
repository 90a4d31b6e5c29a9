//! Updates the entry of a running service with how far it is, and learns from it whether the position
//! was moved, and whether another program runs under the service's name.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::Result;
use crate::announcement::instances::{ServiceInfo, instances_of};
use crate::connection::Connection;
use crate::error::with_causes;
use crate::position::entries::ServiceEntries;
use crate::position::entry::{Epochs, Fingerprint, ServiceEntry, fingerprint};
use crate::river::Rules;
use crate::service::Service;

/// For how long other instances may answer.
const ANSWERS: Duration = Duration::from_millis(300);

/// The entry of a running service.
pub(crate) struct EntryUpdater {
    connection: Connection,
    service: String,
    instance: String,
    entries: ServiceEntries,
    own: Fingerprint,
    epochs: Cell<Epochs>,
    /// The rivers in the entry when instances were compared last.
    compared: RefCell<Fingerprint>,
    /// How the rivers of another instance differ, as of the last comparison.
    conflict: RefCell<Option<String>>,
}

/// What a running service learns from its entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EntryNews {
    /// Whether its position was moved by command.
    pub(crate) is_moved: bool,
    /// How the rivers of another program under its name differ.
    pub(crate) conflict: Option<String>,
    /// Up to where everything is done.
    pub(crate) floor: u64,
}

impl EntryUpdater {
    /// `compared` are the rivers that the entry had before this instance started.
    pub(crate) fn new(
        (connection, service, instance): (&Connection, &Service, &str),
        entries: ServiceEntries,
        (epochs, compared): (Epochs, &Fingerprint),
    ) -> Self {
        let own = own(service);
        // A new service has no other instances.
        let compared = if compared.is_empty() { own.clone() } else { compared.clone() };
        Self {
            connection: connection.clone(),
            service: service.name().to_owned(),
            instance: instance.to_owned(),
            entries,
            own,
            epochs: Cell::new(epochs),
            compared: RefCell::new(compared),
            conflict: RefCell::default(),
        }
    }

    /// The epochs of the position that this instance reads from.
    pub(crate) fn epochs(&self) -> Epochs {
        self.epochs.get()
    }

    /// Reads the epochs again, for the position may have been moved while this instance stood by. Returns the
    /// sequence to which it was to be moved, where whoever did that did not get to it.
    ///
    /// # Errors
    /// Those of [`ServiceEntries::load`].
    pub(crate) async fn reload(&self) -> Result<Option<u64>> {
        let entry = self.entries.load().await?.unwrap_or_default();
        self.epochs.set(entry.epochs());
        Ok(entry.target())
    }

    /// Notes that the position is where it was to be moved.
    ///
    /// # Errors
    /// Those of [`ServiceEntries::update`].
    pub(crate) async fn position_made(&self) -> Result<()> {
        let Epochs { position, memory, .. } = self.epochs();
        let made = |entry: &mut ServiceEntry| entry.position_made(position, memory);
        self.entries.update(made).await.map(drop)
    }

    /// Asks other instances for their rivers, if the instance before had others than this one.
    pub(crate) async fn compare_at_start(&self) -> Option<String> {
        if *self.compared.borrow() != self.own {
            self.compare().await;
        }
        self.conflict.borrow().clone()
    }

    /// Notes up to where everything is done, and reads what others have noted.
    ///
    /// # Errors
    /// Those of [`ServiceEntries::update`].
    pub(crate) async fn look(&self, floor: u64) -> Result<EntryNews> {
        let found = self.entries.load().await?.unwrap_or_default();
        let epoch = self.epochs().position;
        self.entries
            .update_from(&found, |entry| entry.note_floor(epoch, floor, Timestamp::now()))
            .await?;
        let is_other = *found.rivers() != *self.compared.borrow();
        if (is_other && *found.rivers() != self.own) || self.conflict.borrow().is_some() {
            self.compared.replace(found.rivers().clone());
            self.compare().await;
        }
        let conflict = self.conflict.borrow().clone();
        Ok(EntryNews { is_moved: found.epoch() > epoch, conflict, floor })
    }

    async fn compare(&self) {
        let others = match instances_of(&self.connection, &self.service, ANSWERS).await {
            Ok(mut others) => {
                others.retain(|other| other.id != self.instance);
                others
            }
            Err(error) => {
                return info!("other instances cannot be asked: {}", with_causes(&error));
            }
        };
        let name = &self.service;
        let conflict = others.iter().find_map(|other| conflict(&self.own, other));
        if let Some(difference) = &conflict
            && self.conflict.borrow().is_none()
        {
            warn!(
                "{name} runs as different programs, and each packet goes to one of them: {difference}; \
                 stop one, or give it a name of its own"
            );
        }
        if conflict.is_none() {
            for other in others.iter().filter(|other| fingerprint(&other.rules) != self.own) {
                info!("{name} is being updated: instance {} has other rules", other.id);
            }
        }
        self.conflict.replace(conflict);
    }
}

/// The fingerprint of the rivers of a service.
pub(crate) fn own(service: &Service) -> Fingerprint {
    let rules: Vec<Rules> = service.rivers().iter().map(crate::River::rules).collect();
    fingerprint(&rules)
}

/// Which rivers only one of the two has; `None` if both have the same.
fn conflict(own: &Fingerprint, other: &ServiceInfo) -> Option<String> {
    // Also rivers whose rules this version cannot read.
    let theirs: BTreeSet<&str> =
        other.rivers.keys().map(String::as_str).filter(|key| !key.contains('.')).collect();
    let own: BTreeSet<&str> = own.keys().map(String::as_str).collect();
    let listed = |names: Vec<&&str>| {
        let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let lacks = listed(own.difference(&theirs).collect()).map(|names| format!("lacks {names}"));
    let more = listed(theirs.difference(&own).collect())
        .map(|names| format!("has {names}, which this one lacks"));
    let differences: Vec<_> = lacks.into_iter().chain(more).collect();
    (!differences.is_empty())
        .then(|| format!("instance {} {}", other.id, differences.join(" and ")))
}
