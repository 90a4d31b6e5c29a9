//! Publishes one message beside the rapids, once, and waits for the server's answer. Whether to try again,
//! and what a refusal means, is left to the callers.

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;

use crate::Result;
use crate::connection::Connection;

/// # Errors
/// `NotPermitted`; what else the server says of the message is the inner error.
pub(crate) async fn publish_once(
    connection: &Connection,
    action: &str,
    subject: String,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Result<PublishAck, PublishError>> {
    let message = PublishMessage::build().headers(headers).payload(body);
    let publishing = async {
        let answer = match connection.jetstream.send_publish(subject.clone(), message).await {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        Ok::<_, PublishError>(answer)
    };
    connection.attempt(action, &subject, publishing).await
}
