//! Whether a login may do all that its service will ever need, and how the server stands.
//!
//! Asks the server what the user may do ([`rights`]), and tries what only trying tells, across the imports of
//! an account, by requests without effect ([`probes`]). What rights there are, and what gives them, is left to
//! [`access`](crate::access); what a service makes of one that it lacks, to `delivery`; how it is shown, to the
//! command `rapids doctor`.

mod finding;
mod monitored;
mod probes;
pub(crate) mod rights;
mod server;

use std::time::Duration;

use crate::access::ServiceAccess;
use crate::announcement::instances::{ServiceInfo, instances_of};
use crate::announcement::repetition::Repetition;
use crate::config::Config;
use crate::connection::Connection;
use crate::{Delivery, Result};
pub use finding::{Assessment, Finding};
use rights::RightsReport;

/// How long instances may take to say what they are.
const PATIENCE: Duration = Duration::from_millis(500);

/// Looks at a server with the login of a service: whether that may do all that the service will ever need, and
/// how the server stands.
///
/// It changes nothing. A service checks its own rights beside its start, and logs what it lacks; this is for
/// looking before there is a service, or in detail.
///
/// ```no_run
/// use rapids_client::access::ServiceAccess;
/// use rapids_client::{Assessment, Config, Doctor};
///
/// # async fn example() -> rapids_client::Result<()> {
/// let doctor = Doctor::connect(&Config::from_env()?).await?;
/// for finding in doctor.rights("payment", &ServiceAccess::default()).await {
///     if finding.assessment == Assessment::Missing {
///         println!("{}: {:?}", finding.what, finding.remedy);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Doctor {
    connection: Connection,
    url: String,
    monitoring: Option<String>,
}

impl Doctor {
    /// Connects with the login of the service.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), [`Error::Connect`](crate::Error::Connect),
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn connect(config: &Config) -> Result<Self> {
        let connection = Box::pin(Connection::open(config, "rapids")).await?;
        Ok(Self { connection, url: config.url(), monitoring: None })
    }

    /// Looks at the server's monitoring pages, too, which are at this address, such as `http://127.0.0.1:8222`.
    /// Only there it says how often it writes to its disk for good. Default: at none.
    #[must_use]
    pub fn monitoring(mut self, url: impl Into<String>) -> Self {
        self.monitoring = Some(url.into());
        self
    }

    /// What the running instances of a service announce of it: its delivery, its memories, and whether it has
    /// reactions that run once; it reads from where the settings of this program say. `None` if none answers within
    /// half a second.
    ///
    /// # Errors
    /// [`Error::NotPermitted`](crate::Error::NotPermitted) where this login may not ask, as that of a service
    /// mostly may not; [`Error::Server`](crate::Error::Server).
    pub async fn announced(&self, service: &str) -> Result<Option<ServiceAccess>> {
        let instances = instances_of(&self.connection, service, PATIENCE).await?;
        let read_from = self.connection.mirror().map(|mirror| mirror.stream.clone());
        let access = || ServiceAccess { read_from, ..announced(&instances) };
        Ok((!instances.is_empty()).then(access))
    }

    /// Each right of this service, and whether the login has it; at last whether the service can be asked how
    /// it is, which it can do without. Takes seconds at most, and has no effect on any stream or consumer.
    pub async fn rights(&self, service: &str, access: &ServiceAccess) -> Vec<Finding> {
        let report = Box::pin(rights::check(&self.connection, service, access)).await;
        let holder = report.holder(service, access);
        let rights = report.rights.iter().map(|checked| Finding::of_right(holder, checked));
        rights.chain([questions(&report)]).collect()
    }

    /// How the server stands: its version, TLS, the way to it, its clock, the limits of the account, and how
    /// often it writes to its disk for good.
    pub async fn server(&self) -> Vec<Finding> {
        let at = (self.url.as_str(), self.monitoring.as_deref());
        Box::pin(server::look_at(&self.connection, at)).await
    }
}

fn announced(instances: &[ServiceInfo]) -> ServiceAccess {
    let mut access = ServiceAccess::default();
    for instance in instances {
        if instance.facts.contains_key("delivery") {
            access.delivery = Delivery::Exclusive;
        }
        for repetition in instance.repetitions.values() {
            match repetition {
                Repetition::Once => access.once = true,
                Repetition::Memory(name) => drop(access.memories.insert(name.clone())),
                Repetition::Runs => {}
            }
        }
    }
    access
}

/// Whether it can be asked how it is.
fn questions(report: &RightsReport) -> Finding {
    let what = "subscribe to `$SRV.>`";
    match report.may_be_asked {
        Some(true) => Finding::well(what, "to be asked how it is"),
        Some(false) => Finding::of(
            Assessment::Less,
            what,
            "to be asked how it is, which it works without: `rapids services` does not show it",
        )
        .with_remedy("allow its user `subscribe: {allow: [\"$SRV.>\"]}`"),
        None => Finding::of(
            Assessment::Unknown,
            what,
            "to be asked how it is, which it works without; the server does not tell",
        )
        .with_remedy("allow its user `publish: {allow: [\"$SYS.REQ.USER.INFO\"]}`"),
    }
}
