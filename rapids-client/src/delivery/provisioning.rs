//! Creates ahead what services need on the server, for services that may create nothing.

mod moving;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_nats::jetstream::stream::Config as StreamConfig;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::startup::{open_letters, open_position};
use crate::access::Access;
use crate::config::Config;
use crate::connection::Connection;
use crate::jetstream::ensure::{changes, ensure, info_of};
use crate::jetstream::form::Form;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::resource::{LETTERS_AGE, Resource, largest_message};
use crate::jetstream::stream::{self, StreamFacts};
use crate::jetstream::timers::TimerPlace;
use crate::names::{DEAD_LETTERS, REPLAYS, STREAM};
use crate::position::consumer::Consumer;
use crate::position::replay_consumer;
use crate::service::ServiceNeeds;
use crate::{Error, Result};

/// Creates and changes streams, buckets and consumers as an operator, for services that start with
/// [`Config::provisioned`] and may create nothing.
///
/// To do it again changes only what has to change: positions stay where they are. Sizes, ages and replicas
/// of what is created are those of the configuration.
///
/// ```no_run
/// use rapids_client::access::{Access, ServiceAccess};
/// use rapids_client::{Config, Provisioning};
///
/// # async fn example() -> rapids_client::Result<()> {
/// let mut access = Access::default();
/// access.services.insert("payment".to_owned(), ServiceAccess::default());
/// let provisioning = Provisioning::connect(&Config::from_env()?).await?;
/// for step in provisioning.plan(&access).await? {
///     println!("{step}");
/// }
/// provisioning.apply(&access).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Provisioning {
    connection: Connection,
    ack_wait: Option<Duration>,
    is_secured: bool,
}

/// Something that is created or changed on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisioningStep {
    /// Such as "the stream `RAPIDS`".
    what: String,
    /// Its settings that are changed; `None` if it is created.
    changes: Option<Vec<String>>,
}

impl fmt::Display for ProvisioningStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.changes {
            None => write!(f, "create {}", self.what),
            Some(changes) => write!(f, "change {}: {}", self.what, changes.join(", ")),
        }
    }
}

