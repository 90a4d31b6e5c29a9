//! Services that read from a mirror of the rapids: at another site, and at the same server.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use async_nats::jetstream;
use rapids_client::{Config, Delivery, Position, Rapids, Retiring, Seek, Service, Start, bundle};
use rapids_test::TwoSites;

use crate::harness::{Bench, Running, Watch, called, config, echo, found, soon, until};
use crate::positions::Seen;

const MIRROR: &str = "RAPIDS_EU";
/// Longer than a lost connection or a lease is noticed.
const A_WHILE: Duration = Duration::from_secs(6);

/// The settings of services at the second site.
fn remote(sites: &TwoSites, delivery: Delivery) -> Config {
    let config = config(&sites.leaf[0].url()).jetstream_domain("hub").delivery(delivery);
    config.read_from(MIRROR).unwrap()
}

async fn consumers(server: &str, stream: &str) -> usize {
    let client = async_nats::connect(server).await.unwrap();
    let stream = jetstream::new(client).get_stream(stream).await.unwrap();
    stream.cached_info().state.consumer_count
}

/// How often each number was answered.
async fn answers(rapids: &Rapids, last: u64) -> HashMap<u64, usize> {
    let mut answers = HashMap::new();
    let mut tail = Watch::new(rapids.tail(Start::Beginning).await.unwrap());
    while answers.len() < usize::try_from(last).unwrap() {
        let answer = tail.event("answered").await;
        *answers.entry(answer.get::<u64>("n").unwrap().unwrap()).or_default() += 1;
    }
    answers
}

async fn publish(rapids: &Rapids, numbers: RangeInclusive<u64>) {
    rapids.publish_all(numbers.map(called)).await.unwrap();
}

fn alone(service: Service, _: Config) -> Running {
    Running::spawn(service)
}

