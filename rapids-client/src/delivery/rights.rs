//! Checks beside the start of a service whether its login may do all that it will ever need.
//!
//! A service that lacks a right goes on for as long as it can without: it may be needed in an hour, or never. It
//! says so at once, as one error with all that is to be added, and is not ready until it has what it lacked, so
//! that a new version is not rolled out any further. How rights are checked is left to
//! [`doctor`](crate::doctor).

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, info};

use super::health::Lacks;
use crate::access::{Holder, Lack, ServiceAccess, remedy};
use crate::connection::Connection;
use crate::doctor::rights::{self, RightsReport};
use crate::service::Service;

/// How long a service that cannot start waits for the check, which may tell why.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a service looks whether it has been given what it lacked.
const AGAIN: Duration = Duration::from_secs(10);

/// The check of one run of a service.
pub(super) struct RightsCheck {
    /// Whether the service has opened what it needs, and so has made what was missing.
    opened: watch::Sender<bool>,
    /// Whether it was checked once.
    checked: watch::Sender<bool>,
}

impl RightsCheck {
    pub(super) fn new() -> Self {
        Self { opened: watch::Sender::new(false), checked: watch::Sender::new(false) }
    }

    /// Learns that the service has opened what it needs.
    pub(super) fn opened(&self) {
        self.opened.send_replace(true);
    }

    /// Waits until all was checked once, for a few seconds at most.
    pub(super) async fn checked(&self) {
        let mut checked = self.checked.subscribe();
        // Who waits longer learns nothing more.
        let _ = timeout(PATIENCE, checked.wait_for(|checked| *checked)).await;
    }

    /// Checks all rights, and goes on while some are lacking.
    pub(super) async fn run(&self, service: &Service, connection: &Connection, lacks: &Lacks) -> ! {
        let access = service.access();
        let check = async || Box::pin(rights::check(connection, service.name(), &access)).await;
        let told = Told { service: service.name(), access: &access, lacks };
        let report = check().await;
        let mut known = told.tell(&report, &[]);
        self.checked.send_replace(true);
        if report.is_early() {
            let mut opened = self.opened.subscribe();
            let _ = opened.wait_for(|opened| *opened).await;
            known = told.tell(&check().await, &known);
        }
        while !known.is_empty() {
            // A server that learns of other permissions may leave its users connected, or have them log in again.
            let _ = timeout(AGAIN, connection.reconnected()).await;
            known = told.tell(&check().await, &known);
        }
        pending().await
    }
}

/// Who is told of what is lacking.
struct Told<'a> {
    service: &'a str,
    access: &'a ServiceAccess,
    lacks: &'a Lacks,
}

impl Told<'_> {
    /// Tells what is lacking, unless that is known, and returns it.
    fn tell(&self, report: &RightsReport, known: &[Lack]) -> Vec<Lack> {
        let mut lacks = report.lacks();
        // While the server is away, nothing new is known.
        lacks.extend(known.iter().filter(|lack| report.is_untold(&lack.right)).cloned());
        self.lacks.replace((!lacks.is_empty()).then(|| in_words(self.service, &lacks)));
        if lacks.iter().any(|lack| !known.contains(lack)) {
            let holder = report.holder(self.service, self.access);
            error!("{}; to mend it, {}", in_words(self.service, &lacks), mending(holder, &lacks));
        } else if lacks.is_empty() && !known.is_empty() {
            info!("the login has all rights now that it lacked");
        }
        lacks
    }
}

fn in_words(service: &str, lacks: &[Lack]) -> String {
    let rights = lacks
        .iter()
        .map(|Lack { right, .. }| format!("{} ({})", right.described(), right.purpose(service)));
    let rights: Vec<_> = rights.collect();
    let count = match lacks.len() {
        1 => "a right".to_owned(),
        count => format!("{count} rights"),
    };
    format!("the login lacks {count} that `{service}` needs, now or later: {}", rights.join(", "))
}

fn mending(holder: Holder<'_>, lacks: &[Lack]) -> String {
    let service = holder.name;
    format!("{} (`rapids doctor {service}` shows all rights)", remedy(holder, lacks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Why;

    #[test]
    fn all_that_is_lacking_is_said_at_once() {
        let access = ServiceAccess { once: true, ..ServiceAccess::default() };
        let rights = access.rights("payment").into_iter();
        let is_meant =
            |subject: &str| ["$KV.RAPIDS_ONCE", "dead_"].iter().any(|it| subject.starts_with(it));
        let lacks = rights.filter(|right| is_meant(&right.subject));
        let lacks: Vec<_> = lacks.map(|right| Lack { right, why: Why::NotAllowed }).collect();
        assert_eq!(
            in_words("payment", &lacks),
            "the login lacks 2 rights that `payment` needs, now or later: publish to \
             `$KV.RAPIDS_ONCE.payment.>` (reactions that run once), publish to `dead_letters.payment.>` (dead \
             letters)"
        );
        assert!(in_words("payment", &lacks[..1]).starts_with("the login lacks a right that"));
    }
}
