//! What a running service writes into its entry, and learns from it: how far it is, its epoch, and
//! whether another program runs under its name.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::Result;
use crate::announcement::instances::{Announced, instances_of};
use crate::connection::Connection;
use crate::error::with_causes;
use crate::position::entries::ServiceEntries;
use crate::position::entry::{Fingerprint, fingerprint};
use crate::river::Rules;
use crate::service::Service;

/// How long answers of other instances are waited for.
const ANSWERS: Duration = Duration::from_millis(300);

/// The entry of a running service.
pub(crate) struct EntryUpdater {
    connection: Connection,
    service: String,
    instance: String,
    entries: ServiceEntries,
    own: Fingerprint,
    epoch: Cell<u64>,
    /// Whose rivers were compared last, as they are written down.
    compared: RefCell<Fingerprint>,
    /// What is wrong with the others, as it was told last.
    conflict: RefCell<Option<String>>,
}

/// What the entry tells a running service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EntryNews {
    /// Whether its position was moved by command.
    pub(crate) is_moved: bool,
    /// What to show of other programs of its name.
    pub(crate) conflict: Option<String>,
}

impl EntryUpdater {
    /// `compared` are the rivers as they were written down before this instance.
    pub(crate) fn new(
        (connection, service, instance): (&Connection, &Service, &str),
        entries: ServiceEntries,
        (epoch, compared): (u64, &Fingerprint),
    ) -> Self {
        let own = own(service);
        // Of a new service there is nobody to ask.
        let compared = if compared.is_empty() { own.clone() } else { compared.clone() };
        Self {
            connection: connection.clone(),
            service: service.name().to_owned(),
            instance: instance.to_owned(),
            entries,
            own,
            epoch: Cell::new(epoch),
            compared: RefCell::new(compared),
            conflict: RefCell::default(),
        }
    }

    /// The epoch of the position, as it was when it was taken up.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Learns the epoch anew: an instance that stands by may have done so while the position was
    /// moved.
    ///
    /// # Errors
    /// Those of [`ServiceEntries::load`].
    pub(crate) async fn learn_epoch(&self) -> Result<()> {
        let entry = self.entries.load().await?.unwrap_or_default();
        self.epoch.set(entry.epoch());
        Ok(())
    }

    /// Asks the others whether they have the same rivers, if the instance before had other ones.
    pub(crate) async fn compare_at_start(&self) -> Option<String> {
        if *self.compared.borrow() != self.own {
            self.compare().await;
        }
        self.conflict.borrow().clone()
    }

    /// Notes up to where everything is done, and looks what others have written.
    ///
    /// # Errors
    /// Those of [`ServiceEntries::update`].
    pub(crate) async fn look(&self, floor: u64) -> Result<EntryNews> {
        let found = self.entries.load().await?.unwrap_or_default();
        let epoch = self.epoch();
        self.entries
            .update_from(&found, |entry| entry.note_floor(epoch, floor, Timestamp::now()))
            .await?;
        let is_other = *found.rivers() != *self.compared.borrow();
        if (is_other && *found.rivers() != self.own) || self.conflict.borrow().is_some() {
            self.compared.replace(found.rivers().clone());
            self.compare().await;
        }
        let conflict = self.conflict.borrow().clone();
        Ok(EntryNews { is_moved: found.epoch() > epoch, conflict })
    }

    async fn compare(&self) {
        let others = match instances_of(&self.connection, &self.service, ANSWERS).await {
            Ok(mut others) => {
                others.retain(|other| other.id != self.instance);
                others
            }
            Err(error) => return info!("the others are not asked: {}", with_causes(&error)),
        };
        let name = &self.service;
        let conflict = others.iter().find_map(|other| conflict(&self.own, other));
        if let Some(told) = &conflict
            && self.conflict.borrow().is_none()
        {
            warn!(
                "{name} runs as different programs, and each packet goes to one of them: {told}; \
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

/// Which rivers one of the two has alone; `None` if there are none.
fn conflict(own: &Fingerprint, other: &Announced) -> Option<String> {
    // Those whose rules cannot be read are announced all the same.
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
    let told: Vec<_> = lacks.into_iter().chain(more).collect();
    (!told.is_empty()).then(|| format!("instance {} {}", other.id, told.join(" and ")))
}
