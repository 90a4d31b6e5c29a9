//! Reads from a real server, also while the connection is cut.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Config as StreamConfig;
use rapids_test::NatsServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::*;
use crate::Error;
use crate::config::Config;

const DEADLINE: Duration = Duration::from_secs(60);

async fn connect(url: &str) -> Connection {
    Connection::open(&Config::new(url), "test").await.unwrap()
}

/// A stream `S` with this many messages of 300 bytes, on the subjects `s.0` to `s.2` in turn.
async fn filled(connection: &Connection, count: usize) {
    let config = StreamConfig {
        name: "S".to_owned(),
        subjects: vec!["s.*".to_owned()],
        allow_direct: true,
        ..StreamConfig::default()
    };
    connection.jetstream.create_stream(config).await.unwrap();
    let mut acks = Vec::new();
    for n in 0..count {
        let publishing =
            connection.jetstream.publish(format!("s.{}", n % 3), vec![b'x'; 300].into());
        acks.push(publishing.await.unwrap());
    }
    for ack in acks {
        ack.await.unwrap();
    }
}

/// The sequences that a scan gives.
async fn sequences(mut scan: Scan) -> Result<Vec<u64>> {
    let reading = async {
        let mut found = Vec::new();
        while let Some(message) = scan.next().await? {
            found.push(message.sequence);
        }
        Ok(found)
    };
    timeout(DEADLINE, reading).await.unwrap()
}

fn all(connection: &Connection) -> Scan {
    Scan::new(connection, "S", "s.*".to_owned())
}

#[tokio::test]
async fn messages_of_the_subjects_come_in_order_over_gaps_and_whatever_their_size() {
    let server = NatsServer::start().unwrap();
    let connection = connect(&server.url()).await;
    filled(&connection, 3_000).await;
    let stream = connection.jetstream.get_stream("S").await.unwrap();
    let gone = [1, 2, 500, 1_024, 1_025, 3_000];
    for sequence in gone {
        stream.delete_message(sequence).await.unwrap();
    }
    let is_there = |sequence: &u64| !gone.contains(sequence);
    let expected: Vec<_> = (1..=3_000).filter(is_there).collect();
    assert_eq!(sequences(all(&connection)).await.unwrap(), expected);
    let of_one = sequences(Scan::behind(&connection, "S", "s.1".to_owned(), 501)).await.unwrap();
    // They have the sequences 2, 5, 8 ...
    assert_eq!(of_one, (503..=3_000).step_by(3).filter(is_there).collect::<Vec<_>>());

    // Each is as large as the server takes them, so that a few fill what a request may bring.
    for _ in 0..12 {
        let body = vec![b'x'; 1_000_000].into();
        connection.jetstream.publish("s.large", body).await.unwrap().await.unwrap();
    }
    let large = sequences(Scan::new(&connection, "S", "s.large".to_owned())).await.unwrap();
    assert_eq!(large, (3_001..=3_012).collect::<Vec<_>>());
    assert!(sequences(Scan::new(&connection, "S", "s.none".to_owned())).await.unwrap().is_empty());
    assert!(
        sequences(Scan::behind(&connection, "S", "s.*".to_owned(), 3_012))
            .await
            .unwrap()
            .is_empty()
    );
}

/// Passes connections on to a server. Each of the first ones it cuts after so many bytes of the server. Returns
/// its address, and how many it has cut.
async fn cutting_proxy(server: u16, cuts: &'static [usize]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = format!("nats://{}", listener.local_addr().unwrap());
    let cut = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&cut);
    tokio::spawn(async move {
        let mut cuts = cuts.iter();
        while let Ok((client, _)) = listener.accept().await {
            let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await.unwrap();
            pass(client, upstream, cuts.next().copied().unwrap_or(usize::MAX)).await;
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, cut)
}

/// Passes on what both sides send, until one of them ends or the server has sent so much.
async fn pass(client: TcpStream, upstream: TcpStream, mut left: usize) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        let mut bytes = vec![0; 4_096];
        while left > 0 {
            let most = left.min(bytes.len());
            let read = from_server.read(&mut bytes[..most]).await.unwrap_or(0);
            if read == 0 || to_client.write_all(&bytes[..read]).await.is_err() {
                return;
            }
            left -= read;
        }
    };
    tokio::select! {
        _ = up => {}
        () = down => {}
    }
}

#[tokio::test]
async fn where_the_connection_is_cut_within_a_batch_nothing_is_missing_or_doubled() {
    let server = NatsServer::start().unwrap();
    filled(&connect(&server.url()).await, 5_000).await;
    // A batch has half a million bytes.
    let cuts = &[100_000, 700_000, 3_001, 650_003];
    let (address, cut) = cutting_proxy(server.port(), cuts).await;
    let connection = connect(&address).await;
    assert_eq!(sequences(all(&connection)).await.unwrap(), (1..=5_000).collect::<Vec<_>>());
    assert_eq!(cut.load(Ordering::Relaxed), cuts.len());
}

#[tokio::test]
async fn a_missing_right_and_a_missing_stream_are_named_at_once() {
    let server = NatsServer::with_config(
        r#"authorization: { users: [
            { user: all, password: x },
            { user: few, password: x, permissions: { publish: { deny: ["$JS.API.DIRECT.GET.S"] } } },
            { user: some, password: x, permissions: { publish: { deny: ["$JS.API.STREAM.MSG.GET.S"] } } },
        ] }"#,
    )
    .unwrap();
    let login = |user: &str| Config::new(server.url()).user_and_password(user, "x");
    let open = async |user: &str| Connection::open(&login(user), "test").await.unwrap();
    let begun = Instant::now();
    let owner = open("all").await;
    let error = sequences(all(&owner)).await.unwrap_err();
    let told = crate::error::with_causes(&error);
    assert!(told.contains("nobody answers `$JS.API.DIRECT.GET.S`"), "{told}");
    filled(&owner, 10).await;
    for (user, subject) in [("few", "$JS.API.DIRECT.GET.S"), ("some", "$JS.API.STREAM.MSG.GET.S")] {
        let error = sequences(all(&open(user).await)).await.unwrap_err();
        let is_told =
            matches!(&error, Error::NotPermitted { violation } if violation.contains(subject));
        assert!(is_told, "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_begun_while_the_server_is_away_is_read_once_it_is_back() {
    let mut server = NatsServer::start().unwrap();
    let connection = connect(&server.url()).await;
    filled(&connection, 3).await;
    server.kill();
    while connection.is_connected() {
        tokio::task::yield_now().await;
    }
    let reading = tokio::spawn(sequences(all(&connection)));
    let _server = spawn_blocking(move || server.restart().map(|()| server)).await.unwrap().unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), [1, 2, 3]);
}
