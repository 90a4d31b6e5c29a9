//! How others see the service: the NATS service API.

use std::collections::HashMap;

use async_nats::service::ServiceExt;

use super::Service;
use crate::Result;
use crate::connection::Connection;
use crate::names::{ON_RAPIDS, STREAM};

/// A service that answers `nats micro ls` and `nats micro info <service>`.
pub(crate) struct Announcement(Option<async_nats::service::Service>);

impl Announcement {
    /// Announces name, version, and each river with its rules.
    pub(crate) async fn publish(connection: &Connection, service: &Service) -> Result<Self> {
        let builder = connection
            .client
            .service_builder()
            .description(format!("{} on the rapids", service.name))
            .metadata(metadata(service));
        let starting = builder.start(&service.name, &service.version);
        let action = "announce the service";
        Ok(Self(Some(connection.attempt(action, "$SRV.>", starting).await?)))
    }

    pub(crate) async fn withdraw(&mut self) {
        if let Some(service) = self.0.take() {
            // Fails only on a connection that is gone, and then there is nothing to withdraw.
            let _ = service.stop().await;
        }
    }
}

/// `charge` -> conditions, `charge.requires` -> requirements.
fn metadata(service: &Service) -> HashMap<String, String> {
    let mut metadata = HashMap::from([(ON_RAPIDS.to_owned(), STREAM.to_owned())]);
    for river in &service.rivers {
        metadata.insert(river.name().to_owned(), river.to_string());
        if let Some(requirement) = river.rules().requirement() {
            metadata.insert(format!("{}.requires", river.name()), requirement);
        }
    }
    metadata
}
