//! Moves rapids from the simple form to the secured one: from one subject for all to one for each publisher.
//!
//! What is stored stays as it is, and positions do: packets of before have no publisher.

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_STREAM;
use async_nats::jetstream::stream::Config;
use bytes::Bytes;

use crate::connection::{Connection, server_answer};
use crate::jetstream::ensure::{info_of, update};
use crate::jetstream::form::Form;
use crate::jetstream::publish_once::publish_once;
use crate::jetstream::timers::TimerPlace;
use crate::names::{LATER, STREAM, SUBJECT};
use crate::{Error, Result};

/// The settings of a stream in this form, which may be in the other one.
pub(super) fn moved(found: &Config, form: Form) -> Config {
    if form == Form::Simple {
        return found.clone();
    }
    let place = TimerPlace::shared(form);
    match found.name.as_str() {
        STREAM if found.subjects == [SUBJECT] => Config {
            subjects: vec![form.subjects().to_owned()],
            republish: Some(form.republish(STREAM)),
            sources: Some(vec![place.source()]),
            ..found.clone()
        },
        LATER if found.subjects == TimerPlace::shared(Form::Simple).subjects() => {
            Config { subjects: place.subjects(), ..found.clone() }
        }
        _ => found.clone(),
    }
}

/// Moves what is in the simple form.
///
/// # Errors
/// `Stream` if this account does not map what is published to `rapids`, or the server refuses the change;
/// `NotPermitted`, `Server`.
pub(super) async fn move_to(connection: &Connection, form: Form) -> Result<()> {
    // The rapids last: until then whatever fires lies where it lay before.
    for name in [LATER, STREAM] {
        let Some(found) = info_of(connection, name).await? else { continue };
        let wanted = moved(&found.config, form);
        if wanted == found.config {
            continue;
        }
        check_mapping(connection).await?;
        if let Err(reason) = Box::pin(update(connection, wanted)).await? {
            let differences = vec![format!("it could not be moved to the secured form: {reason}")];
            return Err(Error::Stream { stream: name.to_owned(), differences });
        }
    }
    Ok(())
}

/// Makes sure that this account maps `rapids`: else nobody could publish once the stream has other subjects.
///
/// # Errors
/// `Stream` if it does not; `NotPermitted`, `Server`.
async fn check_mapping(connection: &Connection) -> Result<()> {
    let mut headers = HeaderMap::new();
    // No stream has this name, so none stores the message.
    headers.insert(NATS_EXPECTED_STREAM, "none of them");
    let message = (headers, Bytes::new());
    let probing = publish_once(connection, "try the mapping", SUBJECT.to_owned(), message).await?;
    match probing {
        // The rapids themselves answer, on their one subject.
        Err(error) if server_answer(&error).is_some() => Err(Error::Stream {
            stream: STREAM.to_owned(),
            differences: vec![
                "this account does not map `rapids` to `rapids.from.operators`, so that nobody could \
                 publish in the secured form"
                    .to_owned(),
                "start the server with what `rapids access render` writes, as docs/security.md says"
                    .to_owned(),
            ],
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subjects_of_the_two_streams_are_moved_and_nothing_else() {
        let config = |name: &str, subjects: &[&str]| Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(ToString::to_string).collect(),
            max_bytes: 7,
            ..Config::default()
        };
        let rapids = moved(&config(STREAM, &["rapids"]), Form::Secured);
        assert_eq!((rapids.subjects, rapids.max_bytes), (vec!["rapids.from.*".to_owned()], 7));
        let later = moved(&config(LATER, &["later.*.*", "later_due"]), Form::Secured);
        assert_eq!(later.subjects, ["later.PUBLISHED.*", "later.EVERY.*", "later_due"]);
        for (config, form) in [
            (config(STREAM, &["rapids"]), Form::Simple),
            (config(STREAM, &["rapids.from.*"]), Form::Secured),
            (config("REPLAYS", &["replays.*"]), Form::Secured),
        ] {
            assert_eq!(moved(&config, form), config);
        }
    }
}
