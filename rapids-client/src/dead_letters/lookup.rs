//! Looking a letter up in the stream `DEAD_LETTERS`.

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::DirectGetErrorKind;

use super::LetterId;
use crate::Result;
use crate::connection::Connection;
use crate::names::DEAD_LETTERS;

/// The message of a letter; `None` if there is none.
pub(super) async fn letter(
    connection: &Connection,
    id: &LetterId,
) -> Result<Option<StreamMessage>> {
    let subject = id.subject();
    let request = connection.api(&format!("DIRECT.GET.{DEAD_LETTERS}.{subject}"));
    let getting = Box::pin(async {
        let stream = connection.jetstream.get_stream_no_info(DEAD_LETTERS).await?;
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    connection
        .attempt::<_, Box<dyn std::error::Error + Send + Sync>>(
            &format!("read the dead letter `{id}`"),
            &request,
            getting,
        )
        .await
}
