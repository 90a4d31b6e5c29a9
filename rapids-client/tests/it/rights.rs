//! A service whose login lacks some of its rights: what it says, and that it goes on.

use std::time::Duration;

use futures::StreamExt;
use rapids_client::access::ServiceAccess;
use rapids_client::{Assessment, Config, Delivery, Doctor, Packet, Rapids, River, Service, bundle};
use rapids_test::{NatsServer, http};

use crate::harness::{Running, echo, found, soon, until};
use crate::log;

/// A server on which the service of this name may do all but publish to these subjects.
fn server(name: &str, denied: &[&str]) -> NatsServer {
    NatsServer::with_config(&users(name, denied)).unwrap()
}

fn users(name: &str, denied: &[&str]) -> String {
    let denied: Vec<_> = denied.iter().map(|subject| format!("\"{subject}\"")).collect();
    let denied = denied.join(", ");
    format!(
        "authorization {{ users: [ {{ user: operator, password: operator }}, {{ user: {name}, password: {name}, \
         permissions: {{ publish: {{ deny: [{denied}] }} }} }} ] }}"
    )
}

fn config(server: &NatsServer, user: &str) -> Config {
    Config::new(server.url()).user_and_password(user, user)
}

fn once() -> River {
    River::new("once").event("counted").once().react(|_: Packet| async { Ok(()) })
}

fn service(config: Config, name: &str) -> Service {
    Service::new(name, config).river(echo()).river(once()).from_beginning()
}

/// The errors that the service has logged.
fn errors(name: &str) -> Vec<String> {
    log::of(name).into_iter().filter(|line| line.contains("ERROR")).collect()
}

