//! How others see the service: the NATS service API, answered with the present state.
//!
//! Receives requests and sends answers. The content of answers is left to [`profile`].

mod endpoints;
pub(crate) mod instances;
pub(crate) mod profile;
pub(crate) mod repetition;
pub(crate) mod stats;

use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{SelectAll, select_all};
use jiff::Timestamp;
use tracing::warn;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::stream;
use crate::metrics::ServiceMetrics;
use crate::service::Service;

use crate::announcement::profile::{Profile, Verb};

const ACTION: &str = "announce the service";

/// A service that answers `nats micro ls`, `info`, `stats` and `ping`.
///
/// The client library has one too, but its answers stay as they were at the start.
pub(crate) struct Announcement {
    connection: Connection,
    profile: Profile,
    requests: SelectAll<Subscriber>,
    /// Ready, and not yet handed to the connection.
    answer: Option<(Subject, Bytes)>,
}

impl Announcement {
    /// Announces name, version, and each river with its rules; returns when requests arrive, or are known not to,
    /// as this user may not receive them.
    pub(crate) async fn publish(
        connection: &Connection,
        (service, instance, metrics): (&Service, &str, Arc<ServiceMetrics>),
    ) -> Result<Self> {
        let profile = Profile::of(service, instance, metrics);
        let since = Instant::now();
        let mut subscribers = Vec::new();
        for subject in profile.subjects() {
            let subscribing = connection.client.subscribe(subject.clone());
            subscribers.push(connection.attempt(ACTION, &subject, subscribing).await?);
        }
        // The server handles requests in order: when it answers this one, it has made or refused the
        // subscriptions.
        Box::pin(stream::info(connection)).await?;
        // It works without.
        if let Some(refusal) = connection.refusal("$SRV.>", since) {
            warn!(
                "the service cannot be asked how it is, so `rapids services` does not show it: {refusal}"
            );
        }
        let (connection, requests) = (connection.clone(), select_all(subscribers));
        Ok(Self { connection, profile, requests, answer: None })
    }

    /// The id of this instance.
    pub(crate) fn id(&self) -> &str {
        &self.profile.id
    }

    pub(crate) fn started(&self) -> Timestamp {
        self.profile.started
    }

    /// Waits for a request and answers it. Dropping the future loses nothing.
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
                self.connection.warn("a question about the service is not answered", &error);
            }
            self.answer = None;
        }
    }

    /// Answers requests until this future is done.
    pub(crate) async fn answer_during<T>(&mut self, future: impl Future<Output = T>) -> T {
        tokio::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return output,
                () = self.answer_next() => {}
            }
        }
    }

    /// Shows a fact, such as `charge.breaker`, until `None` clears it.
    pub(crate) fn show(&mut self, fact: impl Into<String>, value: Option<String>) {
        self.profile.show(&fact.into(), value);
    }

    /// Ends the answers.
    pub(crate) async fn withdraw(&mut self) {
        for mut subscriber in std::mem::take(&mut self.requests) {
            // This fails only on a closed connection, which has no subscriptions any more.
            let _ = subscriber.unsubscribe().await;
        }
    }
}
