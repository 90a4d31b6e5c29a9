//! Stores dead letters in the stream `DEAD_LETTERS`, once for each failure.
//!
//! Reading and deciding on them is left to [`DeadLetters`](super::DeadLetters).

use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::jetstream::context::PublishErrorKind;
use jiff::Timestamp;

use crate::Result;
use crate::connection::Connection;
use crate::dead_letters::editions::{Edition, find};
use crate::dead_letters::{DeadLetter, LetterId};
use crate::jetstream::created;
use crate::jetstream::ensure::ensure;
use crate::jetstream::publish_once::publish_once;
use crate::jetstream::refusal::of_publish;
use crate::jetstream::resource::Resource;
use crate::jetstream::stream;
use crate::names::DEAD_LETTERS;

/// The dead letters, for the services that write them.
#[derive(Clone, Debug)]
pub(crate) struct LetterStore {
    connection: Connection,
    /// When the streams of the rapids and of the replays were made: older letters are about the
    /// sequences of earlier streams.
    rapids_created: Timestamp,
    replays_created: Timestamp,
}

impl LetterStore {
    /// Creates or checks the streams of letters and of replays. The rapids have to exist.
    ///
    /// # Errors
    /// `Stream` if one of them exists with settings that lose letters or replays; `NotPermitted`,
    /// `Server`.
    pub(crate) async fn open(connection: &Connection) -> Result<Self> {
        let rapids = stream::info(connection).await?;
        Box::pin(ensure(connection, &Resource::dead_letters())).await?;
        let (_, replays) = Box::pin(ensure(connection, &Resource::replays())).await?;
        Ok(Self {
            connection: connection.clone(),
            rapids_created: rapids.map_or(Timestamp::MIN, |info| created(&info)),
            replays_created: created(&replays),
        })
    }

    /// Stores a letter unless it is stored already, and returns the one that is stored: its id, and what
    /// another instance was faster to say, may differ. Tries once.
    ///
    /// # Errors
    /// `Full` if there is no room; `Refused` if the letter is larger than the server takes;
    /// `NotPermitted`; `Server` if it is unknown whether the letter is stored: try again.
    pub(crate) async fn store(&self, letter: &DeadLetter) -> Result<DeadLetter> {
        let mut letter = letter.clone();
        loop {
            if self.publish(&letter).await? {
                return Ok(letter);
            }
            match self.find(&letter.id, &letter.packet_id, letter.epoch).await? {
                Edition::Stored(stored) => return Ok(*stored),
                // The next search begins there, so nothing is looked at twice.
                Edition::Free { id, former } => {
                    letter.former = former.or(letter.former);
                    letter.id = id;
                }
            }
        }
    }