/// Has a service answer calls at a site that is cut off for a while.
async fn a_site_is_cut_off_and_comes_back(
    delivery: Delivery,
    servers: usize,
    run: impl FnOnce(Service, Config) -> Running,
) {
    let sites = TwoSites::start(servers).await.unwrap();
    let hub = Config::new(sites.hub[0].url());
    let rapids = loop {
        // A cluster may have no leader yet.
        if let Ok(rapids) = Rapids::connect(&hub).await {
            break rapids;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let config = remote(&sites, delivery);
    let service = Service::new("echo", config.clone()).from_beginning().river(echo());
    let mut running = run(service, config);
    publish(&rapids, 1..=50).await;
    let position = async || rapids.position("echo").await.ok().flatten();
    let done = async || position().await.is_some_and(|position| position.acknowledged >= 50);
    running.during(until("what came before is done", done)).await;
    let at_leaf = consumers(&sites.leaf[0].url(), MIRROR).await;
    assert_eq!(at_leaf, usize::from(delivery == Delivery::Shared), "the position");
    sites.cut();
    publish(&rapids, 51..=100).await;
    tokio::time::sleep(A_WHILE).await;
    sites.mend();
    publish(&rapids, 101..=110).await;
    let answers = soon("all answers", answers(&rapids, 110)).await;
    assert!(answers.values().all(|count| *count == 1), "{answers:?}");
    until("all is done", async || {
        let is_done = |it: &Position| it.pending == 0 && it.unacknowledged == 0;
        rapids.positions().await.is_ok_and(|all| !all.is_empty() && all.iter().all(is_done))
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn a_site_that_is_cut_off_goes_on_in_shared_delivery_and_nothing_is_lost_or_doubled() {
    a_site_is_cut_off_and_comes_back(Delivery::Shared, 1, alone).await;
}

#[tokio::test]
async fn a_site_that_is_cut_off_goes_on_in_exclusive_delivery_and_nothing_is_lost_or_doubled() {
    a_site_is_cut_off_and_comes_back(Delivery::Exclusive, 1, alone).await;
}

#[tokio::test]
async fn a_bundle_reads_from_a_mirror_by_one_feed_and_loses_and_doubles_nothing() {
    let seen = Seen::default();
    let see = seen.river();
    let bundled = |service: Service, config: Config| {
        let other = Service::new("other", config).from_beginning().river(see);
        Running::spawn_bundle(bundle([service, other]))
    };
    a_site_is_cut_off_and_comes_back(Delivery::Exclusive, 1, bundled).await;
    assert_eq!(seen.take(), Vec::from_iter(1..=110));
}

#[tokio::test]
async fn a_second_cluster_reads_from_its_mirror() {
    a_site_is_cut_off_and_comes_back(Delivery::Shared, 3, alone).await;
}

/// Publishes numbers and has a service that reads from there see them.
async fn reads(bench: &Bench, config: Config, numbers: RangeInclusive<u64>) -> Vec<u64> {
    let seen = Seen::default();
    let service = Bench::service_of(config, "mover", [seen.river()]).from_beginning();
    let mut running = Running::spawn(service);
    let last = *numbers.end();
    publish(&bench.rapids, numbers).await;
    let seeing = async {
        until("the last is seen", async || seen.all().contains(&last)).await;
        bench.quiet(&["mover"]).await;
    };
    running.during(seeing).await;
    running.stop().await;
    seen.take()
}

async fn a_service_changes_between_the_rapids_and_a_mirror(delivery: Delivery) {
    let bench = Bench::of(delivery).await;
    let mirrored = || bench.config().read_from(MIRROR).unwrap();
    assert_eq!(reads(&bench, bench.config(), 1..=20).await, Vec::from_iter(1..=20));
    assert_eq!(reads(&bench, mirrored(), 21..=30).await, Vec::from_iter(21..=30));
    let is_shared = usize::from(delivery == Delivery::Shared);
    let url = bench.server.url();
    assert_eq!(consumers(&url, "RAPIDS").await + consumers(&url, MIRROR).await, is_shared);
    assert_eq!(consumers(&url, MIRROR).await, is_shared);
    assert_eq!(reads(&bench, bench.config(), 31..=40).await, Vec::from_iter(31..=40));
    assert_eq!(consumers(&url, MIRROR).await, 0);
    assert_eq!(reads(&bench, mirrored(), 41..=50).await, Vec::from_iter(41..=50));
    // A mirror is a copy: it is made anew where it was lost, and has nothing at first of what is done.
    bench.jetstream().await.delete_stream(MIRROR).await.unwrap();
    assert_eq!(reads(&bench, mirrored(), 51..=60).await, Vec::from_iter(51..=60));
}

#[tokio::test]
async fn a_service_in_shared_delivery_goes_on_where_it_was_in_a_mirror_and_back() {
    a_service_changes_between_the_rapids_and_a_mirror(Delivery::Shared).await;
}

#[tokio::test]
async fn a_service_in_exclusive_delivery_goes_on_where_it_was_in_a_mirror_and_back() {
    a_service_changes_between_the_rapids_and_a_mirror(Delivery::Exclusive).await;
}

#[tokio::test]
async fn instances_of_a_service_read_from_one_stream() {
    let bench = Bench::of(Delivery::Shared).await;
    let running = bench.run(bench.service("mover", [Seen::default().river()])).await;
    let mirrored = bench.config().read_from(MIRROR).unwrap();
    let other = Bench::service_of(mirrored, "mover", [Seen::default().river()]);
    let error = Running::spawn(other).ended().await.to_string();
    assert!(error.contains("read from RAPIDS; stop them first"), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn a_position_in_a_mirror_is_moved_shown_and_retired() {
    let bench = Bench::of(Delivery::Shared).await;
    let mirrored = || bench.config().read_from(MIRROR).unwrap();
    reads(&bench, mirrored(), 1..=9).await;
    let seek = Seek::new();
    let moved =
        bench.rapids.move_position("mover", Start::Sequence(5), seek).await.unwrap().unwrap();
    assert_eq!((moved.next, moved.again), (5, 5));
    let positions = bench.rapids.positions().await.unwrap();
    let shown = positions.iter().map(|it| (it.service.as_str(), it.acknowledged, it.pending));
    assert_eq!(Vec::from_iter(shown), [("mover", 4, 5)]);
    assert_eq!(reads(&bench, mirrored(), 10..=10).await, Vec::from_iter(5..=10));
    let retired = bench.rapids.retire("mover", Retiring::new()).await.unwrap().unwrap();
    assert!(retired.removed[0].contains("`mover` of RAPIDS_EU"), "{retired:?}");
    assert_eq!(consumers(&bench.server.url(), MIRROR).await, 0);
}

#[tokio::test]
async fn a_mirror_of_other_rapids_is_refused() {
    let bench = Bench::of(Delivery::Shared).await;
    let mirrored = || bench.config().read_from(MIRROR).unwrap();
    reads(&bench, mirrored(), 1..=3).await;
    let jetstream = bench.jetstream().await;
    jetstream.delete_stream("RAPIDS").await.unwrap();
    Rapids::connect(&bench.config()).await.unwrap();
    let service = Bench::service_of(mirrored(), "other", [Seen::default().river()]);
    let error = Running::spawn(service).ended().await.to_string();
    assert!(error.contains("nats stream rm -f RAPIDS_EU"), "{error}");
}

#[tokio::test]
async fn a_mirror_that_was_made_by_hand_is_used_if_it_has_everything() {
    let bench = Bench::of(Delivery::Shared).await;
    let jetstream = bench.jetstream().await;
    let source = |filter: Option<&str>| jetstream::stream::Source {
        name: "RAPIDS".to_owned(),
        filter_subject: filter.map(str::to_owned),
        ..Default::default()
    };
    let mirror = |source| jetstream::stream::Config {
        name: MIRROR.to_owned(),
        mirror: Some(source),
        allow_direct: true,
        max_age: Duration::from_secs(30 * 86_400),
        ..Default::default()
    };
    let mirrored = || bench.config().read_from(MIRROR).unwrap();
    jetstream.create_stream(mirror(source(Some("other")))).await.unwrap();
    let service = Bench::service_of(mirrored(), "mover", [Seen::default().river()]);
    let error = Running::spawn(service).ended().await.to_string();
    assert!(error.contains("mirror of all packets is false"), "{error}");
    jetstream.delete_stream(MIRROR).await.unwrap();
    jetstream.create_stream(mirror(source(None))).await.unwrap();
    assert_eq!(reads(&bench, mirrored(), 1..=3).await, [1, 2, 3]);
    let exclusive = mirrored().delivery(Delivery::Exclusive);
    assert_eq!(reads(&bench, exclusive, 4..=6).await, [4, 5, 6], "it has a live feed now");
}

#[tokio::test]
async fn a_site_that_is_gone_is_named_and_left() {
    let mut sites = TwoSites::start(1).await.unwrap();
    let hub = || config(&sites.hub[0].url()).delivery(Delivery::Shared);
    let rapids = Rapids::connect(&hub()).await.unwrap();
    let service = |config| Service::new("echo", config).from_beginning().river(echo());
    let mut running = Running::spawn(service(remote(&sites, Delivery::Shared)));
    publish(&rapids, 1..=10).await;
    running.during(answers(&rapids, 10)).await;
    running.stop().await;
    sites.leaf.clear();
    let error = rapids.retire("echo", Retiring::new()).await.unwrap_err().to_string();
    let named =
        "of `echo` in RAPIDS_EU in the domain leaf (if that is gone for good, start the service";
    assert!(error.contains(named), "{error}");
    let mut running = Running::spawn(service(hub()));
    publish(&rapids, 11..=20).await;
    let answers = running.during(answers(&rapids, 20)).await;
    assert!(answers.values().all(|count| *count == 1), "{answers:?}");
    running.stop().await;
    // Its last request may still wait at the server.
    let retire = async || rapids.retire("echo", Retiring::new()).await.ok().flatten();
    let retired = found("it is retired", retire).await;
    assert!(retired.removed[0].contains("`echo` of RAPIDS"), "{retired:?}");
}

#[tokio::test]
async fn services_that_start_while_their_site_is_cut_off_wait_and_share_a_mirror() {
    let sites = TwoSites::start(1).await.unwrap();
    sites.cut();
    let rapids = Rapids::connect(&Config::new(sites.hub[0].url())).await.unwrap();
    let names = ["a", "b", "c", "d"];
    let spawn = |name| {
        let service = Service::new(name, remote(&sites, Delivery::Shared)).from_beginning();
        Running::spawn(service.river(echo()))
    };
    let mut running = names.map(spawn);
    publish(&rapids, 1..=1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    sites.mend();
    let done = async || {
        let all = rapids.positions().await.unwrap_or_default();
        all.iter().filter(|it| it.acknowledged >= 1).count() == names.len()
    };
    for running in &mut running {
        running.during(until("all are done", done)).await;
    }
    for running in running {
        running.stop().await;
    }
}