#[tokio::test]
async fn a_service_that_lacks_rights_names_them_all_at_once_and_goes_on() {
    log::keep();
    let denied = ["$KV.RAPIDS_ONCE.lacking.>", "$JS.ACK.REPLAYS.lacking.>", "dead_letters.>"];
    let server = server("lacking", &denied);
    let operator = config(&server, "operator");
    let rapids = Rapids::connect(&operator).await.unwrap();
    let service =
        service(config(&server, "lacking").http("127.0.0.1:0".parse().unwrap()), "lacking");
    let running = Running::spawn(service);
    let logged = found("an error", async || errors("lacking").pop()).await;
    for words in [
        "the login lacks 3 rights that `lacking` needs, now or later: ",
        "publish to `$JS.ACK.REPLAYS.lacking.>` (replays), ",
        "publish to `$KV.RAPIDS_ONCE.lacking.>` (reactions that run once), ",
        "publish to `dead_letters.lacking.>` (dead letters); to mend it, do not deny its user ",
        "`$JS.ACK.REPLAYS.lacking.>`, `$KV.RAPIDS_ONCE.lacking.>`, `dead_letters.>` (`rapids doctor lacking`",
    ] {
        assert!(logged.contains(words), "{words} in {logged}");
    }

    // It works, and is not ready.
    rapids.publish(Packet::event("called").with("n", 1)).await.unwrap();
    let handled =
        async || rapids.position("lacking").await.unwrap().is_some_and(|it| it.acknowledged >= 1);
    until("it handles packets", handled).await;
    let fact = async |fact: &str| {
        let up = rapids.services(Duration::from_millis(100)).await.unwrap();
        up.into_iter().find_map(|mut instance| instance.facts.remove(fact))
    };
    let address = found("its address", async || fact("http").await).await;
    let told = found("what it lacks", async || fact("rights").await).await;
    assert!(told.starts_with("the login lacks 3 rights that `lacking` needs"), "{told}");
    let address = address.trim_start_matches("http://");
    let ready = || http(address, "GET /readyz").unwrap();
    let (status, why) = ready();
    assert_eq!(status, "503 Service Unavailable");
    assert!(why.starts_with("lacking: the login lacks 3 rights that `lacking` needs"), "{why}");

    // It is given all.
    server.reload(&users("lacking", &["nothing"])).unwrap();
    until("it is ready", async || ready().0 == "200 OK").await;
    let all = async || log::of("lacking").iter().any(|line| line.contains("has all rights now"));
    until("it says so", all).await;
    until("it shows nothing", async || fact("rights").await.is_none()).await;
    running.stop().await;
    assert_eq!(errors("lacking").len(), 1, "{:?}", errors("lacking"));
    let refusals = log::of("lacking").into_iter().filter(|line| line.contains("does not permit"));
    assert_eq!(refusals.collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn a_service_that_cannot_start_says_what_else_it_lacks() {
    log::keep();
    let denied = ["$JS.API.STREAM.INFO.REPLAYS", "dead_letters.stopped.>"];
    let server = server("stopped", &denied);
    Rapids::connect(&config(&server, "operator")).await.unwrap();
    let running = Running::spawn(service(config(&server, "stopped"), "stopped"));
    let ended = running.ended().await.to_string();
    let words = "the server does not permit publish to `$JS.API.STREAM.INFO.REPLAYS`";
    assert!(ended.starts_with(words), "{ended}");
    let errors = errors("stopped");
    assert_eq!(errors.len(), 1, "{errors:?}");
    for words in
        ["`$JS.API.STREAM.INFO.REPLAYS` (replays), ", "`dead_letters.stopped.>` (dead letters)"]
    {
        assert!(errors[0].contains(words), "{words} in {errors:?}");
    }
}

#[tokio::test]
async fn who_subscribes_to_the_rapids_sees_nothing_of_a_check_where_there_are_no_accounts() {
    let server = NatsServer::start().unwrap();
    let config = Config::new(server.url());
    let rapids = Rapids::connect(&config).await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    let mut seen = client.subscribe("rapids").await.unwrap();
    client.flush().await.unwrap();
    let doctor = Doctor::connect(&config).await.unwrap();
    for finding in doctor.rights("seen", &ServiceAccess::default()).await {
        assert_eq!(finding.assessment, Assessment::Well, "{finding:?}");
    }
    rapids.publish(Packet::event("called").with("n", 1)).await.unwrap();
    let first = soon("the packet", seen.next()).await.unwrap();
    assert!(String::from_utf8_lossy(&first.payload).contains("called"), "{first:?}");
}

/// How each stream stands, and each consumer of a service.
async fn state(server: &NatsServer) -> Vec<String> {
    let jetstream = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let mut state = Vec::new();
    let mut streams = jetstream.streams();
    while let Some(stream) = streams.next().await {
        let stream = stream.unwrap();
        let (name, at) = (&stream.config.name, &stream.state);
        state.push(format!("{name} {} {} {}", at.last_sequence, at.messages, at.consumer_count));
        let stream = jetstream.get_stream(name).await.unwrap();
        let mut consumers = stream.consumers();
        while let Some(consumer) = consumers.next().await {
            let it = consumer.unwrap();
            let (delivered, floor) = (it.delivered.stream_sequence, it.ack_floor.stream_sequence);
            let counts = (it.num_ack_pending, it.num_redelivered, it.num_pending);
            state.push(format!("{name} {} {delivered} {floor} {counts:?}", it.name));
        }
    }
    state.sort();
    state
}

#[tokio::test]
async fn rights_are_tried_without_effect_on_streams_with_replicas() {
    // Where there are accounts, all is tried.
    let account = "RAPIDS { jetstream: enabled, users: [{ user: some, password: some }] }";
    let config = format!("accounts {{ {account} }}\nno_auth_user: some");
    let servers = NatsServer::cluster(3, &config).unwrap();
    let config = Config::new(servers[0].url()).replicas(3);
    let rapids = found("a leader", async || Rapids::connect(&config).await.ok()).await;
    let running = Running::spawn(service(config.clone(), "replicated"));
    rapids.publish(Packet::event("called").with("n", 1)).await.unwrap();
    // A stream may have no leader for a moment.
    let position = async || rapids.position("replicated").await.ok().flatten();
    // The answer to it is handled, too.
    until("it handles packets", async || position().await.is_some_and(|it| it.acknowledged >= 2))
        .await;
    running.stop().await;
    let before = state(&servers[0]).await;
    let doctor = Doctor::connect(&config).await.unwrap();
    let access = ServiceAccess { once: true, ..ServiceAccess::default() };
    let findings = doctor.rights("replicated", &access).await;
    let of_leader = "publish to `$JS.API.STREAM.MSG.GET.KV_RAPIDS_SERVICES`";
    assert!(findings.iter().any(|it| it.what == of_leader), "{findings:?}");
    for finding in findings {
        assert_eq!(finding.assessment, Assessment::Well, "{finding:?}");
    }
    assert_eq!(state(&servers[0]).await, before);
}

#[tokio::test]
async fn a_service_that_has_all_says_nothing_in_either_delivery_and_in_a_bundle() {
    log::keep();
    for (delivery, names) in [
        (Delivery::Shared, ["has_all_shared", "has_none_shared"]),
        (Delivery::Exclusive, ["has_all_exclusive", "has_none_exclusive"]),
    ] {
        let server = NatsServer::start().unwrap();
        let config = Config::new(server.url()).delivery(delivery);
        let services = names.map(|name| service(config.clone(), name));
        let rapids = Rapids::connect(&config).await.unwrap();
        let running = match (delivery, services) {
            (Delivery::Shared, services) => services.map(Running::spawn).into(),
            (Delivery::Exclusive, services) => vec![Running::spawn_bundle(bundle(services))],
        };
        rapids.publish(Packet::event("called").with("n", 1)).await.unwrap();
        for name in names {
            let handled = async || {
                rapids.position(name).await.unwrap().is_some_and(|it| it.acknowledged >= 1)
            };
            until("it handles packets", handled).await;
            let doctor = Doctor::connect(&config).await.unwrap();
            let access = ServiceAccess { delivery, once: true, ..ServiceAccess::default() };
            for finding in doctor.rights(name, &access).await {
                assert_eq!(finding.assessment, Assessment::Well, "{finding:?}");
            }
            assert_eq!(errors(name), [""; 0]);
        }
        for service in running {
            service.stop().await;
        }
    }
}