    /// The letter of this id about a packet in an epoch; `None` if it is not stored.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn about(
        &self,
        id: &LetterId,
        packet_id: &str,
        epoch: u64,
    ) -> Result<Option<Box<DeadLetter>>> {
        Ok(match self.find(id, packet_id, epoch).await? {
            Edition::Stored(letter) => Some(letter),
            Edition::Free { .. } => None,
        })
    }

    /// Whether there is a letter of this id about a packet, in this epoch or another.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn is_about(
        &self,
        id: &LetterId,
        packet_id: &str,
        epoch: u64,
    ) -> Result<bool> {
        Ok(match self.find(id, packet_id, epoch).await? {
            Edition::Stored(_) => true,
            Edition::Free { former, .. } => former.is_some(),
        })
    }

    async fn find(&self, id: &LetterId, packet_id: &str, epoch: u64) -> Result<Edition> {
        let created =
            if id.replay().is_some() { self.replays_created } else { self.rapids_created };
        find(&self.connection, id, (packet_id, epoch), created).await
    }

    /// Publishes a letter; `false` if there is one under this id.
    async fn publish(&self, letter: &DeadLetter) -> Result<bool> {
        let mut headers = letter.headers();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        let message = (headers, letter.body.clone());
        let action = "store a dead letter";
        match publish_once(&self.connection, action, letter.id.subject(), message).await? {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
            Err(error) => Err(of_publish(action, DEAD_LETTERS, &letter.packet_id, None, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use async_nats::jetstream::message::PublishMessage;
    use async_nats::jetstream::stream::Config as StreamConfig;
    use rapids_test::NatsServer;

    use super::*;
    use crate::dead_letters::lookup;
    use crate::dead_letters::testing::letter;
    use crate::jetstream::ensure::info_of;
    use crate::rapids::Rapids;
    use crate::{Config, Error};

    /// A connection to a server of its own, with rapids on it.
    async fn connection(server: &NatsServer) -> Connection {
        let config = Config::new(server.url());
        Rapids::connect(&config).await.unwrap();
        Connection::open(&config, "test").await.unwrap()
    }

    async fn holds(store: &LetterStore, id: &LetterId, packet_id: &str, epoch: u64) -> bool {
        store.about(id, packet_id, epoch).await.unwrap().is_some()
    }

    async fn stored(store: &LetterStore, id: &str) -> DeadLetter {
        let id: LetterId = id.parse().unwrap();
        let message = lookup::letter(&store.connection, &id).await.unwrap().unwrap();
        DeadLetter::read(id, &message.headers, message.payload).unwrap()
    }

    #[tokio::test]
    async fn a_letter_is_stored_once_and_comes_back_as_it_was() {
        let server = NatsServer::start().unwrap();
        let store = LetterStore::open(&connection(&server).await).await.unwrap();
        let letter = letter();
        assert!(!holds(&store, &letter.id, &letter.packet_id, letter.epoch).await);
        assert_eq!(store.store(&letter).await.unwrap(), letter);
        let later = DeadLetter { attempts: 9, ..letter.clone() };
        assert_eq!(store.store(&later).await.unwrap(), letter, "the first one stands");
        assert!(holds(&store, &letter.id, &letter.packet_id, letter.epoch).await);
        assert_eq!(stored(&store, "payment.charge.r3").await, letter);
        let info = info_of(&store.connection, DEAD_LETTERS).await.unwrap().unwrap();
        assert_eq!(info.state.messages, 1);
    }

    #[tokio::test]
    async fn the_largest_packet_fits_with_the_largest_headers() {
        let server = NatsServer::start().unwrap();
        let connection = connection(&server).await;
        let store = LetterStore::open(&connection).await.unwrap();
        let rapids = stream::info(&connection).await.unwrap().unwrap();
        let largest = usize::try_from(rapids.config.max_message_size).unwrap();
        let causes = vec!["\u{1b}".repeat(100); 200];
        let letter = DeadLetter { causes, body: vec![b' '; largest].into(), ..letter() };
        store.store(&letter).await.unwrap();
        assert_eq!(stored(&store, "payment.charge.r3").await.body.len(), largest);
        let body = vec![b' '; connection.max_payload()].into();
        let id = letter.id.next_edition();
        let error = store.store(&DeadLetter { id, body, ..letter }).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_letter_that_finds_no_room_is_told() {
        let server = NatsServer::start().unwrap();
        let connection = connection(&server).await;
        let store = LetterStore::open(&connection).await.unwrap();
        let letters = info_of(&connection, DEAD_LETTERS).await.unwrap().unwrap().config;
        let small = StreamConfig { max_bytes: 1_000, ..letters };
        connection.jetstream.update_stream(small).await.unwrap();
        let letter = DeadLetter { body: vec![b' '; 1_000].into(), ..letter() };
        let error = store.store(&letter).await.unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error}");
        assert!(error.to_string().contains("nats stream edit DEAD_LETTERS"), "{error}");
    }

    #[tokio::test]
    async fn letters_of_rapids_made_anew_are_kept_apart_from_those_before() {
        let server = NatsServer::start().unwrap();
        let connection = connection(&server).await;
        let letter = DeadLetter { id: "payment.charge.17".parse().unwrap(), ..letter() };
        let mut store = LetterStore::open(&connection).await.unwrap();
        store.store(&letter).await.unwrap();
        store.rapids_created = Timestamp::now();
        assert!(!holds(&store, &letter.id, &letter.packet_id, letter.epoch).await);
        let second = DeadLetter { packet_id: "another".to_owned(), ..letter.clone() };
        for _ in 0..2 {
            let id = store.store(&second).await.unwrap().id;
            assert_eq!(id.to_string(), "payment.charge.17-2");
        }
        assert!(holds(&store, &second.id, &second.packet_id, second.epoch).await);
        assert_eq!(stored(&store, "payment.charge.17").await, letter);
        assert_eq!(stored(&store, "payment.charge.17-2").await.packet_id, "another");
    }

    #[tokio::test]
    async fn what_is_no_letter_about_the_packet_does_not_take_its_letters_place() {
        let server = NatsServer::start().unwrap();
        let connection = connection(&server).await;
        let store = LetterStore::open(&connection).await.unwrap();
        let letter = DeadLetter { id: "payment.charge.17".parse().unwrap(), ..letter() };
        let put = async |edition: &str, headers: HeaderMap| {
            let subject = format!("dead_letters.payment.charge.17{edition}");
            let message = PublishMessage::build().headers(headers).payload("{}".into());
            connection.jetstream.send_publish(subject, message).await.unwrap().await.unwrap();
        };
        put("", HeaderMap::new()).await;
        put("-2", DeadLetter { packet_id: "another".to_owned(), ..letter.clone() }.headers()).await;
        let mut of_another_service = letter.headers();
        of_another_service.insert("Rapids-Service", "billing");
        put("-3", of_another_service).await;
        assert!(!holds(&store, &letter.id, &letter.packet_id, letter.epoch).await);
        store.store(&letter).await.unwrap();
        store.store(&letter).await.unwrap();
        assert!(holds(&store, &letter.id, &letter.packet_id, letter.epoch).await);
        assert_eq!(stored(&store, "payment.charge.17-4").await.packet_id, letter.packet_id);
        let info = info_of(&connection, DEAD_LETTERS).await.unwrap().unwrap();
        assert_eq!(info.state.messages, 4);
    }

    #[tokio::test]
    async fn a_letter_of_another_epoch_is_another_and_linked_to_the_one_before() {
        let server = NatsServer::start().unwrap();
        let store = LetterStore::open(&connection(&server).await).await.unwrap();
        let of = |id: &str, epoch| {
            let id = id.parse().unwrap();
            DeadLetter { id, epoch, former: None, ..letter() }
        };
        for epoch in [0, 0, 1, 1, 4, 4, 1] {
            store.store(&of("payment.charge.17", epoch)).await.unwrap();
            // A replay is not given again when a position is moved.
            store.store(&of("payment.charge.r3", epoch)).await.unwrap();
        }
        for (id, epoch, former) in [
            ("payment.charge.17", 0, None),
            ("payment.charge.17-2", 1, Some("payment.charge.17")),
            ("payment.charge.17-3", 4, Some("payment.charge.17-2")),
            ("payment.charge.r3", 0, None),
        ] {
            let found = stored(&store, id).await;
            let former = former.map(|id| id.parse().unwrap());
            assert_eq!((found.epoch, found.former), (epoch, former), "{id}");
        }
        let info = info_of(&store.connection, DEAD_LETTERS).await.unwrap().unwrap();
        assert_eq!(info.state.messages, 4);
    }

    #[tokio::test]
    async fn who_may_not_create_streams_may_use_those_that_exist() {
        let server = NatsServer::with_config(
            r#"authorization { users: [
                {user: admin, password: a}
                {user: guest, password: g, permissions: {publish: {deny: [
                    "$JS.API.STREAM.CREATE.>", "dead_letters.payment.refund.*"]}}}
            ]}"#,
        )
        .unwrap();
        let login = |user: &str| Config::new(server.url()).user_and_password(user, &user[..1]);
        Rapids::connect(&login("admin")).await.unwrap();
        let admin = Connection::open(&login("admin"), "test").await.unwrap();
        let guest = Connection::open(&login("guest"), "test").await.unwrap();
        let error = LetterStore::open(&guest).await.unwrap_err();
        assert!(matches!(error, Error::NotPermitted { .. }), "{error}");
        LetterStore::open(&admin).await.unwrap();
        let store = LetterStore::open(&guest).await.unwrap();
        store.store(&letter()).await.unwrap();
        let id = "payment.refund.1".parse().unwrap();
        let error = store.store(&DeadLetter { id, ..letter() }).await.unwrap_err();
        assert!(matches!(error, Error::NotPermitted { .. }), "{error}");
    }
}
