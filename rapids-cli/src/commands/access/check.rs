//! `rapids access check`: what is declared, and what is wrong with it.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use rapids_client::access::{Access, PublisherAccess, Role, ServiceAccess};
use rapids_client::{Delivery, Start};

use super::Declared;
use crate::access_file;
use crate::exit::Answer;
use crate::session::Session;
use crate::table::{Cell, Column, Table};

/// Say what is declared, and what is wrong with it
#[derive(Debug, Args)]
#[command(after_help = "\
Output: a line for each login: its name, what it is, and what it may do. What is wrong are messages; \
with the exit code 2, nothing can be made of the file.")]
pub(crate) struct Check {
    #[command(flatten)]
    declared: Declared,
}

impl Check {
    pub(crate) fn run(self, session: &Session) -> Result<Answer> {
        let file = &self.declared.file;
        let access = access_file::parse(file)?;
        session.screen.table(&table(&access))?;
        access_file::check(file, &access)?;
        Ok(Answer::Yes)
    }
}

fn table(access: &Access) -> Table {
    let mut table =
        Table::new([Column::words("NAME"), Column::words("WHAT"), Column::words("MAY")]);
    for (name, service) in &access.services {
        table.row([name.as_str(), "service", &of_service(service)].map(Cell::new));
    }
    for (name, operator) in &access.operators {
        let may = match operator.role {
            Role::Operator => "look and act",
            Role::Viewer => "look",
        };
        table.row([name.as_str(), "person", may].map(Cell::new));
    }
    for (name, publisher) in &access.publishers {
        table.row([name.as_str(), "publisher", &of_publisher(publisher)].map(Cell::new));
    }
    table
}

/// What a service is, in words.
pub(in crate::commands) fn of_service(service: &ServiceAccess) -> String {
    let mut words = vec![match (service.delivery, service.start) {
        (Delivery::Shared, Start::Beginning) => "shared, from the beginning".to_owned(),
        (Delivery::Shared, _) => "shared".to_owned(),
        (Delivery::Exclusive, Start::Beginning) => "exclusive, from the beginning".to_owned(),
        (Delivery::Exclusive, _) => "exclusive".to_owned(),
    }];
    words.extend(service.read_from.as_ref().map(|mirror| format!("reads from {mirror}")));
    if !service.memories.is_empty() {
        words.push(format!("remembers {}", list(&service.memories)));
    }
    if service.once {
        words.push("runs once".to_owned());
    }
    if service.timers {
        words.push("sets timers".to_owned());
    }
    words.extend(reads(&service.reads));
    words.join("; ")
}

fn of_publisher(publisher: &PublisherAccess) -> String {
    let mut words = vec!["publish".to_owned()];
    words.extend(publisher.asks.then(|| "ask".to_owned()));
    words.extend(reads(&publisher.reads));
    words.join("; ")
}

fn reads(services: &BTreeSet<String>) -> Option<String> {
    (!services.is_empty()).then(|| format!("reads {}", list(services)))
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
