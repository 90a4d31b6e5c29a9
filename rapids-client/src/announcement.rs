//! How others see the service: the NATS service API, answered with what is true at the moment.
//!
//! Hears requests and answers them. What the answers say is left to [`profile`].

pub(crate) mod instances;
pub(crate) mod profile;

use std::future::pending;
use std::time::Instant;

use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{SelectAll, select_all};
use tracing::warn;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::stream;
use crate::service::Service;

use crate::announcement::profile::{Profile, Verb};

const ACTION: &str = "announce the service";

/// A service that answers `nats micro ls`, `info`, `stats` and `ping`.
///
/// The service of the client library would say for ever what it said at the start.
pub(crate) struct Announcement {
    connection: Connection,
    profile: Profile,
    requests: SelectAll<Subscriber>,
    /// Worded and not yet handed to the connection.
    answer: Option<(Subject, Bytes)>,
}

impl Announcement {
    /// Announces name, version, and each river with its rules, once requests are answered.
    pub(crate) async fn publish(
        connection: &Connection,
        service: &Service,
        instance: &str,
    ) -> Result<Self> {
        let profile = Profile::of(service, instance);
        let since = Instant::now();
        let mut subscribers = Vec::new();
        for subject in profile.subjects() {
            let subscribing = connection.client.subscribe(subject.clone());
            subscribers.push(connection.attempt(ACTION, &subject, subscribing).await?);
        }
        // Whatever is answered after the subscriptions were sent, is answered after they were
        // refused.
        Box::pin(stream::info(connection)).await?;
        if let Some(refusal) = connection.refusal("$SRV.>", since) {
            return Err(refusal);
        }
        let (connection, requests) = (connection.clone(), select_all(subscribers));
        Ok(Self { connection, profile, requests, answer: None })
    }

    /// The id of this instance.
    pub(crate) fn id(&self) -> &str {
        &self.profile.id
    }

    /// Answers one request. Never ends without one; dropping the future loses nothing.
    pub(crate) async fn answer_next(&mut self) {
        while self.answer.is_none() {
            let Some(request) = self.requests.next().await else {
                // Withdrawn, or the connection was closed for good.
                return pending().await;
            };
            let verb = Verb::of(&request.subject);
            self.answer = request.reply.zip(verb.map(|verb| self.profile.answer(verb)));
        }
        if let Some((asker, answer)) = self.answer.clone() {
            let answering = self.connection.client.publish(asker, answer);
            if let Err(error) = answering.await {
                warn!(%error, "a question about the service is not answered");
            }
            self.answer = None;
        }
    }

    /// Answers requests until something has come.
    pub(crate) async fn answer_during<T>(&mut self, coming: impl Future<Output = T>) -> T {
        tokio::pin!(coming);
        loop {
            tokio::select! {
                come = &mut coming => return come,
                () = self.answer_next() => {}
            }
        }
    }

    /// Shows a fact, such as `charge.breaker`, until it is cleared with `None`.
    pub(crate) fn show(&mut self, fact: impl Into<String>, value: Option<String>) {
        self.profile.show(&fact.into(), value);
    }

    /// Answers no more.
    pub(crate) async fn withdraw(&mut self) {
        for mut subscriber in std::mem::take(&mut self.requests) {
            // Fails only on a connection that is gone, and then there is nothing to withdraw.
            let _ = subscriber.unsubscribe().await;
        }
    }
}