impl Provisioning {
    /// Connects as an operator.
    ///
    /// # Errors
    /// [`Error::Connect`](crate::Error::Connect), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn connect(config: &Config) -> Result<Self> {
        let connection = Connection::open_creating(config).await?;
        Ok(Self { connection, ack_wait: config.ack_wait, is_secured: false })
    }

    /// Has the rapids in the secured form, in which each publisher has a subject: they are created so, or
    /// moved to it. Default: the form that they have, and the simple one for new ones. No command moves
    /// them back.
    #[must_use]
    pub fn secured(mut self) -> Self {
        self.is_secured = true;
        self
    }

    /// What is to be created or changed for these services; empty if all is there. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) for a stream or bucket that cannot be worked with or
    /// changed, [`Error::NotPermitted`](crate::Error::NotPermitted), [`Error::Server`](crate::Error::Server).
    pub async fn plan(&self, access: &Access) -> Result<Vec<ProvisioningStep>> {
        let (connection, services) = (&self.connection, self.needs(access));
        let (form, ages) = (self.form().await?, self.ages().await?);
        let mut steps = Vec::new();
        for resource in self.resources(form, ages, &services) {
            let found = info_of(connection, resource.name()).await?.map(|found| found.config);
            steps.extend(self.step(&resource, found, form)?);
        }
        let mirrors: BTreeSet<_> = services.iter().filter_map(|it| it.read_from.as_ref()).collect();
        for mirror in mirrors {
            let reading = ReadFrom::stated(&connection.clone().reading_from(Some(mirror)));
            if info_of(reading.connection(), mirror).await?.is_none() {
                let what = format!("the stream `{mirror}`");
                steps.push(ProvisioningStep { what, changes: None });
            }
        }
        for ServiceNeeds { name, is_exclusive, read_from, .. } in &services {
            let missing = |stream: &str| ProvisioningStep {
                what: format!("the consumer `{name}` on {stream}"),
                changes: None,
            };
            let reading = connection.clone().reading_from(read_from.as_ref());
            let consumer = Consumer::stated(&reading, name);
            if !is_exclusive && consumer.info().await?.is_none() {
                steps.push(missing(consumer.read_from.stream()));
            }
            if replay_consumer::existing(connection, name).await?.is_none() {
                steps.push(missing(REPLAYS));
            }
        }
        Ok(steps)
    }

    fn step(
        &self,
        resource: &Resource,
        found: Option<StreamConfig>,
        form: Form,
    ) -> Result<Option<ProvisioningStep>> {
        let what = resource.title();
        let Some(found) = found else {
            return Ok(Some(ProvisioningStep { what, changes: None }));
        };
        let improved = resource.improved(&moving::moved(&found, form));
        let differences = resource.differences(&improved, self.connection.provision());
        if !differences.is_empty() {
            return Err(Error::Stream { stream: resource.name().to_owned(), differences });
        }
        let changes: Vec<_> = changes(&found, &improved)
            .into_iter()
            .map(|(setting, before, after)| format!("{setting} from {before} to {after}"))
            .collect();
        Ok((!changes.is_empty()).then_some(ProvisioningStep { what, changes: Some(changes) }))
    }

    /// Creates and changes what [`plan`](Self::plan) tells of.
    ///
    /// # Errors
    /// As for [`plan`](Self::plan); [`Error::Limit`](crate::Error::Limit) if the account has no place for
    /// it; [`Error::Position`](crate::Error::Position) for a service that cannot go on where it was, or
    /// whose instances run in the other way of delivery.
    pub async fn apply(&self, access: &Access) -> Result<()> {
        let (connection, services) = (&self.connection, self.needs(access));
        let (form, ages) = (self.form().await?, self.ages().await?);
        moving::move_to(connection, form).await?;
        let facts = Box::pin(stream::ensure(connection, form)).await?;
        for resource in self.resources(form, ages, &services).iter().skip(1) {
            Box::pin(ensure(connection, resource)).await?;
        }
        for needs in &services {
            if needs.sets_timers {
                Box::pin(stream::ensure_later(connection, &needs.name)).await?;
            }
        }
        for needs in services {
            let connection = connection.clone().reading_from(needs.read_from.as_ref());
            // The position is for one thread, and whoever awaits this may go from one to another.
            let runtime = Handle::current();
            let opening = spawn_blocking(move || {
                runtime.block_on(Box::pin(make_position(&connection, &needs, &facts)))
            });
            let action = "provision a service".to_owned();
            opening.await.map_err(|error| Error::Server { action, source: error.into() })??;
        }
        Ok(())
    }

    fn needs(&self, access: &Access) -> Vec<ServiceNeeds> {
        ServiceNeeds::of_all(access, self.ack_wait)
    }

    /// The form that the rapids are to have.
    async fn form(&self) -> Result<Form> {
        match self.is_secured {
            true => Ok(Form::Secured),
            false => stream::form(&self.connection).await,
        }
    }

    /// How long packets and letters are kept, or will be once their streams are created.
    async fn ages(&self) -> Result<Ages> {
        let age = async |stream| {
            let found = info_of(&self.connection, stream).await?;
            Ok::<_, Error>(found.map(|found| found.config.max_age))
        };
        let packets = age(STREAM).await?;
        Ok(Ages {
            packets: packets.unwrap_or(self.connection.provision().max_age_or_default()),
            letters: age(DEAD_LETTERS).await?.unwrap_or(LETTERS_AGE),
        })
    }

    /// The streams and buckets of these services; the rapids first.
    fn resources(&self, form: Form, ages: Ages, services: &[ServiceNeeds]) -> Vec<Resource> {
        let (provision, payload) = (self.connection.provision(), self.connection.max_payload());
        let largest = i32::try_from(largest_message(payload)).unwrap_or(i32::MAX);
        let mut resources = vec![
            Resource::rapids(form, provision, payload),
            Resource::later(&TimerPlace::shared(form), largest),
            Resource::dead_letters(),
            Resource::replays(),
            Resource::services(),
            Resource::handling(ages.packets),
            Resource::letters(Some(ages.letters)),
            Resource::operations(),
        ];
        if services.iter().any(|needs| needs.is_once) {
            resources.push(Resource::once(ages.packets));
        }
        if services.iter().any(|needs| needs.is_exclusive) {
            resources.push(Resource::positions());
        }
        for needs in services {
            if needs.sets_timers && form == Form::Secured {
                resources.push(Resource::later(&TimerPlace::of(form, &needs.name), largest));
            }
            if needs.remembers() {
                let memories = needs.memories.iter().map(String::as_str);
                resources.push(Resource::memory(&needs.name, memories));
            }
        }
        resources
    }
}

/// How long the server keeps what.
#[derive(Clone, Copy)]
struct Ages {
    packets: Duration,
    letters: Duration,
}

/// Makes sure that a service has its positions and its memories.
async fn make_position(
    connection: &Connection,
    needs: &ServiceNeeds,
    facts: &StreamFacts,
) -> Result<()> {
    let opened = Box::pin(open_position(connection, needs, "", facts)).await?;
    Box::pin(opened.note(|_| ())).await?;
    let consumer = Consumer::stated(connection, &needs.name);
    if needs.is_exclusive && consumer.info().await?.is_some() {
        // The service, which may not delete it, has its position in its record by now.
        consumer.delete().await?;
    }
    open_letters(connection, &needs.name, needs.ack_wait).await?;
    Ok(())
}
